"""Compression of responses: which coding a client gets, before the cache, and the coding, inside.

Two stages, because the cache stands between them. Outside of it `NegotiateStage` replaces what the
client says about codings by the one coding that is right for it. So the cache keeps one variant for
each coding, however clients word their wishes, and what is stored is encoded once and sent as it is.
Inside of it `CompressStage` encodes what the handler gives.
"""

from collections.abc import AsyncIterator

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.encoders import Encoder, encode, encoder_of
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Gate, Handler
from lukhas.policy.compression import (
    Compression,
    CompressionPolicy,
    compression_of,
    encoded_headers,
    is_event_stream,
    negotiated,
    weakened,
    with_vary,
)
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("CompressStage", "NegotiateStage")

_FIELD = b"accept-encoding"
_METHODS = frozenset(("GET", "HEAD", "POST"))
_MOST_KNOWN = 256
# A larger body would hold up everybody else while it is encoded at once.
_AT_ONCE_BYTES = 256 * 1024
_PIECE_BYTES = 64 * 1024


class NegotiateStage(Gate):
    """Replaces Accept-Encoding by the one coding that is right for the client.

    Args:
        policy: what is on offer.
    """

    name = "negotiate"
    on_failure = FailureMode.OPEN

    def __init__(self, policy: CompressionPolicy) -> None:
        self._policy = policy
        self._known: dict[bytes | None, bytes] = {}

    def enter(self, exchange: Exchange) -> None:
        """Lets the exchange pass, with a head that names one coding."""
        head = exchange.head
        if head.method not in _METHODS:
            return
        headers = head.headers
        asked = headers.index().get(_FIELD)
        if asked is not None and len(headers.index()) != len(headers.raw):
            asked = headers.joined(_FIELD)
        coding = self._known.get(asked)
        if coding is None:
            coding = negotiated(self._policy, asked)
            if len(self._known) < _MOST_KNOWN:
                self._known[asked] = coding
        if asked != coding:
            exchange.head = _with_coding(head, coding)


class CompressStage:
    """Encodes what the handler gives, by the coding that was negotiated.

    Args:
        policy: what to compress.
    """

    name = "compress"
    on_failure = FailureMode.OPEN

    def __init__(self, policy: CompressionPolicy) -> None:
        self._policy = policy
        self._verdicts = {
            result: Verdict(
                "compress",
                Outcome.ANSWERED if result is Compression.DONE else Outcome.PASSED,
                result.value,
                mode=policy.mode,
            )
            for result in Compression
        }

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on, and encodes what comes back."""
        response = await call_next(exchange)
        coding = exchange.head.headers.index().get(_FIELD, b"identity")
        headers = response.headers
        if response.status == 304:
            response.headers = _as_stored(exchange, headers)
            return response
        body = response.body
        size = len(body) if isinstance(body, bytes) else _stated(headers)
        result = compression_of(
            self._policy, coding, status=response.status, headers=headers, size=size
        )
        exchange.verdicts.append(self._verdicts[result])
        if self._policy.mode is not Mode.ENFORCE:
            return response
        if result in {Compression.IDENTITY, Compression.SMALL}:
            # Another client gets another answer from here.
            if result is Compression.IDENTITY:
                response.headers = with_vary(headers)
            return response
        if result is not Compression.DONE:
            return response
        if exchange.head.method == "HEAD":
            response.headers = encoded_headers(headers, coding, length=None)
            return response
        return self._encoded(response, coding)

    def _encoded(self, response: Response, coding: bytes) -> Response:
        body, headers, effort = response.body, response.headers, self._policy.effort
        if isinstance(body, bytes):
            if len(body) <= _AT_ONCE_BYTES:
                response.body = encoded = encode(body, coding, effort)
                response.headers = encoded_headers(headers, coding, length=len(encoded))
                return response
            response.body = _in_pieces(body)
        response.headers = encoded_headers(headers, coding, length=None)
        tap = _EncodingTap(encoder_of(coding, effort), flushes=is_event_stream(headers))
        # First of all: whoever looks at the body sees what goes out.
        response.taps = [tap, *(response.taps or ())]
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


def _as_stored(exchange: Exchange, headers: Headers) -> Headers:
    """The fields of a 304 that confirms what was encoded here, with the entity tag it has here."""
    tag = headers.get(b"etag")
    asked = exchange.head.headers.joined(b"if-none-match")
    if tag is None or asked is None or tag.startswith(b"W/") or weakened(tag) not in asked:
        return headers
    return Headers([(name, weakened(tag) if name == b"etag" else value) for name, value in headers])


def _stated(headers: Headers) -> int | None:
    length = headers.get(b"content-length")
    return int(length) if length is not None and length.isdigit() else None


