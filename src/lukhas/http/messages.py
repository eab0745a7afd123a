"""Requests and responses as the pipeline sees them, whichever way they came in."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from lukhas.http.headers import Headers

__all__ = ("BodyTap", "Pushed", "RequestHead", "Response")


@dataclass(slots=True)
class RequestHead:
    """The head of a request. Treated as a value: nobody changes it after it was made.

    It is not frozen because a frozen dataclass costs three times as much to make, once a request.

    Attributes:
        method: in upper case as sent, e.g. `"GET"`.
        scheme: `"http"` or `"https"`.
        authority: the validated host, lower case, with the port if one was sent.
        path: the normalised path, percent-encoded bytes, starting with `/`.
        query: the raw query without `?`; empty if none.
        headers: the header fields.
        keyed: what else tells it from others, for the cache: where the origin sees fields that name
            another host or path than the request has, a digest of them.
        negotiated: a memo of the negotiation: this head with one content coding. Memos are not
            copied by `dataclasses.replace`.
        asked_by: a memo of the cache: for which consumer, by which fields, and who that is.
        looked_up: a memo of the cache: under which policy and for which tenant it was asked, what
            was looked up then (None if it asks something special), and whether its fields tell
            who asks.
        known_way: a memo of the short way: what the stages found of it.
        forwarded: a memo of the gateway: to which origin this head was sent on, for which peer,
            what of it, and that with the peer.
    """

    method: str
    scheme: str
    authority: bytes
    path: bytes
    query: bytes
    headers: Headers
    keyed: bytes = b""
    negotiated: "RequestHead | None" = field(default=None, init=False, compare=False, repr=False)
    asked_by: tuple[object, frozenset[bytes], int] | None = field(
        default=None, init=False, compare=False, repr=False
    )
    looked_up: tuple[object, str, tuple[Any, ...] | None, bool] | None = field(
        default=None, init=False, compare=False, repr=False
    )
    known_way: Any = field(default=None, init=False, compare=False, repr=False)
    forwarded: tuple[bytes, str, bytes, bytes] | None = field(
        default=None, init=False, compare=False, repr=False
    )


class BodyTap(Protocol):
    """Sees, and may change, a response body as it passes by."""

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        """Takes the next piece, gives what to send in its place. `last` is true exactly once."""
        ...

    def abort(self) -> None:
        """The body will never be whole: the sender or the receiver went away."""
        ...


class Pushed:
    """Stands for a body that the wrapped app will push, piece by piece, after the head."""

    __slots__ = ()


@dataclass(slots=True)
class Response:
    """A response on its way to the client; stages may append to `taps`.

    Fields that stages add for one exchange only (Age, RateLimit ...) are not here but in
    `Exchange.added`, so that a stored response can be shared by any number of exchanges.

    Attributes:
        status: the status code.
        headers: the fields as the origin (or the store) gave them. Shared: never changed in place.
        body: all of it; or a stream of pieces; or `Pushed`.
        ready_head: the status line and `headers` as HTTP/1.1 bytes without the last empty line,
            where somebody has already made them; the front server then sends them as they are.
        taps: see the body in this order.
        on_close: called once when the response was sent or given up.
    """

    status: int
    headers: Headers
    body: "bytes | AsyncIterator[bytes] | Pushed" = b""
    ready_head: bytes | None = None
    taps: list[BodyTap] | None = None
    on_close: Callable[[], None] | None = None
