"""What the client is told about its limits: fields, and refusals."""

from zlib import crc32

from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import Response
from lukhas.http.problem import JsonValue
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.policy.rate_limiting.costs import Cost
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.limits import Kind, Limit

__all__ = ("QUOTA_EXCEEDED", "REDUCED_CAPACITY", "legacy_fields", "too_many", "unavailable")

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
_RETRY_SPREAD_S = 3


def legacy_fields(decision: LimitDecision) -> HeaderPairs:
    """X-RateLimit-Limit, -Remaining and -Reset, for the limit nearest to its end."""
    limits = [
        limit
        for group in decision.plan.groups[: decision.plan.enforced]
        for limit in group.counting.limits
    ]
    pairs = zip(limits, decision.figures[::2], decision.figures[1::2], strict=True)
    limit, remaining, wait_s = min(pairs, key=lambda pair: pair[1] / pair[0].most)
    return [
        # Of a limit with a burst, what is left is counted from the burst.
        (b"x-ratelimit-limit", b"%d" % limit.most),
        (b"x-ratelimit-remaining", b"%d" % remaining),
        (b"x-ratelimit-reset", b"%d" % wait_s),
    ]


def too_many(exchange: Exchange, decision: LimitDecision) -> Response:
    """429: what is exceeded, by how much, and when to try again."""
    violation = decision.violations[0]
    limit = violation.limit
    retry_after_s = decision.retry_after_s
    wait = (
        f"Try again in {retry_after_s} s."
        if retry_after_s is not None
        else "The request can never fit this limit."
    )
    violated: list[JsonValue] = [found.limit.name for found in decision.violations]
    extensions: list[tuple[str, JsonValue]] = [
        ("violated-policies", violated),
        ("policy", violation.policy),
        ("limit", limit.quota),
    ]
    if limit.kind is Kind.QUOTA:
        extensions.append(("period", limit.period.value))
    elif limit.kind is not Kind.CONCURRENCY:
        extensions.append(("window_s", limit.window_s))
    extensions.append(("retry_after_s", retry_after_s))
    return refusal(
        exchange,
        status=429,
        slug=QUOTA_EXCEEDED,
        title="Request cannot be satisfied as assigned quota has been exceeded",
        detail=(
            f"Policy {violation.policy!r} allows {limit.allowance(_unit(decision, limit))}; "
            f"{violation.used} are counted. {wait}"
        ),
        extensions=tuple(extensions),
        headers=[(b"retry-after", b"%d" % retry_after_s)] if retry_after_s is not None else None,
    )


def _unit(decision: LimitDecision, limit: Limit) -> str:
    """What a limit of the decision counts, in words."""
    groups = decision.plan.groups
    costs = (group.cost for group in groups if limit in group.counting.limits)
    return next(costs, Cost.REQUEST).unit_name


def unavailable(exchange: Exchange, policy: str) -> Response:
    """503: the counters do not answer, and the policy refuses requests then."""
    # Not all at once: the same request gets the same wait, different ones different waits.
    retry_after_s = 1 + crc32(exchange.request_id) % _RETRY_SPREAD_S
    violated: list[JsonValue] = [policy]
    return refusal(
        exchange,
        status=503,
        slug=REDUCED_CAPACITY,
        title="Request cannot be satisfied as capacity is temporarily reduced",
        detail=(
            f"Requests cannot be counted at the moment, and policy {policy!r} lets none pass "
            f"uncounted. Try again in {retry_after_s} s."
        ),
        extensions=(
            ("violated-policies", violated),
            ("policy", policy),
            ("retry_after_s", retry_after_s),
        ),
        headers=[(b"retry-after", b"%d" % retry_after_s)],
    )
