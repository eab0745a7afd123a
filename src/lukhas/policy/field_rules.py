"""Header fields that are set, added or removed on the way."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lukhas.errors import ConfigError
from lukhas.http.headers import HOP_BY_HOP, HeaderPairs, Headers

__all__ = ("SECURITY_FIELDS", "FieldRules", "fields", "parse_field", "parse_field_name")

# They say how a message is framed and where it goes, which is the gateway's own business.
_UNTOUCHABLE = HOP_BY_HOP | {b"content-length", b"content-encoding", b"date", b"host", b"trailer"}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[\t\x20-\x7e]{0,4096}")

SECURITY_FIELDS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
)
"""What browsers are told unless the response says something else."""


@dataclass(frozen=True, slots=True)
class FieldRules:
    """What is done to the fields of a message, in this order.

    Attributes:
        removed: names of fields that are taken off.
        set: fields that take the place of all of their name.
        added: fields that are put beside those of their name.
        missing: fields that are put in where none of their name is left.
    """

    removed: frozenset[bytes] = frozenset()
    set: tuple[tuple[bytes, bytes], ...] = ()
    added: tuple[tuple[bytes, bytes], ...] = ()
    missing: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is done."""
        return not (self.removed or self.set or self.added or self.missing)

    def then(self, other: "FieldRules") -> "FieldRules":
        """Both, where the other one has the last word."""
        kept = tuple(pair for pair in self.set if pair[0] not in {name for name, _ in other.set})
        return FieldRules(
            self.removed | other.removed,
            (*kept, *other.set),
            (*self.added, *other.added),
            (*self.missing, *other.missing),
        )

    def applied(self, headers: Headers) -> Headers:
        """The fields after that; the same object if nothing changes."""
        if self.is_empty:
            return headers
        gone = self.removed | {name for name, _ in self.set}
        pairs: HeaderPairs = [pair for pair in headers.raw if pair[0] not in gone]
        pairs += (*self.set, *self.added)
        names = {name for name, _ in pairs}
        pairs += [pair for pair in self.missing if pair[0] not in names]
        return Headers(pairs)


def parse_field_name(text: str) -> bytes:
    """The name of a field that may be changed, in lower case.

    Raises:
        ConfigError: it is no name, or the field is none that may be changed.
    """
    if not _NAME.fullmatch(text):
        raise ConfigError(f"{text!r} is not the name of a field", hint='write it like "X-Frame"')
    name = text.lower().encode("ascii")
    if name in _UNTOUCHABLE:
        what = f"the field {text!r} belongs to the connection or the body"
        raise ConfigError(what, hint="it is made anew on the way and cannot be changed")
    return name


def parse_field(text: str) -> tuple[bytes, bytes]:
    """A field written as `Name: value`.

    Raises:
        ConfigError: it is none.
    """
    name, separator, value = text.partition(":")
    value = value.strip(" \t")
    if not separator or not _VALUE.fullmatch(value):
        raise ConfigError(f"{text!r} is not a field", hint='write it like "X-Frame-Options: DENY"')
    return parse_field_name(name.rstrip(" \t")), value.encode("ascii")


def fields(texts: Iterable[str]) -> tuple[tuple[bytes, bytes], ...]:
    """Several fields; see `parse_field`."""
    return tuple(map(parse_field, texts))
