"""Assertions about limits, and what they say when they fail."""

import httpx
import pytest

from lukhas.http.headers import Headers
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import plan_for
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.memory_counters import MemoryCounters
from lukhas.testing.answers import Answer
from lukhas.testing.assertions import assert_allowed, assert_limited
from lukhas.units import SECOND_NS

_NOW_NS = 1_750_000_000 * SECOND_NS
_REFUSED = b'{"policy": "tier-free", "detail": "Policy \'tier-free\' allows 2."}'


def decisions(number: int, *, cost: int = 1, limits: str = "2/minute") -> list[LimitDecision]:
    plan = plan_for(Tier.FREE, parse_limits(limits, policy="free"), (), route="default")
    store = MemoryCounters()
    return [store.decide(plan, ("key:a",), _NOW_NS, cost) for _ in range(number)]


def test_decisions_are_told_apart() -> None:
    """Each assertion passes where it should, with policy and wait if they are given."""
    first, _second, third = decisions(3)
    assert_allowed(first)
    assert_limited(third)
    assert_limited(third, by="tier-free", retry_after_s=third.retry_after_s)


def test_a_refusal_that_should_pass_says_why_and_until_when() -> None:
    """Policy, limit, what is counted, and when the request fits."""
    last = decisions(3)[-1]
    with pytest.raises(AssertionError) as failed:
        assert_allowed(last)
    text = str(failed.value)
    assert "policy 'tier-free', limit 'free-minute' allows 2 requests in any 60 s" in text
    assert f"2 are counted, and the request fits in {last.retry_after_s} s, at 2025-06-15T" in text


def test_a_request_that_can_never_fit_is_called_so() -> None:
    """There is no time to wait for."""
    with pytest.raises(AssertionError, match="can never fit"):
        assert_allowed(decisions(1, cost=3)[0])


def test_a_request_that_passes_says_what_is_left() -> None:
    """For each enforced limit."""
    first = decisions(1)[0]
    with pytest.raises(AssertionError, match="should be limited, but passed: limit 'free-minute' "):
        assert_limited(first)
    with pytest.raises(AssertionError, match=r"has 1 of 2 left, more in \d+ s"):
        assert_limited(first)


def test_another_policy_or_another_wait_is_told() -> None:
    """The right refusal for the wrong reason is a failure."""
    last = decisions(3)[-1]
    with pytest.raises(AssertionError, match="'reports' should refuse, but 'tier-free' does"):
        assert_limited(last, by="reports")
    with pytest.raises(AssertionError, match=r"the wait should be 1 s, but is \d+ s"):
        assert_limited(last, retry_after_s=1)


def test_answers_with_a_decision_are_judged_by_it() -> None:
    """It tells more than the response."""
    first, _second, third = decisions(3)
    assert_allowed(Answer(200, Headers([]), limit=first))
    assert_limited(Answer(429, Headers([]), limit=third), by="tier-free")


def test_answers_without_one_are_judged_by_status_and_body() -> None:
    """429 is a limit; the body names the policy."""
    fields = Headers([(b"retry-after", b"63"), (b"ratelimit", b'"free-minute";r=0;t=63')])
    refused = Answer(429, fields, _REFUSED)
    assert_limited(refused, by="tier-free", retry_after_s=63)
    with pytest.raises(AssertionError, match=r"Policy 'tier-free' allows 2.*r=0;t=63"):
        assert_allowed(refused)
    assert_allowed(Answer(500, Headers([])))
    with pytest.raises(AssertionError, match="passed: status 200, RateLimit: none"):
        assert_limited(Answer(200, Headers([])))


def test_responses_of_http_clients_are_judged_too() -> None:
    """In whatever case they show their fields."""
    refused = httpx.Response(429, headers={"Retry-After": "63"}, content=_REFUSED)
    assert_limited(refused, by="tier-free", retry_after_s=63)
    assert_allowed(httpx.Response(200))


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"{}"])
def test_a_refusal_of_somebody_else_is_a_refusal(body: bytes) -> None:
    """Its policy is unknown, and an odd wait is none."""
    refused = Answer(429, Headers([(b"retry-after", b"Mon, 01 Jan 2026 00:00:00 GMT")]), body)
    assert_limited(refused, by="")
    with pytest.raises(AssertionError, match="names no policy"):
        assert_allowed(refused)
    with pytest.raises(AssertionError, match="is None s"):
        assert_limited(refused, retry_after_s=1)
