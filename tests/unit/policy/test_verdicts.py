"""Verdicts."""

from lukhas.policy.modes import Mode
from lukhas.policy.verdicts import Outcome, Reasoned, Verdict


def test_a_verdict_is_its_own_explanation() -> None:
    """So a stage may leave a verdict or something that can make one."""
    verdict: Reasoned = Verdict("limit", Outcome.PASSED, "no limit applies")
    assert verdict.verdict() is verdict


def test_a_verdict_is_enforced_and_bare_unless_said() -> None:
    """Without a policy, without facts."""
    verdict = Verdict("limit", Outcome.PASSED, "no limit applies")
    assert (verdict.policy, verdict.mode, verdict.facts) == ("", Mode.ENFORCE, ())


def test_outcomes_have_stable_words() -> None:
    """They are labels of metrics."""
    assert [outcome.value for outcome in Outcome] == [
        "passed",
        "refused",
        "answered",
        "skipped",
        "failed",
    ]
