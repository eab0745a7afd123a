"""The head of a request, read from an ASGI scope."""

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote, unquote

from lukhas.http.authority import normalise_authority
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.http.rerouting import REROUTING_FIELDS, rerouting_digest

__all__ = ("RequestHeads", "encoded_path")

_MAX_AUTHORITIES = 1024
_MOST_KNOWN = 1024
# A longer head is read each time, so that those known stay small.
_LONGEST_KNOWN_BYTES = 2048
# Looking for a head that is not known costs about what one that is known saves. With less credit
# than there are places, what comes again might never be there before it comes again.
_MOST_CREDIT = _MOST_KNOWN
_REST = 16 * _MOST_KNOWN
_SAFE = "/:@!$&'()*+,;=~"
_split_slashes = re.compile(rb"%2f", re.IGNORECASE).split


class RequestHeads:
    """Reads request heads.

    What was read is a pure function of the scope, and a client that asks again mostly asks with the
    same fields: a bounded number of heads is known by what they were read from, as in the gateway's
    front server. The normal form of a bounded number of hosts is known too.

    Where most requests differ, say by the id of a trace, nobody is served by looking: each head
    that was known is a credit of one, each that was not costs one, and without credit none is
    looked for during the next 16 384 requests.
    """

    def __init__(self) -> None:
        self._authorities: dict[tuple[str, bytes], bytes | None] = {}
        self._known: dict[tuple[object, ...], RequestHead] = {}
        self._credit = _MOST_CREDIT
        self._rest = 0

    def read(self, scope: MutableMapping[str, Any]) -> RequestHead | None:
        """The request head; None if it must be refused, because Host is not one valid host.

        The path is that of the scope, which is what the app routes by, root path included. A server
        has decoded it; it is encoded again, in one form for all spellings of the same path.
        """
        if self._rest:
            self._rest -= 1
            return self._read(scope)
        asked = (
            scope["method"],
            scope["path"],
            scope.get("raw_path"),
            scope.get("query_string"),
            scope.get("scheme"),
            *scope["headers"],
        )
        try:
            head = self._known.get(asked)
        except TypeError:  # Pairs that are lists, as the specification of ASGI allows.
            return self._read(scope)
        if head is None:
            return self._new(asked, scope)
        if self._credit < _MOST_CREDIT:
            self._credit += 1
        return head

    def _new(
        self, asked: tuple[object, ...], scope: MutableMapping[str, Any]
    ) -> RequestHead | None:
        self._credit -= 1
        if self._credit < 0:
            self._credit = _MOST_CREDIT
            self._rest = _REST
            self._known.clear()
            return self._read(scope)
        head = self._read(scope)
        if head is not None and _length(head) <= _LONGEST_KNOWN_BYTES:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[asked] = head
        return head

    def _read(self, scope: MutableMapping[str, Any]) -> RequestHead | None:
        # A copy: the list of the scope is the app's, which may change it.
        headers = Headers(list(scope["headers"]))
        scheme: str = scope.get("scheme", "http")
        first = headers.index()
        host = first.get(b"host")
        if host is None:
            authority: bytes | None = b""
        elif len(first) != len(headers.raw) and len(headers.get_all(b"host")) > 1:
            return None
        else:
            try:
                authority = self._authorities[scheme, host]
            except KeyError:
                authority = self._new_authority(scheme, host)
        if authority is None:
            return None
        raw_path: bytes | None = scope.get("raw_path")
        text: str = scope["path"]
        # The plain call is several times cheaper, and nearly all paths are ASCII.
        path = text.encode() if text.isascii() else text.encode("utf-8", "surrogateescape")
        if path != raw_path or b"%" in path:
            path = _encoded(path, raw_path)
        return RequestHead(
            scope["method"],
            scheme,
            authority,
            path,
            scope.get("query_string", b""),
            headers,
            b"" if REROUTING_FIELDS.isdisjoint(first) else rerouting_digest(headers),
        )

    def _new_authority(self, scheme: str, host: bytes) -> bytes | None:
        if len(self._authorities) >= _MAX_AUTHORITIES:
            self._authorities.clear()
        authority = normalise_authority(host, scheme=scheme)
        self._authorities[scheme, host] = authority
        return authority


def _length(head: RequestHead) -> int:
    fields = sum([len(name) + len(value) for name, value in head.headers.raw])
    return fields + len(head.path) + len(head.query)


def _encoded(path: bytes, raw_path: bytes | None) -> bytes:
    """The decoded path, percent-encoded; a slash that was sent encoded stays so.

    The app may read the raw path, and then `/a%2Fb` and `/a/b` are not the same resource to it.
    """
    if raw_path is not None and b"%" in raw_path:
        pieces = [unquote(piece.decode("latin-1")) for piece in _split_slashes(raw_path)]
        if len(pieces) > 1 and "/".join(pieces).encode("utf-8", "surrogateescape") == path:
            return b"%2F".join(quote(piece, safe=_SAFE).encode("ascii") for piece in pieces)
    return quote(path, safe=_SAFE).encode("ascii")


def encoded_path(path: str) -> bytes:
    """A decoded path in the form that request heads have."""
    return quote(path, safe=_SAFE, errors="surrogateescape").encode("ascii")
