"""What clients are told about limits of each kind."""

import json
from typing import Any

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.limit_answers import legacy_fields, too_many
from lukhas.policy.rate_limiting.costs import parse_cost
from lukhas.policy.rate_limiting.decisions import LimitDecision, decide
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.plans import plan_for
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier

# Wednesday, 1 January 2025, 12:00 UTC.
NOON_NS = 1_735_732_800 * 10**9


def decision(text: str, count: int, *, cost: str = "1") -> LimitDecision:
    """The decision about the last of so many requests at once."""
    policy = LimitPolicy("p", parse_limits(text, policy="p"), cost=parse_cost(cost))
    plan = plan_for(Tier.FREE, (), [policy], route="r", messages=cost == "messages")
    states = [group.counting.new_state(NOON_NS) for group in plan.groups]
    for _ in range(count):
        found = decide(plan, states, NOON_NS, 1)
    return found


def refusal(found: LimitDecision) -> tuple[dict[str, Any], bytes | None]:
    """The problem, and Retry-After."""
    head = RequestHead("GET", "http", b"a.test", b"/", b"", Headers([]))
    response = too_many(Exchange(head, "192.0.2.1", NOON_NS, b"id"), found)
    assert response.status == 429
    assert isinstance(response.body, bytes)
    return json.loads(response.body), response.headers.get(b"retry-after")


@pytest.mark.parametrize(
    ("text", "members", "retry_after", "words"),
    [
        ("2/minute", {"window_s": 60}, b"63", "2 requests in any 60 s; 2 are counted"),
        ("2/minute exact", {"window_s": 60}, b"60", "2 requests in any 60 s; 2 are counted"),
        ("1/minute burst 2", {"window_s": 60}, b"60", "1 requests in 60 s and 2 at once"),
        ("2/calendar day", {"period": "day"}, b"43200", "2 requests a calendar day; 2 are counted"),
        ("2/month", {"period": "month"}, b"2635200", "2 requests a calendar month"),
        ("2 concurrent", {}, b"1", "2 requests at once; 2 are counted"),
    ],
)
def test_a_refusal_names_what_its_kind_has(
    text: str, members: dict[str, Any], retry_after: bytes, words: str
) -> None:
    """A window, a calendar period, or neither where nobody knows when requests end."""
    problem, told = refusal(decision(text, 3))
    found = {name: problem[name] for name in ("window_s", "period") if name in problem}
    assert found == members
    assert told == retry_after
    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        ("1", "1 requests in"),
        ("5", "1 units in"),
        ("messages", "1 messages in"),
        ("request-bytes", "1 bytes in"),
        ("response-kib", "1 KiB in"),
        ("cpu-ms", "1 ms of processor time in"),
        ("response-header:x-cost", "1 units in"),
    ],
)
def test_a_refusal_says_what_is_counted(cost: str, words: str) -> None:
    """Not everything is a request."""
    problem, _ = refusal(decision("1/minute", 2, cost=cost))
    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("text", "limit", "remaining", "reset"),
    [
        ("4/minute", 4, 3, 63),
        ("4/minute exact", 4, 3, 60),
        ("60/minute burst 9", 9, 8, 1),
        ("4/calendar day", 4, 3, 43_200),
        ("4 concurrent", 4, 3, 0),
    ],
)
def test_the_old_fields_fit_together(text: str, limit: int, remaining: int, reset: int) -> None:
    """What is left is never more than the limit, of whatever kind."""
    fields = dict(legacy_fields(decision(text, 1)))
    assert fields == {
        b"x-ratelimit-limit": b"%d" % limit,
        b"x-ratelimit-remaining": b"%d" % remaining,
        b"x-ratelimit-reset": b"%d" % reset,
    }


def test_the_new_fields_of_each_kind() -> None:
    """No window for what is in flight, nor for a calendar period."""
    assert decision("4 concurrent", 1).plan.policy_field == (
        b'"p-concurrent";q=4;qu="concurrent-requests"'
    )
    assert decision("4/month", 1).plan.policy_field == b'"p-calendar-month";q=4'
    assert decision("4/month", 1).limit_field() == b'"p-calendar-month";r=3;t=2635200'
    assert decision("4 concurrent", 1).limit_field() == b'"p-concurrent";r=3;t=0'
