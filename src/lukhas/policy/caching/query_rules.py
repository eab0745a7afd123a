"""Which query parameters tell one resource from another."""

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from lukhas.errors import ConfigError

__all__ = ("QueryRule", "plain_query")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRule:
    """What is left of the query of a request, in the key and on the way to the origin alike.

    A parameter that the key lacks must not reach the origin either: an origin that used it could be
    made to poison the entry of everybody else.

    Attributes:
        allow: the parameters that stay; None for all.
        ignore: the parameters that go.
        sort: whether the parameters are put in order of their names; the order of equal names, and
            so of a list, stays.

    Raises:
        ConfigError: both lists are given.
    """

    allow: frozenset[bytes] | None = None
    ignore: frozenset[bytes] = frozenset()
    sort: bool = False

    def __post_init__(self) -> None:
        if self.allow is not None and self.ignore:
            raise ConfigError(
                "both a list of query parameters to keep and one of those to drop",
                where="query rule",
                hint="give one of them",
            )

    def keeps(self, name: bytes) -> bool:
        """Whether a parameter stays."""
        return name in self.allow if self.allow is not None else name not in self.ignore


def plain_query(query: bytes, rule: QueryRule | None) -> bytes:
    """The query after a rule; parts are dropped or moved, never written anew.

    Only `&` separates: an origin that also splits at `;` would see parameters that the rule does
    not (parameter cloaking), so a part with a `;` is left out unless nothing is to be dropped.

    Args:
        query: as received, without `?`.
        rule: None keeps it byte for byte.
    """
    if rule is None or not query:
        return query
    drops = rule.allow is not None or bool(rule.ignore)
    parts = [
        (name, part)
        for part in query.split(b"&")
        if part
        and rule.keeps(name := unquote_to_bytes(part.partition(b"=")[0].replace(b"+", b" ")))
        and not (drops and b";" in part)
    ]
    if rule.sort:
        parts.sort(key=lambda pair: pair[0])
    return b"&".join(part for _, part in parts)
