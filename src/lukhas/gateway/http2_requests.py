"""Header blocks and data of HTTP/2 into requests."""

from typing import cast

from lukhas.errors import BodyAbortedError
from lukhas.gateway.body_stream import RequestBody
from lukhas.gateway.framing import Fault, FrontLimits, MalformedRequestError
from lukhas.gateway.front_request import (
    HEAD_TOO_LARGE,
    FrontRequest,
    body_too_large,
    check_expectation,
)
from lukhas.gateway.http2_shared import Http2Shared
from lukhas.gateway.http2_stream import Http2Stream
from lukhas.http.headers import HeaderPairs
from lukhas.http.http2_frames import ErrorCode, StreamError
from lukhas.http.messages import RequestHead
from lukhas.pipeline.intake import Intake

__all__ = ("BODY_TOO_SLOW", "RequestIntake", "is_awaited_whole", "late_body")

BODY_TOO_SLOW = Fault(408, "body-timeout", "The request body comes too slowly.")

# A body up to this length is read before its request begins; see `RequestParser`.
_WHOLE_BODY_BYTES = 64 * 1024
_MOST_LENGTH_DIGITS = 18


def is_awaited_whole(request: FrontRequest) -> bool:
    """Whether a request begins only when its body has come."""
    body = request.body
    return (
        body is not None
        and body.length is not None
        and body.length <= _WHOLE_BODY_BYTES
        and not body.client_waits
    )


class RequestIntake:
    """Makes the requests of one connection, and fills their bodies.

    Args:
        shared: what connections share.
        intake: makes exchanges.
        peer: the client's address.
    """

    def __init__(self, shared: Http2Shared, intake: Intake, peer: str) -> None:
        self._shared = shared
        self._intake = intake
        self._peer = peer
        self._last: HeaderPairs | None = None
        self._last_head = cast("RequestHead", None)

    def request(
        self, stream: Http2Stream, decoded: HeaderPairs | None, *, end_stream: bool
    ) -> FrontRequest:
        """The request that a header block holds; None stands for one that is too large.

        Raises:
            StreamError: it is malformed by the rules of HTTP/2.
            MalformedRequestError: it is refused as it would be in HTTP/1.1.
        """
        if decoded is None:
            raise MalformedRequestError(HEAD_TOO_LARGE)
        # A block that came before gives the very same list.
        head = self._last_head if decoded is self._last else self._shared.head(decoded)
        self._last, self._last_head = decoded, head
        index = head.headers.index()
        length = _length(index.get(b"content-length"))
        if end_stream and length:
            raise StreamError(ErrorCode.PROTOCOL_ERROR, "a length without a body")
        expects = b"expect" in index
        if expects:
            check_expectation(index[b"expect"])
        body = None if end_stream else self._body(stream, length, expects=expects)
        exchange = self._intake.exchange(head, self._peer, body=body)
        exchange.protocol = "HTTP/2.0"
        return FrontRequest(exchange, body, version="2", keep_alive=True)

    def _body(self, stream: Http2Stream, length: int | None, *, expects: bool) -> RequestBody:
        state = self._shared.state
        limit = state.limits.most_body_bytes
        if length is not None and limit and length > limit:
            raise MalformedRequestError(body_too_large(limit))
        return RequestBody(
            state.loop,
            length,
            pause=stream.hold,
            resume=stream.release,
            on_first_read=stream.send_continue if expects else None,
        )

    def take(self, request: FrontRequest, data: bytes) -> bool:
        """Takes data of a body; what is above the limit is dropped, and the request refused.

        Returns:
            Whether it was no more than the request had announced.
        """
        body = request.body
        if body is None:
            return True  # Refused before; what comes is dropped.
        if body.length is not None and body.received + len(data) > body.length:
            return False
        limit = _body_limit(self._shared.state.limits, request)
        if limit and body.received + len(data) > limit:
            request.fault = body_too_large(limit)
            body.abort(BodyAbortedError(request.fault.detail))
            body.discard()
        elif data:
            body.feed(data)
        return True


def late_body(stream: Http2Stream, limits: FrontLimits, now_s: float) -> RequestBody | None:
    """The body of a stream if it comes too slowly; nobody is blamed while we are the slow ones.

    Asked once a second.
    """
    body = stream.request.body
    if body is None or body.complete or body.client_waits or body.discarded or stream.held:
        return None
    came = body.since_last_look()
    is_late = came is not None and came < limits.body_min_rate_bytes
    return body if is_late and now_s - stream.began_s > limits.body_grace_s else None


def _length(text: bytes | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or len(text) > _MOST_LENGTH_DIGITS:
        raise StreamError(ErrorCode.PROTOCOL_ERROR, "a length that is no number")
    return int(text)


def _body_limit(limits: FrontLimits, request: FrontRequest) -> int:
    exchange = request.exchange
    if exchange is not None and exchange.route is not None:
        own = exchange.route.rule.body_bytes
        return limits.body_bytes if own is None else own
    return limits.most_body_bytes
