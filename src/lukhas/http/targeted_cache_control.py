"""Cache-Control for some caches only, such as CDN-Cache-Control (RFC 9213)."""

from dataclasses import replace

from lukhas.http.cache_control import CacheControl, parse_cache_control
from lukhas.http.headers import Headers
from lukhas.http.structured_reading import BareItem, parse_dictionary

__all__ = ("response_directives",)

_NUMBERS = frozenset(
    (b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error"),
)
_FLAGS = frozenset(
    (
        b"no-store",
        b"public",
        b"must-revalidate",
        b"proxy-revalidate",
        b"must-understand",
        b"no-transform",
        b"immutable",
    )
)
_FIELD_LISTS = frozenset((b"no-cache", b"private"))


def response_directives(headers: Headers, targets: tuple[bytes, ...]) -> CacheControl:
    """The directives of a response: those of the first valid targeted field, else Cache-Control.

    A targeted field that is valid and not empty stands in place of Cache-Control and of Expires;
    `CacheControl.targeted` tells so. One that is no structured field, or gives a known directive a
    value of the wrong type, is ignored as a whole (RFC 9213 section 2.2).

    Args:
        headers: the fields of the response.
        targets: the names of the fields that are meant for us in lower case, the nearest first.
    """
    fields = headers.index()
    for name in targets:
        if name in fields:
            directives = _targeted(headers.get_all(name))
            if directives is not None:
                return directives
    return parse_cache_control(headers.get_all(b"cache-control"))


def _targeted(lines: list[bytes]) -> CacheControl | None:
    members = parse_dictionary(lines)
    if not members:
        return None
    written: list[bytes] = []
    for key, value in members.items():
        name = key.encode("ascii")
        directive = _directive(name, value)
        if directive is None:
            return None
        written.append(directive)
    return replace(parse_cache_control([b", ".join(written)]), targeted=True)


def _directive(name: bytes, value: BareItem | tuple[BareItem, ...]) -> bytes | None:
    """The directive as Cache-Control writes it; empty if it says nothing; None if it is wrong."""
    if name in _NUMBERS:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return b"%b=%d" % (name, max(0, int(value))) if is_number else None  # type: ignore[arg-type]
    if name in _FLAGS or (name in _FIELD_LISTS and isinstance(value, bool)):
        if not isinstance(value, bool):
            return None
        return name if value else b""
    if name in _FIELD_LISTS:
        return b'%b="%b"' % (name, value.encode("ascii")) if isinstance(value, str) else None
    return b""
