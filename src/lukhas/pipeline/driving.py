"""Driving a pipeline run by hand, so that what needs no waiting makes no task.

A run is a coroutine. `start` takes its first step in the caller's own stack: a request that is
decided from memory ends there, with no task, future or timer made for it. Only a run that has to
wait is handed to the loop, with `finish`. A run may also *park*: it stops at `park()` and waits
for its caller, not for the loop; that is how a wrapped app, which pushes its response, and the
programmatic API, whose caller brings the response later, sit inside the same onion as the gateway.

A run whose only wait is for a `DirectFuture` needs no task either: who drives it goes on with it
when that future is done.

One pitfall: before its first wait, and after one for a `DirectFuture`, a run is not inside a task
of its own, so code that asks for the current task must first let itself be moved into one, with
`enter_task`.
"""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

from lukhas.http.messages import Response

__all__ = (
    "PARKED",
    "DirectFuture",
    "Parked",
    "Run",
    "Step",
    "Waiting",
    "complete",
    "enter_task",
    "fail",
    "finish",
    "park",
    "resume",
    "start",
)

Run = Coroutine[Any, Any, Response]

# Looked up once: a call through `super` costs as much again.
_set_result = asyncio.Future.set_result


class Parked:
    """The run waits for its caller: resume it with `resume` or `fail`."""

    __slots__ = ()


class Waiting:
    """The run waits for the loop: go on with `await finish(...)`.

    Attributes:
        yielded: what the run yielded, to be yielded to the loop again.
    """

    __slots__ = ("yielded",)

    def __init__(self, yielded: object) -> None:
        self.yielded = yielded


Step = Response | Parked | Waiting
"""Where a run stands after a step: ended with its response, or waiting."""


class DirectFuture(asyncio.Future[Response]):
    """A future that a run may wait for outside any task; inside one it is like any other.

    Who drives the run may go on with it `then`: in the very call that gives the result, and not
    through a handle that the loop makes and calls later, as with `add_done_callback`.
    """

    _then: "Callable[[DirectFuture], None] | None" = None

    def then(self, go_on: "Callable[[DirectFuture], None]") -> None:
        """Has `go_on` called when there is a result or an error; not where it is cancelled."""
        self._then = go_on

    def set_result(self, result: Response, /) -> None:
        """See `asyncio.Future`."""
        _set_result(self, result)
        then = self._then
        if then is not None:
            self._go_on(then)

    def set_exception(self, exception: type | BaseException, /) -> None:
        """See `asyncio.Future`."""
        super().set_exception(exception)
        then = self._then
        if then is not None:
            self._go_on(then)

    def _go_on(self, then: "Callable[[DirectFuture], None]") -> None:
        self._then = None
        try:
            then(self)
        except Exception as error:  # noqa: BLE001 - who gave the result cannot help it
            told = {"message": "a run could not go on", "exception": error, "future": self}
            self.get_loop().call_exception_handler(told)


PARKED: Final = Parked()


@types.coroutine
def park() -> Generator[Parked, Response, Response]:
    """Parks the run; gives the response that the caller resumes it with."""
    return (yield PARKED)


@types.coroutine
def enter_task() -> Generator[None, None, None]:
    """Makes sure that what follows runs inside a task."""
    yield


def start(run: Run) -> Step:
    """Takes the first step of a run, in the caller's stack; or the next, when its future is done.

    Returns:
        The response, if the run ended; else what it waits for.
    """
    # Not through `resume`: this is on the way of every request, and a call costs.
    try:
        yielded: object = run.send(None)
    except StopIteration as stop:
        response: Response = stop.value
        return response
    return PARKED if yielded is PARKED else Waiting(yielded)


def resume(run: Run, response: Response) -> Step:
    """Gives a parked run the response it waits for."""
    try:
        yielded: object = run.send(response)
    except StopIteration as stop:
        final: Response = stop.value
        return final
    return PARKED if yielded is PARKED else Waiting(yielded)


def fail(run: Run, error: BaseException) -> Step:
    """Raises an error in a parked run; a stage may still answer."""
    try:
        yielded: object = run.throw(error)
    except StopIteration as stop:
        response: Response = stop.value
        return response
    return PARKED if yielded is PARKED else Waiting(yielded)


@types.coroutine
def finish(run: Run, waiting: Waiting) -> Generator[Any, Any, Response | Parked]:
    """Goes on with a waiting run inside the current task, until it ends or parks.

    What the run had yielded is yielded again, so the loop sees it as if the run had been a task
    from the start; results, errors and cancellation are forwarded.
    """
    yielded: object = waiting.yielded
    while True:
        try:
            try:
                value = yield yielded
            except BaseException as error:  # noqa: BLE001 - forwarded, cancellation included
                yielded = run.throw(error)
            else:
                yielded = run.send(value)
        except StopIteration as stop:
            response: Response = stop.value
            return response
        if yielded is PARKED:
            return PARKED


async def complete(run: Run) -> Response | Parked:
    """Runs a run from its start inside the current task, until it ends or parks."""
    step = start(run)
    return await finish(run, step) if isinstance(step, Waiting) else step
