"""Matchers."""

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.alerting.matchers import matches, parse_matcher

LABELS = (("rule", "error-budget-fast"), ("severity", "critical"))


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("rule=error-budget-fast", True),
        ("rule=error-*", True),
        ("rule=error", False),
        ("rule=Error-*", False),
        ("severity!=critical", False),
        ("severity!=info", True),
        ("team=", True),
        ("team!=", False),
        ("rule=[e]*", False),
        ("rule=error?budget-fast", False),
    ],
)
def test_what_a_matcher_matches(text: str, is_met: bool) -> None:
    """`*` is any text, and nothing else is special; a label that is missing is empty."""
    matcher = parse_matcher(text)
    assert str(matcher) == text
    assert matches([matcher], LABELS) is is_met


def test_all_matchers_must_be_met() -> None:
    """And none is met by everything."""
    both = [parse_matcher("rule=error*"), parse_matcher("severity=info")]
    assert not matches(both, LABELS)
    assert matches([], LABELS)


@pytest.mark.parametrize("text", ["", "rule", "=x", "1a=x", "a=\n", "a=~x\x00"])
def test_what_is_no_matcher_is_told(text: str) -> None:
    """With how to write one."""
    with pytest.raises(ConfigError, match="is no matcher: write it like"):
        parse_matcher(text)


@pytest.mark.parametrize("text", ["rule=~error.*", 'rule="error-budget-fast"', 'rule!="x"'])
def test_a_matcher_of_another_system_is_told(text: str) -> None:
    """It would never match: who made a silence of it would be woken up all the same."""
    with pytest.raises(ConfigError, match="matches no alert: write the value as it is"):
        parse_matcher(text)
