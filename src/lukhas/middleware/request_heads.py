"""The head of a request, read from an ASGI scope."""

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote, unquote

from lukhas.http.authority import normalise_authority
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead
from lukhas.http.rerouting import REROUTING_FIELDS, rerouting_digest

__all__ = ("RequestHeads", "encoded_path")

_MAX_AUTHORITIES = 1024
_SAFE = "/:@!$&'()*+,;=~"
_split_slashes = re.compile(rb"%2f", re.IGNORECASE).split


class RequestHeads:
    """Reads request heads; remembers the normal form of a bounded number of hosts."""

    def __init__(self) -> None:
        self._authorities: dict[tuple[str, bytes], bytes | None] = {}

    def read(self, scope: MutableMapping[str, Any]) -> RequestHead | None:
        """The request head; None if it must be refused, because Host is not one valid host.

        The path is that of the scope, which is what the app routes by, root path included. A server
        has decoded it; it is encoded again, in one form for all spellings of the same path.
        """
        raw: HeaderPairs = scope["headers"]
        headers = Headers(raw if type(raw) is list else list(raw))
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
