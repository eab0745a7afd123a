"""What of a query is told."""

import pytest

from lukhas.policy.explain.redaction import shown_query


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ""),
        ("page=2", "page=2"),
        ("page=2&token=hushed", "page=2&token=***"),
        ("token=a=b", "token=***"),
        ("bare-secret", "***"),
        ("page", "page"),
        ("page=1&&x=", "page=1&&x=***"),
    ],
)
def test_only_values_of_named_parameters_are_told(query: str, shown: str) -> None:
    """Of others there is the name; what has no name may be a value itself."""
    assert shown_query(query, frozenset(("page",))) == shown
