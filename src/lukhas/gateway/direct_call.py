"""A request that is on its way to an upstream, with no coroutine made for it.

Most requests find an idle connection, so there is nothing to wait for before they are sent; and
most get a whole answer that nobody wants to change. Coroutines around the one wait for it would
cost more than all that is done with it. So the connection hands the answer to the call, and the
call, past the *layers* that look at it, to whoever waits, all in the call in which it came in.
Coroutines are made when something else comes up, and find the outcome that is there by then.
"""

from asyncio import AbstractEventLoop, CancelledError
from collections.abc import Awaitable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Protocol, cast

from lukhas.errors import LukhasError
from lukhas.gateway.plain_answers import NOT_RELAYED
from lukhas.http.headers import HeaderPairs, Headers, connection_options
from lukhas.http.messages import Response
from lukhas.pipeline.driving import DirectFuture, Run
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import discard

__all__ = ("Answer", "AnswerTaker", "Carrier", "DirectCall", "Layer", "Sender", "ServerTally")

_FIRST_FAULT = 500


class Answer(Protocol):
    """What there is to know of a whole answer without its body: see `Response`."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    @property
    def ready_head(self) -> bytes | None: ...


class AnswerTaker(Protocol):
    """Who waits for what comes of a call, outside any task."""

    def take_answer(self, exchange: Exchange, answer: Answer, body: bytes) -> None:
        """A whole answer, which goes out as it is."""
        ...

    def resume(self) -> None:
        """Something else came: the call is to be driven on, as any run."""
        ...

    def relay_interim(self, status: int, fields: HeaderPairs) -> None:
        """An interim response."""
        ...


class Layer(Protocol):
    """What stands around a call. It has two forms, and each call meets one of them."""

    def passes(self, exchange: Exchange, answer: Answer, body: bytes) -> bool:
        """Looks at a whole answer.

        Returns:
            Whether that was all. If not, nothing has happened yet, and `around` takes over.
        """
        ...

    def around(self, exchange: Exchange, inner: Awaitable[Response]) -> Run:
        """The coroutine that it is around whatever else comes, and around what is awaited."""
        ...


@dataclass(slots=True)
class ServerTally:
    """What came of the requests to one server. Not frozen: each request counts.

    Attributes:
        answers: it answered.
        faults: it answered with 5xx.
        failures: it did not answer properly, or not in time.
    """

    answers: int = 0
    faults: int = 0
    failures: int = 0


class Sender(Protocol):
    """Who sends requests to a server.

    Attributes:
        tally: what came of them.
    """

    tally: ServerTally

    def settled(self, call: "DirectCall") -> Run:
        """What comes of a call in the end, where more than one connection may have to be asked."""
        ...


class Carrier(Protocol):
    """A connection that carries a call."""

    @property
    def loop(self) -> AbstractEventLoop: ...

    def release(self, call: "DirectCall") -> bool:
        """The call is done with; gives whether it was still carried, and not another one."""
        ...

    def abort(self) -> None:
        """Drops the connection."""
        ...

    def was_stale(self) -> bool:
        """Whether it looks as if it had been closed before the request came to the other end."""
        ...


class DirectCall(Coroutine[Any, Any, Response]):
    """One exchange that was sent to an upstream.

    To those who know nothing of it, it is a coroutine that forwards an exchange: it may be awaited,
    and driven as a run. Only that it had begun when it was made.

    It is filled by the connection that makes it: arguments would cost as much as all of it.

    Attributes:
        exchange: the exchange.
        head: the request head as bytes, empty line included.
        connection: carries it.
        sender: who sends it.
        layers: what stands around it, innermost first.
        taker: who waits for it; None where it is awaited, or driven as a run.
        is_done: whether the connection has told what came of it.
    """

    exchange: Exchange
    head: bytes
    connection: Carrier
    sender: Sender
    layers: tuple[Layer, ...] = ()
    taker: AnswerTaker | None = None
    is_done = False
    _outcome: Response | Exception | None = None
    _future: DirectFuture | None = None
    _run: Run | None = None

    # -- what the connection tells ---------------------------------------------------------------

    def answer_whole(self, answer: Answer, body: bytes) -> None:
        """There is an answer, with all of its body."""
        self.is_done = True
        tally = self.sender.tally
        tally.answers += 1
        if answer.status >= _FIRST_FAULT:
            tally.faults += 1
        taker, exchange = self.taker, self.exchange
        if taker is None:
            self._settle(_response(answer, body))
            return
        layer = None
        try:
            for layer in self.layers:
                if not layer.passes(exchange, answer, body):
                    break
            else:
                layer = None
        except Exception as error:  # noqa: BLE001 - the layers around it meet it
            self._drop_until(layer)
            self.layers = self.layers[1:]
            self._settle(error)
            return
        if layer is not None:
            self._drop_until(layer)
            self._settle(_response(answer, body))
            return
        try:
            taker.take_answer(exchange, answer, body)
        except Exception as error:  # noqa: BLE001 - the connection cannot help it
            self._tell(error)

    def answer(self, response: Response) -> None:
        """There is an answer whose body is a stream."""
        self.is_done = True
        tally = self.sender.tally
        tally.answers += 1
        if response.status >= _FIRST_FAULT:
            tally.faults += 1
        self._settle(response)

    def fail(self, error: LukhasError) -> None:
        """There is no answer."""
        self.is_done = True
        self._settle(error)

    def relay_interim(self, status: int, headers: Headers) -> None:
        """There is an interim response."""
        relay = self.exchange.relay_interim if self.taker is None else self.taker.relay_interim
        if relay is not None:
            dropped = NOT_RELAYED | connection_options(headers) | {b"content-length"}
            relay(status, [pair for pair in headers if pair[0] not in dropped])

    def _settle(self, outcome: Response | Exception) -> None:
        """Hands the outcome to the coroutine, or has one begun for it."""
        taker, future = self.taker, self._future
        if future is None:
            self._outcome = outcome
            if taker is not None:
                try:
                    taker.resume()
                except Exception as error:  # noqa: BLE001 - as above
                    self._tell(error)
        elif not future.done():
            if isinstance(outcome, Response):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    def _drop_until(self, layer: Layer | None) -> None:
        """Leaves the layers before this one out: they have let the answer pass."""
        layers = self.layers
        while layers and layers[0] is not layer:
            layers = layers[1:]
        self.layers = layers

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
            if not self.is_done:
                self._future = future = DirectFuture(loop=connection.loop)
                return await future
        except (CancelledError, GeneratorExit):
            # Unless the response was whole already, and the connection is free or another's.
            if connection.release(self):
                connection.abort()
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
            run = self.sender.settled(self)
            for layer in self.layers:
                run = layer.around(self.exchange, run)
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


def _response(answer: Answer, body: bytes) -> Response:
    if isinstance(answer, Response):
        return answer
    return Response(answer.status, answer.headers, body, answer.ready_head)
