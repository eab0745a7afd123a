"""Request fields that name another host, scheme, path or method than the request itself has.

No cache key has them by itself, so an origin that believes them can be made to poison the cache: by
the answer to one request that has them, for all others that have not.
"""

from hashlib import sha256

from lukhas.http.headers import Headers
from lukhas.http.list_syntax import split_quoted

__all__ = ("ADDRESS_FIELDS", "REROUTING_FIELDS", "rerouting_digest")

REROUTING_FIELDS = frozenset(
    (
        b"forwarded",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-scheme",
        b"x-forwarded-ssl",
        b"x-host",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-host",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-scheme",
    )
)
"""The fields, in lower case."""

ADDRESS_FIELDS = frozenset((b"x-forwarded-for", b"x-forwarded-server", b"x-real-ip"))
"""Fields that only tell where a request comes from."""


def rerouting_digest(headers: Headers) -> bytes:
    """A digest of these fields, for the key where the origin sees them; empty if there is none.

    Of Forwarded only `host` and `proto` count (RFC 7239 section 5): `for` and `by` tell clients
    apart, and no two of them would share anything.
    """
    if REROUTING_FIELDS.isdisjoint(headers.index()):
        return b""
    digest = sha256()
    for name, value in sorted(headers.raw):
        if name in REROUTING_FIELDS:
            said = _forwarded(value) if name == b"forwarded" else value
            digest.update(b"%d:%b%d:%b" % (len(name), name, len(said), said))
    return digest.digest()


def _forwarded(value: bytes) -> bytes:
    pairs = [
        pair.strip(b" \t").lower()
        for element in split_quoted(value, b",")
        for pair in split_quoted(element, b";")
    ]
    return b";".join(pair for pair in pairs if not pair.startswith((b"for=", b"by=")))
