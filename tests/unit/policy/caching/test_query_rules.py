"""lukhas.policy.caching.query_rules: rule R19, query keys."""

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.caching.query_rules import QueryRule, plain_query

IGNORE = QueryRule(ignore=frozenset((b"utm_source", b"a b")))
ALLOW = QueryRule(allow=frozenset((b"id", b"page")))
SORT = QueryRule(sort=True)


@pytest.mark.parametrize(
    ("rule", "query", "expected"),
    [
        (None, b"b=1&&a=2;x", b"b=1&&a=2;x"),
        (IGNORE, b"utm_source=x&id=1&&utm_source=y", b"id=1"),
        (IGNORE, b"%75tm_source=x&id=%31", b"id=%31"),
        (IGNORE, b"a+b=1&a%20b=2&c", b"c"),
        (IGNORE, b"", b""),
        (ALLOW, b"x=1&page=2&id=3", b"page=2&id=3"),
        (ALLOW, b"ID=1", b""),
        (SORT, b"b=2&a=1&b=1", b"a=1&b=2&b=1"),
        (SORT, b"b=1;c&a=2", b"a=2&b=1;c"),
    ],
)
def test_r19_2_queries_keep_what_the_rule_keeps(
    rule: QueryRule | None, query: bytes, expected: bytes
) -> None:
    """Parts go or move whole; nothing is decoded or written anew."""
    assert plain_query(query, rule) == expected


def test_r19_2_parameter_cloaking() -> None:
    """Origins that split at `;` must not see a parameter that the key lacks."""
    assert plain_query(b"id=1&page=2;utm_source=evil", IGNORE) == b"id=1"


def test_keeping_and_dropping_exclude_each_other() -> None:
    """It would not be clear what the rest is."""
    with pytest.raises(ConfigError, match="query parameters"):
        QueryRule(allow=frozenset(), ignore=frozenset((b"a",)))
