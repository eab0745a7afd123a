"""Structured fields, read: dictionaries and lists of strings (RFC 9651 section 4.2).

Strict as the RFC asks: a field with one fault anywhere is no field at all.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ("BareItem", "SfToken", "parse_dictionary", "parse_string_list")


@dataclass(frozen=True, slots=True)
class SfToken:
    """A token, to be told from a string."""

    text: str


BareItem: TypeAlias = int | float | str | bytes | bool | SfToken
"""An integer, decimal, string, byte sequence, boolean or token; a date is its integer."""

_Member: TypeAlias = BareItem | tuple[BareItem, ...]

_match_key = re.compile(rb"[a-z*][a-z0-9_.*-]*").match
_match_integer = re.compile(rb"-?[0-9]{1,15}(?![0-9.])").match
_match_decimal = re.compile(rb"-?[0-9]{1,12}\.[0-9]{1,3}(?![0-9.])").match
_match_string = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\])*)"').match
_match_token = re.compile(rb"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*").match
_match_bytes = re.compile(rb":([A-Za-z0-9+/]*={0,2}):").match
_match_display = re.compile(rb'%"((?:[ !#$&-~]|%[0-9a-f]{2})*)"').match
_match_boolean = re.compile(rb"\?([01])").match
_match_date = re.compile(rb"@(-?[0-9]{1,15})(?![0-9.])").match
_match_spaces = re.compile(rb" *").match
_match_separator = re.compile(rb"[ \t]*,[ \t]*(?!\Z)").match
_match_semicolon = re.compile(rb"; *").match


class _FaultError(ValueError):
    """The text is no structured field."""


def parse_dictionary(lines: list[bytes]) -> dict[str, _Member] | None:
    """Reads a dictionary; parameters are checked and left out.

    Args:
        lines: the value of each line of the field, in order.

    Returns:
        Values by key, where of several the last one counts; None where a part is malformed.
    """
    text = b", ".join(lines).strip(b" ")
    members: dict[str, _Member] = {}
    position = 0
    try:
        while position < len(text):
            key, position = _key(text, position)
            value: _Member = True
            if text[position : position + 1] == b"=":
                value, position = _member(text, position + 1)
            position = _parameters(text, position)
            members.pop(key, None)
            members[key] = value
            position = _separator(text, position)
    except _FaultError:
        return None
    return members


def parse_string_list(lines: list[bytes]) -> tuple[str, ...] | None:
    """Reads a list of strings; parameters are checked and left out.

    Args:
        lines: the value of each line of the field, in order.

    Returns:
        The strings in order; None where a part is malformed, or a member is no string.
    """
    text = b", ".join(lines).strip(b" ")
    strings: list[str] = []
    position = 0
    try:
        while position < len(text):
            value, position = _member(text, position)
            if not isinstance(value, str):
                return None
            strings.append(value)
            position = _parameters(text, position)
            position = _separator(text, position)
    except _FaultError:
        return None
    return tuple(strings)


def _separator(text: bytes, position: int) -> int:
    if not text[position:].strip(b" \t"):
        return len(text)
    match = _match_separator(text, position)
    if match is None:
        raise _FaultError
    return match.end()


def _key(text: bytes, position: int) -> tuple[str, int]:
    match = _match_key(text, position)
    if match is None:
        raise _FaultError
    return match.group().decode(), match.end()


def _member(text: bytes, position: int) -> tuple[_Member, int]:
    if text[position : position + 1] != b"(":
        return _bare_item(text, position)
    items: list[BareItem] = []
    position += 1
    while True:
        spaces = _match_spaces(text, position)
        after = position if spaces is None else spaces.end()
        if text[after : after + 1] == b")":
            return tuple(items), after + 1
        if items and after == position:
            raise _FaultError
        item, position = _bare_item(text, after)
        items.append(item)
        position = _parameters(text, position)


def _parameters(text: bytes, position: int) -> int:
    while (match := _match_semicolon(text, position)) is not None:
        _, position = _key(text, match.end())
        if text[position : position + 1] == b"=":
            _, position = _bare_item(text, position + 1)
    return position


def _bare_item(text: bytes, position: int) -> tuple[BareItem, int]:
    for read in (_number, _text, _other):
        found = read(text, position)
        if found is not None:
            return found
    raise _FaultError


def _number(text: bytes, position: int) -> tuple[BareItem, int] | None:
    if (match := _match_integer(text, position)) is not None:
        return int(match.group()), match.end()
    if (match := _match_decimal(text, position)) is not None:
        return float(match.group()), match.end()
    if (match := _match_date(text, position)) is not None:
        return int(match.group(1)), match.end()
    return None


def _text(text: bytes, position: int) -> tuple[BareItem, int] | None:
    if (match := _match_string(text, position)) is not None:
        return re.sub(rb"\\(.)", rb"\1", match.group(1)).decode("ascii"), match.end()
    if (match := _match_token(text, position)) is not None:
        return SfToken(match.group().decode("ascii")), match.end()
    return None


def _other(text: bytes, position: int) -> tuple[BareItem, int] | None:
    if (match := _match_boolean(text, position)) is not None:
        return match.group(1) == b"1", match.end()
    if (match := _match_bytes(text, position)) is not None:
        return match.group(1), match.end()
    if (match := _match_display(text, position)) is not None:
        return match.group(1), match.end()
    return None
