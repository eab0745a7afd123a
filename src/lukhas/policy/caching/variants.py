"""Which stored variant answers which request: Vary (RFC 9111 section 4.1)."""

from typing import TypeAlias

from lukhas.http.headers import Headers
from lukhas.http.list_syntax import split_quoted

__all__ = ("SelectingValues", "matches", "selecting_names", "selecting_values", "vary_names")

SelectingValues: TypeAlias = tuple[bytes | None, ...]
"""The normal form of each selecting request field; None where it is absent."""

# Fields that are no lists: a comma in them is a part of the value.
_SINGLE = frozenset(
    (b"authorization", b"cookie", b"if-modified-since", b"referer", b"user-agent", b"x-api-key")
)
# Lists in which letter case means nothing, and the order neither, since weights tell preference.
_ACCEPTED_CODINGS = b"accept-encoding"
_UNORDERED = frozenset((_ACCEPTED_CODINGS, b"accept-language"))
_NO_CODING = frozenset((b"", b"identity"))


def vary_names(headers: Headers) -> tuple[bytes, ...] | None:
    """The selecting fields of a response, sorted; None where `*` says that nothing matches."""
    lines = headers.get_all(b"vary")
    if not lines:
        return ()
    names = {part.strip(b" \t").lower() for line in lines for part in line.split(b",")}
    names.discard(b"")
    return None if b"*" in names else tuple(sorted(names))


def selecting_names(headers: Headers) -> tuple[bytes, ...]:
    """The fields by which a response that matches something selects its requests, sorted.

    Those of Vary, and Accept-Encoding where the body is encoded: an origin that encodes without
    saying Vary must not make us send a coding to a client that does not accept it (RFC 9110
    section 12.5.3).
    """
    names = vary_names(headers) or ()
    coding = (headers.joined(b"content-encoding") or b"").strip(b" \t").lower()
    if coding in _NO_CODING or _ACCEPTED_CODINGS in names:
        return names
    return tuple(sorted((*names, _ACCEPTED_CODINGS)))


def selecting_values(names: tuple[bytes, ...], headers: Headers) -> SelectingValues:
    """What a request has in these fields, in normal form."""
    return tuple(_normal(name, headers.get_all(name)) for name in names)


def matches(names: tuple[bytes, ...], values: SelectingValues, headers: Headers) -> bool:
    """Whether a request selects the variant that was stored with these names and values."""
    return not names or selecting_values(names, headers) == values


def _normal(name: bytes, lines: list[bytes]) -> bytes | None:
    if not lines:
        return None
    if name in _SINGLE:
        # A separator that no field value can hold: two lines are not one with a comma in it.
        return b"\n".join(lines)
    parts = [part.strip(b" \t") for line in lines for part in split_quoted(line, b",")]
    if name in _UNORDERED:
        parts = sorted(part.lower() for part in parts)
    return b",".join(parts)
