"""What does not fit a description, and where it is."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from lukhas.http.problem import JsonValue

__all__ = ("MessageFault", "Mismatch", "Place", "SchemaCheck")


class Place(Enum):
    """A part of a message."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"
    BODY = "body"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One place in a value that does not fit its schema.

    Attributes:
        pointer: the place (JSON Pointer, RFC 6901); empty for the value itself.
        rule: the keyword of the schema that failed.
        expected: what would fit, in words; nothing of the value.
    """

    pointer: str
    rule: str
    expected: str


class SchemaCheck(Protocol):
    """Checks values against one schema."""

    def __call__(self, value: object, *, most: int) -> list[Mismatch]:
        """What does not fit; at most so many."""
        ...


@dataclass(frozen=True, slots=True)
class MessageFault:
    """One fault of a message. It holds nothing of the values that were sent.

    Attributes:
        place: the part of the message.
        name: of the parameter or field; empty for a body.
        mismatch: what is wrong there.
    """

    place: Place
    name: str
    mismatch: Mismatch

    def member(self) -> dict[str, JsonValue]:
        """The fault as a member of a problem."""
        told: dict[str, JsonValue] = {"in": self.place.value}
        if self.name:
            told["name"] = self.name
        if self.mismatch.pointer or self.place is Place.BODY:
            told["pointer"] = self.mismatch.pointer
        told["rule"] = self.mismatch.rule
        told["expected"] = self.mismatch.expected
        return told
