"""Between the app and the server: the responses of a wrapped app on their way through a run."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from hashlib import blake2b
from typing import Any, Final

from lukhas.errors import HandlerError
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import Pushed, Response
from lukhas.pipeline.driving import Parked, Run, Waiting, fail, finish, resume
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.known_ways import RepeatedHit
from lukhas.pipeline.pipeline import close, discard

__all__ = ("Message", "Relay", "Send", "send_repeated", "send_response")

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

# Results of the cache whose answer comes from the store.
_STORED: Final = frozenset(("hit", "stale"))
_PUSHED: Final = Pushed()
_PIECE_BYTES: Final = 256 * 1024

# What the app has sent so far.
_NOTHING: Final = 0
_HELD: Final = 1  # its head, which is kept until the first piece of the body shows if it is all
_STREAMING: Final = 2  # its head, which has gone out; the body passes as it comes
_COMPLETE: Final = 3
_FAILED: Final = 4
# From here on nothing of what the app sends goes out.
_REPLACED: Final = 5  # its head, in whose place the run sent another response
_AGAIN: Final = 6  # its head, which was of no use: the run wants the app to be called again


class Relay:
    """Stands in for the `send` of one request whose run is parked.

    The run is only ever advanced from within a call of the app to `send`, or after the app is done,
    so never by two at once; from which task does not matter.

    Args:
        send: the server's.
        run: the parked run.
        exchange: what it is about.
        tagged: the names of the routes whose answers get an ETag if they have none.
    """

    __slots__ = ("_exchange", "_held", "_response", "_run", "_send", "_state", "_tagged")

    def __init__(self, send: Send, run: Run, *, exchange: Exchange, tagged: frozenset[str]) -> None:
        self._send = send
        self._run = run
        self._exchange = exchange
        self._tagged = tagged
        self._state = _NOTHING
        self._response: Response | None = None
        self._held: Message | None = None

    @property
    def is_open(self) -> bool:
        """Whether the app still owes a part of its response."""
        return self._state <= _STREAMING

    def again(self) -> bool:
        """Whether the app is to be called again, now with the fields of `exchange.head`."""
        if self._state != _AGAIN:
            return False
        self._state = _NOTHING
        return True

    def __call__(self, message: Message) -> Awaitable[None]:
        """Takes a message of the app; to be awaited at once, as every `send`.

        No coroutine of its own where the server's can be handed on: this is called twice or more
        for each request.
        """
        kind = message["type"]
        state = self._state
        if kind == "http.response.body" and state == _STREAMING:
            response = self._response
            last = not message.get("more_body", False)
            if response is None or not (last or response.taps):
                return self._send(message)
            if response.taps:
                return self._pass_tapped(response, message)
            return self._send_last(response, message)
        if kind == "http.response.start" and state == _NOTHING:
            return self._start(message)
        return self._pass_other(message)

    def _start(self, message: Message) -> Awaitable[None]:
        headers = Headers([(name.lower(), value) for name, value in message.get("headers", ())])
        if self._tagged and self._lacks_tag(message["status"], headers):
            self._held = message
            self._state = _HELD
            return _nothing()
        return self._respond(message, Response(message["status"], headers, _PUSHED))

    def _respond(self, message: Message, response: Response) -> Awaitable[None]:
        """Gives the app's response to the run, and sends the head of what comes out."""
        # Until the run ends it takes care of the response itself.
        self._state = _FAILED
        step = resume(self._run, response)
        if isinstance(step, Waiting):
            return self._respond_later(message, step)
        return self._go_out(message, step)

    async def _respond_later(self, message: Message, step: Waiting) -> None:
        await self._go_out(message, await finish(self._run, step))

    def _go_out(self, message: Message, step: Response | Parked) -> Awaitable[None]:
        if isinstance(step, Parked):
            self._state = _AGAIN
            return _nothing()
        self._response = step
        if isinstance(step.body, Pushed):
            self._state = _STREAMING
            headers = step.headers.raw + self._exchange.added
            return self._send({**message, "status": step.status, "headers": headers})
        self._state = _REPLACED
        return send_response(self._send, step, exchange=self._exchange)

    async def _pass_tapped(self, response: Response, message: Message) -> None:
        last = not message.get("more_body", False)
        body = bytes(message.get("body", b""))
        while len(body) > _PIECE_BYTES:
            # A tap may encode: what it does at once, everybody else waits for.
            chunk = _tapped(response, body[:_PIECE_BYTES], last=False)
            body = body[_PIECE_BYTES:]
            if chunk:
                await self._send({**message, "body": chunk, "more_body": True})
            await asyncio.sleep(0)
        chunk = _tapped(response, body, last=last)
        message = {**message, "body": chunk}
        if last:
            await self._send_last(response, message)
        elif chunk:
            await self._send(message)

    async def _send_last(self, response: Response, message: Message) -> None:
        self._state = _COMPLETE
        try:
            await self._send(message)
        finally:
            close(response)

    async def _pass_other(self, message: Message) -> None:
        kind: str = message["type"]
        if kind == "http.response.body" and self._held is not None:
            await self._release(self._held, message)
            return
        if self._state >= _REPLACED and kind.startswith("http.response."):
            return
        if kind in {"http.response.pathsend", "http.response.zerocopysend"}:
            await self._pass_past_taps(message)
            return
        await self._send(message)

    async def _pass_past_taps(self, message: Message) -> None:
        """Passes a body that the server reads from a file itself, so that no tap can see it."""
        if self._held is not None:
            await self._release(self._held, None)
        response = self._response
        if response is None or self._state != _STREAMING:
            if self._state < _REPLACED:
                await self._send(message)
            return
        for tap in response.taps or ():
            tap.abort()
        response.taps = None
        if message["type"] == "http.response.zerocopysend" and message.get("more_body", False):
            await self._send(message)
        else:
            await self._send_last(response, message)

    def _lacks_tag(self, status: int, headers: Headers) -> bool:
        route = self._exchange.route
        if status != 200 or route is None or route.rule.name not in self._tagged:
            return False
        if self._exchange.head.method != "GET" or b"etag" in headers:
            return False
        return not (headers.get(b"content-type") or b"").startswith(b"text/event-stream")

    async def _release(self, held: Message, body: Message | None) -> None:
        """Lets the held head go, with an ETag if this body is all of it."""
        self._held = None
        headers = [(name.lower(), value) for name, value in held.get("headers", ())]
        if body is None or body.get("more_body", False):
            await self._respond(held, Response(200, Headers(headers), _PUSHED))
            if body is not None:
                await self(body)
            return
        content = bytes(body.get("body", b""))
        # Weak: whoever compresses the answer later would break the promise of a strong one.
        tag = blake2b(content, digest_size=16).hexdigest().encode("ascii")
        headers.append((b"etag", b'W/"%b"' % tag))
        await self._respond(held, Response(200, Headers(headers), content))

    async def failed(self, error: Exception) -> bool:
        """The app raised.

        Returns:
            Whether a stage had another answer, which has then been sent.
        """
        if self._state not in {_NOTHING, _HELD, _AGAIN}:
            self.abandon()
            return False
        traceback = error.__traceback__
        try:
            self._state = _FAILED
            step = fail(self._run, error)
            if isinstance(step, Waiting):
                step = await finish(self._run, step)
        except HandlerError:
            return False
        finally:
            # The run has added its own frames to it, which are no part of the app's failure.
            error.__traceback__ = traceback
        if isinstance(step, Parked):
            self._run.close()
            return False
        await send_response(self._send, step, exchange=self._exchange)
        return True

    async def ended(self) -> None:
        """The app returned."""
        if self._state in {_NOTHING, _HELD}:
            await self.failed(RuntimeError("the app returned without a response"))
        elif self._state == _STREAMING:
            self.abandon()

    def abandon(self) -> None:
        """Nobody waits for the rest: what the response holds is freed, and the run ends here."""
        if self._state == _STREAMING and self._response is not None:
            discard(self._response)
        if self._state != _REPLACED:
            self._state = _FAILED
        self._response = None
        self._run.close()


