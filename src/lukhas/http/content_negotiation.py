"""Proactive negotiation: Accept-Encoding, Accept and the quality lists (RFC 9110 section 12)."""

import re

from lukhas.http.list_syntax import split_quoted, unquote

__all__ = (
    "accepts_media_type",
    "choose_coding",
    "media_type_weight",
    "parse_quality_list",
)

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_is_token = re.compile(_TOKEN).fullmatch
_is_token_or_range = re.compile(_TOKEN + b"(?:/" + _TOKEN + b")?").fullmatch
_is_quoted = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL).fullmatch
_match_weight = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?").fullmatch

# RFC 9110 section 8.4.1: these names mean the same.
_CODING_ALIASES = {b"x-gzip": b"gzip", b"x-compress": b"compress"}

_FULL_Q = 1000

_Parameters = frozenset[tuple[bytes, bytes]]
_Member = tuple[bytes, _Parameters, int]


def parse_quality_list(value: bytes) -> tuple[tuple[bytes, int], ...]:
    """Reads a list of names with weights, e.g. Accept-Encoding (RFC 9110 section 12.4.2).

    Args:
        value: the field value; several lines joined by a comma.

    Returns:
        Name in lower case (a token or a media range) and weight in thousandths (0 to 1000), in the
        order sent, repeated names too (`choose_coding` takes the first). Malformed members, and
        those with parameters besides `q`, are left out.
    """
    return tuple((name, q) for name, parameters, q in _members(value) if not parameters)


def choose_coding(accept_encoding: bytes | None, available: tuple[bytes, ...]) -> bytes | None:
    """Picks the content coding that a client likes best (RFC 9110 section 12.5.3).

    Args:
        accept_encoding: all lines of the field joined, or None where it is absent.
        available: codings on offer in lower case, best first; the order breaks ties. `identity`
            needs no mention; unless it is mentioned, it loses ties.

    Returns:
        One of `available`, or `b"identity"` where that is best or the field is absent, or None
        where nothing on offer, not even identity, is acceptable.
    """
    if accept_encoding is None:
        return b"identity"
    weights: dict[bytes, int] = {}
    for name, q in parse_quality_list(accept_encoding):
        weights.setdefault(_CODING_ALIASES.get(name, name), q)
    any_q = weights.get(b"*", 0)
    best: bytes | None = None
    best_q = 0
    for coding in available:
        q = weights.get(coding, any_q)
        if q > best_q:
            best, best_q = coding, q
    identity_q = weights.get(b"identity", weights.get(b"*"))
    if identity_q is None:
        # Not mentioned at all: acceptable, but anything the client did mention is better.
        return best or b"identity"
    return b"identity" if identity_q > best_q else best


def accepts_media_type(accept: bytes | None, media_type: bytes) -> bool:
    """Tells whether a client takes a media type; see `media_type_weight`."""
    return media_type_weight(accept, media_type) > 0


def media_type_weight(accept: bytes | None, media_type: bytes) -> int:
    """How much a client wants a media type, in thousandths (RFC 9110 section 12.5.1).

    The most specific range that matches decides, of equal ones the first. An absent field accepts
    everything; so does one in which no member is well-formed.

    Args:
        accept: all lines of the field joined, or None where it is absent.
        media_type: e.g. `b"application/json"`; parameters are allowed, `q` is not one of them.
    """
    if accept is None:
        return _FULL_Q
    members = [member for member in _members(accept) if b"/" in member[0]]
    if not members:
        return _FULL_Q
    offered = _member(media_type)
    if offered is None:
        return 0
    name, parameters, _ = offered
    precedence = {name: 2, name.partition(b"/")[0] + b"/*": 1, b"*/*": 0}
    best = (-1, -1)
    weight = 0
    for range_name, range_parameters, q in members:
        level = precedence.get(range_name)
        if level is None or not range_parameters <= parameters:
            continue
        rank = (level, len(range_parameters))
        if rank > best:
            best = rank
            weight = q
    return weight


def _members(value: bytes) -> list[_Member]:
    parsed = map(_member, split_quoted(value, b","))
    return [member for member in parsed if member is not None]


def _member(text: bytes) -> _Member | None:
    if b";" not in text:
        name = text.strip(b" \t").lower()
        return (name, frozenset(), _FULL_Q) if _is_token_or_range(name) else None
    head, *rest = split_quoted(text, b";")
    name = head.strip(b" \t").lower()
    if not _is_token_or_range(name):
        return None
    parameters: list[tuple[bytes, bytes]] = []
    q = _FULL_Q
    for piece in rest:
        stripped = piece.strip(b" \t")
        if not stripped:  # RFC 9110 section 5.6.6: empty parameters are to be skipped
            continue
        key, _, argument = stripped.partition(b"=")
        key = key.lower()
        if key == b"q":
            if _match_weight(argument) is None:
                return None
            q = _thousandths(argument)
        elif _is_token(key) and (_is_token(argument) or _is_quoted(argument)):
            parameters.append((key, unquote(argument).lower()))
        else:
            return None
    return name, frozenset(parameters), q


def _thousandths(weight: bytes) -> int:
    if weight[:1] == b"1":
        return _FULL_Q
    return int(weight[2:].ljust(3, b"0"))
