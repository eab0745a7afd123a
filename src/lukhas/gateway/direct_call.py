"""A request that is on its way to an upstream, with no coroutine made for it.

Most requests find an idle connection, so there is nothing to wait for before they are sent; and
most get a whole answer that nobody wants to change. Coroutines around the one wait for it would
cost more than all that is done with it. So the connection hands the answer to the call, and the
call, past the *layers* that look at it, to whoever waits, all in the call in which it came in.
Coroutines are made when something else comes up, and find the outcome that is there by then.
"""

from asyncio import CancelledError
from collections.abc import Awaitable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Protocol, cast

from lukhas.errors import LukhasError
from lukhas.http.messages import Response
from lukhas.pipeline.driving import DirectFuture, Run
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import discard

if TYPE_CHECKING:
    from lukhas.gateway.upstream_connection import UpstreamConnection

__all__ = ("AnswerTaker", "DirectCall", "Layer")


class AnswerTaker(Protocol):
    """Who waits for what comes of a call, outside any task."""

    def take_answer(self, exchange: Exchange, response: Response) -> None:
        """A whole answer, which goes out as it is."""
        ...

    def resume(self) -> None:
        """Something else came: the call is to be driven on, as any run."""
        ...


class Layer(Protocol):
    """What stands around a call. It has two forms, and each call meets one of them."""

    def passes(self, call: "DirectCall", response: Response) -> bool:
        """Looks at a whole answer.

        Returns:
            Whether that was all. If not, nothing has happened yet, and `around` takes over.
        """
        ...

    def around(self, call: "DirectCall", inner: Awaitable[Response]) -> Run:
        """The coroutine that it is around whatever else comes, and around what is awaited."""
        ...


class DirectCall(Coroutine[Any, Any, Response]):
    """One exchange that was sent to an upstream.

    To those who know nothing of it, it is a coroutine that forwards an exchange: it may be awaited,
    and driven as a run. Only that it had begun when it was made.

    Args:
        exchange: the exchange.
        head: the request head as bytes, empty line included.
        connection: carries it.
        layer: the innermost layer.

    Attributes:
        exchange: as given.
        head: as given.
        connection: as given.
        layers: what stands around it, innermost first.
        taker: who waits for it; None where it is awaited, or driven as a run.
    """

    __slots__ = (
        "_future",
        "_is_done",
        "_outcome",
        "_run",
        "connection",
        "exchange",
        "head",
        "layers",
        "taker",
    )

    def __init__(
        self, exchange: Exchange, head: bytes, connection: "UpstreamConnection", layer: Layer
    ) -> None:
        self.exchange = exchange
        self.head = head
        self.connection = connection
        self.layers = [layer]
        self.taker: AnswerTaker | None = None
        self._is_done = False
        self._outcome: Response | BaseException | None = None
        self._future: DirectFuture | None = None
        self._run: Run | None = None

    # -- what the connection tells; as it would tell a future ------------------------------------

    def done(self) -> bool:
        """Whether the connection has told what came of it."""
        return self._is_done

    def set_result(self, response: Response) -> None:
        """There is an answer."""
        self._is_done = True
        taker = self.taker
        if taker is None:
            self._settle(response)
            return
        try:
            if type(response.body) is bytes and self._passes(response):
                taker.take_answer(self.exchange, response)
            else:
                if self._outcome is None:
                    self._outcome = response
                taker.resume()
        except Exception as error:  # noqa: BLE001 - the connection cannot help it
            self._tell(error)

    def set_exception(self, error: LukhasError) -> None:
        """There is none."""
        self._is_done = True
        taker = self.taker
        if taker is None:
            self._settle(error)
            return
        self._outcome = error
        try:
            taker.resume()
        except Exception as failure:  # noqa: BLE001 - as above
            self._tell(failure)

    def _settle(self, outcome: Response | LukhasError) -> None:
        future = self._future
        if future is None:
            self._outcome = outcome
        elif not future.done():
            if isinstance(outcome, Response):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    def _passes(self, response: Response) -> bool:
        """Whether all layers let the answer pass; those that did are gone if not."""
        layers = self.layers
        at = 0
        try:
            for layer in layers:
                if not layer.passes(self, response):
                    break
                at += 1
            else:
                return True
        except Exception as error:  # noqa: BLE001 - the layers around it meet it
            self._outcome = error
            at += 1
        del layers[:at]
        return False

    def _tell(self, error: Exception) -> None:
        told = {"message": "a call could not go on", "exception": error}
        self.connection.loop.call_exception_handler(told)

    # -- what comes of it, for coroutines --------------------------------------------------------

    async def outcome(self) -> Response:
        """What the connection tells.

        Raises:
            UpstreamError: the upstream did not answer properly.
            BodyAbortedError: the client did not send its body.
        """
        connection = self.connection
        try:
            if not self._is_done:
                self._future = future = DirectFuture(loop=connection.loop)
                return await future
        except (CancelledError, GeneratorExit):
            connection.give_up(self)
            raise
        finally:
            connection.release(self)
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, Response):
            return outcome
        try:
            raise cast("BaseException", outcome)
        finally:
            # It holds the frame that it is raised from.
            del outcome

    # -- for everybody else: a coroutine ---------------------------------------------------------

    def _begun(self) -> Run:
        """The coroutine that it is from now on."""
        run = self._run
        if run is None:
            self.taker = None
            run = self.outcome()
            for layer in self.layers:
                run = layer.around(self, run)
            self._run = run
        return run

    def __await__(self) -> Generator[Any, Any, Response]:
        """See `collections.abc.Coroutine`."""
        return self._begun().__await__()

    def send(self, value: Any) -> Any:
        """See `collections.abc.Coroutine`."""
        return self._begun().send(value)

    def throw(self, typ: Any, val: Any = None, _tb: Any = None) -> Any:
        """See `collections.abc.Coroutine`."""
        if self._run is None:
            # Into its wait: a coroutine that was not started yet would do nothing about it.
            self.send(None)
        return self._begun().throw(typ if val is None else val)

    def close(self) -> None:
        """See `collections.abc.Coroutine`."""
        if self._run is None:
            try:
                self.send(None)
            except StopIteration as stop:
                discard(stop.value)
            except Exception:  # noqa: BLE001, S110 - there is nobody to be told
                pass
        self._begun().close()
