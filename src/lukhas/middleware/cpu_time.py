"""The processor time that a wrapped app spends on a request."""

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from time import thread_time_ns
from typing import Any

from lukhas.pipeline.exchange import Exchange
from lukhas.policy.rate_limiting.costs import CostBasis

__all__ = ("CpuMeter", "metered", "wants_cpu")

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


def wants_cpu(exchange: Exchange) -> bool:
    """Whether a limit of this exchange is charged by processor time."""
    limit = exchange.limit
    if limit is None or not limit.plan.settles:
        return False
    return any(group.cost.basis is CostBasis.CPU_MS for group in limit.plan.groups)


def metered(app: _App, exchange: Exchange) -> _App:
    """The app, measured if a limit of the exchange asks for that; else the app itself."""
    if not wants_cpu(exchange):
        return app
    meter = CpuMeter(exchange)

    async def measured(scope: _Message, receive: _Receive, send: _Send) -> None:
        await meter.run(_awaited(app(scope, receive, meter.sending(send))))

    return measured


async def _awaited(call: Awaitable[None]) -> None:
    await call


class CpuMeter:
    """Counts into `exchange.cpu_ns` what the steps of one coroutine cost.

    It reads the clock of the thread of the event loop around each step. So it sees what the app
    does in its own task; not what it does in threads of a pool or in tasks that it starts itself.

    Args:
        exchange: where the time goes.
    """

    __slots__ = ("_exchange", "_since_ns", "_stepping")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._since_ns = 0
        self._stepping = False

    def sending(self, send: _Send) -> _Send:
        """A `send` before which the time so far is counted: the last one settles the limits."""

        async def counted(message: _Message) -> None:
            # A task of the app's own may send too, between two steps of the one that is measured.
            if self._stepping:
                self._count()
            await send(message)

        return counted

    @types.coroutine
    def run(self, app: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Runs the app inside the current task; results, errors and cancellation are forwarded."""
        value: object = None
        error: BaseException | None = None
        while True:
            self._since_ns = thread_time_ns()
            self._stepping = True
            try:
                yielded = app.send(value) if error is None else app.throw(error)
            except StopIteration:
                return
            finally:
                self._stepping = False
                self._count()
            value = error = None
            try:
                value = yield yielded
            except BaseException as thrown:  # noqa: BLE001 - forwarded, cancellation included
                error = thrown

    def _count(self) -> None:
        now_ns = thread_time_ns()
        self._exchange.cpu_ns += now_ns - self._since_ns
        self._since_ns = now_ns
