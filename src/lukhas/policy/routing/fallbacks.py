"""What stands in where the upstream of a route cannot answer."""

from dataclasses import dataclass, field

from lukhas.http.headers import Headers

__all__ = ("Fallback", "StandIn")


@dataclass(frozen=True, slots=True)
class StandIn:
    """An answer that needs no upstream.

    Attributes:
        status: its status.
        headers: its fields, the length of the body among them.
        body: its body.
    """

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Fallback:
    """What stands in, and when.

    Attributes:
        upstream: the upstream that is asked instead; empty for none.
        answer: the answer that is given instead, or where that upstream fails too; None for none.
        statuses: answers of the upstream that count as none.
    """

    upstream: str = ""
    answer: StandIn | None = None
    statuses: frozenset[int] = field(default=frozenset((502, 503, 504)))
