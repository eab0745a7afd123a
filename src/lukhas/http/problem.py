"""Problem details for HTTP APIs (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ("PROBLEM_JSON", "PROBLEM_TYPE_PREFIX", "JsonValue", "Problem")

PROBLEM_JSON = b"application/problem+json"
"""The media type of a problem."""

PROBLEM_TYPE_PREFIX = "urn:lukhas:problem:"
"""What the `type` of our own problems begins with; a lower-case slug follows."""

JsonValue: TypeAlias = (
    "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)

# `json.dumps` makes a new encoder at each call, unless it is called with defaults alone.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_STANDARD_MEMBERS = frozenset(("type", "title", "status", "detail", "instance"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error, told to a client (RFC 9457 section 3).

    Attributes:
        type: a URI that names the kind of problem and never changes, e.g.
            `"urn:lukhas:problem:rate-limited"`.
        title: the kind in a few words, the same for every occurrence.
        status: the HTTP status code.
        detail: what happened this time and what to do about it; left out where empty.
        instance: a URI for this occurrence, e.g. `"urn:request:<id>"`; left out where None.
        extensions: further members, in order. A later one of the same name wins.

    Raises:
        ValueError: an extension has the name of a standard member.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    instance: str | None = None
    extensions: tuple[tuple[str, JsonValue], ...] = ()

    def __post_init__(self) -> None:
        for name, _ in self.extensions:
            if name in _STANDARD_MEMBERS:
                raise ValueError(f"{name!r} is a standard member of a problem, not an extension")

    def to_json(self) -> bytes:
        """The body to send with `PROBLEM_JSON`: one JSON object in ASCII, without white space.

        Raises:
            ValueError: an extension holds an infinite number or NaN, which JSON cannot carry.
            TypeError: an extension holds something that is not JSON.
        """
        members: dict[str, JsonValue] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            members["detail"] = self.detail
        if self.instance is not None:
            members["instance"] = self.instance
        members.update(self.extensions)
        return _encode(members).encode("ascii")
