"""Compression of responses: which coding a client gets, before the cache, and the coding, inside.

Two stages, because the cache stands between them. Outside of it `NegotiateStage` replaces what the
client says about codings by the one coding that is right for it. So the cache keeps one variant
for each coding, however clients word their wishes, and what is stored is encoded once and sent as
it is.
Inside of it `CompressStage` encodes what the handler gives.
"""

import asyncio
from collections.abc import AsyncIterator

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.encoders import Encoder, encode, encoder_of
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Gate, Handler
from lukhas.policy.compression import (
    Compression,
    compression_of,
    confirmed_headers,
    encoded_headers,
    is_live,
    negotiated,
    with_vary,
)
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("CompressStage", "NegotiateStage")

_FIELD = b"accept-encoding"
_IDENTITY = b"identity"
_METHODS = frozenset(("GET", "HEAD", "POST"))
_MOST_KNOWN = 256
# A larger body would hold up everybody else while it is encoded at once.
_AT_ONCE_BYTES = 256 * 1024
_PIECE_BYTES = 64 * 1024


class NegotiateStage(Gate):
    """Replaces Accept-Encoding by the one coding that is right for the client."""

    name = "negotiate"
    on_failure = FailureMode.OPEN

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, tuple[bytes, ...]], bytes] = {}

    def enter(self, exchange: Exchange) -> None:
        """Lets the exchange pass, with a head that names one coding."""
        head = exchange.head
        route = exchange.route
        if route is None or head.method not in _METHODS:
            return
        policy = route.rule.compression
        headers = head.headers
        asked = headers.index().get(_FIELD)
        if asked is None or policy.mode is not Mode.ENFORCE:
            return
        if len(headers.index()) != len(headers.raw):
            asked = headers.joined(_FIELD) or asked
        coding = self._known.get((asked, policy.codings))
        if b"no-transform" in (headers.joined(b"cache-control") or b"").lower():
            coding = _IDENTITY  # RFC 9111 section 5.2.1.6
        elif coding is None:
            coding = negotiated(policy, asked)
            if len(self._known) < _MOST_KNOWN:
                self._known[asked, policy.codings] = coding
        if asked != coding:
            # The same head comes again and again (see `KnownHeads`), mostly to the same route.
            other = head.negotiated
            if other is None or other.headers.get(_FIELD) != coding:
                other = head.negotiated = _with_coding(head, coding)
            exchange.head = other


class CompressStage:
    """Encodes what the handler gives, by the coding that was negotiated."""

    name = "compress"
    on_failure = FailureMode.OPEN

    def __init__(self) -> None:
        self._verdicts = {
            (result, mode): Verdict(
                "compress",
                Outcome.ANSWERED if result is Compression.DONE else Outcome.PASSED,
                result.value,
                mode=mode,
            )
            for result in Compression
            for mode in Mode
        }

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on, and encodes what comes back."""
        response = await call_next(exchange)
        policy = exchange.route.rule.compression if exchange.route is not None else None
        if policy is None or policy.mode is Mode.OFF or exchange.head.method not in _METHODS:
            return response
        coding = exchange.head.headers.index().get(_FIELD, _IDENTITY)
        if policy.mode is Mode.SHADOW:
            coding = negotiated(policy, exchange.head.headers.joined(_FIELD))
        elif response.status == 304:
            asked = exchange.head.headers.joined(b"if-none-match")
            return _with_headers(response, confirmed_headers(response.headers, asked))
        elif coding not in policy.codings:
            coding = _IDENTITY
        body, headers = response.body, response.headers
        is_head = exchange.head.method == "HEAD"
        size = _stated(headers) if is_head or not isinstance(body, bytes) else len(body)
        result = compression_of(policy, coding, status=response.status, headers=headers, size=size)
        exchange.verdicts.append(self._verdicts[result, policy.mode])
        if policy.mode is Mode.SHADOW:
            return response
        if result is Compression.IDENTITY:
            # Another client gets another answer from here.
            return _with_headers(response, with_vary(headers))
        if result is not Compression.DONE:
            return response
        if is_head:
            return _with_headers(response, encoded_headers(headers, coding, length=None))
        return _encoded(response, coding, policy.effort)


def _encoded(response: Response, coding: bytes, effort: int) -> Response:
    body, headers = response.body, response.headers
    if isinstance(body, bytes):
        if len(body) <= _AT_ONCE_BYTES:
            encoded = encode(body, coding, effort)
            response = _with_headers(
                response, encoded_headers(headers, coding, length=len(encoded))
            )
            response.body = encoded
            return response
        body = _in_pieces(body)
    tap = _EncodingTap(encoder_of(coding, effort), flushes=is_live(headers))
    response = _with_headers(response, encoded_headers(headers, coding, length=None))
    response.body = body
    # First of all: whoever looks at the body sees what goes out.
    response.taps = [tap, *(response.taps or ())]
    return response


def _with_headers(response: Response, headers: Headers) -> Response:
    response.headers = headers
    response.ready_head = None
    return response


class _EncodingTap:
    """A body tap that encodes what passes."""

    __slots__ = ("_encoder", "_flushes")

    def __init__(self, encoder: Encoder, *, flushes: bool) -> None:
        self._encoder = encoder
        self._flushes = flushes

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        ready = self._encoder.feed(chunk, flush=self._flushes and not last) if chunk else b""
        return ready + self._encoder.finish() if last else ready

    def abort(self) -> None:
        """Nothing is held."""


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
        # What follows is encoded in another turn of the loop, so that others get theirs.
        await asyncio.sleep(0)


def _with_coding(head: RequestHead, coding: bytes) -> RequestHead:
    headers = [pair for pair in head.headers.raw if pair[0] != _FIELD]
    headers.append((_FIELD, coding))
    return RequestHead(
        head.method,
        head.scheme,
        head.authority,
        head.path,
        head.query,
        Headers(headers),
        head.keyed,
    )


def _stated(headers: Headers) -> int | None:
    length = headers.get(b"content-length")
    return int(length) if length is not None and length.isdigit() else None