async def _nothing() -> None:
    pass


def _undated(fields: HeaderPairs) -> HeaderPairs:
    """Fields of a stored response without Date, since servers add one to whatever they send.

    That is the time of sending then, and Age tells how old the response is.
    """
    return [pair for pair in fields if pair[0] != b"date"]


async def send_response(send: Send, response: Response, *, exchange: Exchange) -> None:
    """Sends a response that the run gave: whole, or piece by piece from its iterator.

    A response to HEAD goes out without its body (RFC 9110 section 9.3.2).
    """
    body = response.body
    head_only = exchange.head.method == "HEAD"
    fields = response.headers.raw
    if exchange.cache_result in _STORED:
        fields = _undated(fields)
    start = {
        "type": "http.response.start",
        "status": response.status,
        "headers": fields + exchange.added,
    }
    seen = False
    try:
        if isinstance(body, Pushed):
            raise TypeError("a response without an app has a body that only an app can push")
        if not isinstance(body, bytes):
            await send(start)
            if not head_only:
                await _send_pieces(send, response, body)
                seen = True
            await send({"type": "http.response.body", "body": b""})
            return
        if head_only:
            body = b""
        else:
            seen = True
            if response.taps is not None:
                body = _tapped(response, body, last=True)
        await send(start)
        await send({"type": "http.response.body", "body": body})
    finally:
        if response.taps is not None or response.on_close is not None:
            (close if seen else discard)(response)


async def send_repeated(send: Send, repeated: RepeatedHit) -> None:
    """Sends the response to a request that is like one before."""
    known, entry, request_id, figures = repeated
    if known.sent is None:
        known.sent = _undated(entry.headers.raw)
    headers = [*known.sent, (b"x-request-id", request_id)]
    plan = known.plan
    if plan is not None and known.is_told:
        headers += (plan.policy_pair, (b"ratelimit", plan.limit_template % figures))
    headers += entry.told_fields
    await send({"type": "http.response.start", "status": entry.status, "headers": headers})
    await send({"type": "http.response.body", "body": entry.body})


async def _send_pieces(send: Send, response: Response, pieces: AsyncIterator[bytes]) -> None:
    try:
        async for piece in pieces:
            tapped = _tapped(response, piece, last=False)
            if tapped:
                await send({"type": "http.response.body", "body": tapped, "more_body": True})
        rest = _tapped(response, b"", last=True)
        if rest:
            await send({"type": "http.response.body", "body": rest, "more_body": True})
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


def _tapped(response: Response, chunk: bytes, *, last: bool) -> bytes:
    for tap in response.taps or ():
        chunk = tap.feed(chunk, last=last)
    return chunk
