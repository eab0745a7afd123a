"""Assertions about limits that say which policy decided, what is left, and when it would fit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from lukhas.policy.rate_limiting.decisions import LimitDecision, Violation
from lukhas.testing.answers import Answer
from lukhas.units import SECOND_NS

__all__ = ("HttpResponse", "assert_allowed", "assert_limited")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HttpResponse(Protocol):
    """A response of httpx, of requests, or of a test client that stands on them."""

    @property
    def status_code(self) -> int:
        """The status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The fields."""
        ...

    @property
    def content(self) -> bytes:
        """The body."""
        ...


@dataclass(frozen=True, slots=True)
class _Finding:
    limited: bool
    policy: str
    retry_after_s: int | None
    told: str


def assert_allowed(answer: LimitDecision | Answer | HttpResponse) -> None:
    """The request passed its limits.

    Args:
        answer: a decision, an answer of this kit, or a response of an HTTP client. What failed for
            another reason than a limit has passed its limits.

    Raises:
        AssertionError: a limit refuses it; tells which, what it counts and when it would fit.
    """
    found = _finding(answer)
    if found.limited:
        raise AssertionError(f"the request should pass, but is limited: {found.told}")


def assert_limited(
    answer: LimitDecision | Answer | HttpResponse,
    *,
    by: str | None = None,
    retry_after_s: int | None = None,
) -> None:
    """A limit refuses the request.

    Args:
        answer: as for `assert_allowed`.
        by: the name of the policy that must refuse it; any if None.
        retry_after_s: how long the client must be told to wait; whatever it is if None.

    Raises:
        AssertionError: it passed, or another policy refuses it, or for another time.
    """
    found = _finding(answer)
    if not found.limited:
        raise AssertionError(f"the request should be limited, but passed: {found.told}")
    if by is not None and found.policy != by:
        raise AssertionError(f"{by!r} should refuse, but {found.policy!r} does: {found.told}")
    if retry_after_s is not None and found.retry_after_s != retry_after_s:
        raise AssertionError(
            f"the wait should be {retry_after_s} s, but is {found.retry_after_s} s: {found.told}"
        )


def _finding(answer: LimitDecision | Answer | HttpResponse) -> _Finding:
    if isinstance(answer, LimitDecision):
        return _decision(answer)
    if isinstance(answer, Answer):
        if answer.limit is not None:
            return _decision(answer.limit)
        fields = {name.decode(): value.decode("latin-1") for name, value in answer.headers}
        return _response(answer.status, fields, answer.body)
    fields = {name.lower(): value for name, value in answer.headers.items()}
    return _response(answer.status_code, fields, answer.content)


def _decision(decision: LimitDecision) -> _Finding:
    if decision.violations:
        told = "; ".join([_violation(found, decision.now_ns) for found in decision.violations])
        return _Finding(True, decision.policy, decision.retry_after_s, told)
    enforced = decision.plan.groups[: decision.plan.enforced]
    limits = [limit for group in enforced for limit in group.counting.limits]
    figures = zip(limits, decision.figures[::2], decision.figures[1::2], strict=True)
    left = [
        f"limit {limit.name!r} has {remaining} of {limit.most} left, more in {wait_s} s"
        for limit, remaining, wait_s in figures
    ]
    return _Finding(False, "", None, "; ".join(left) or "no enforced limit applies")


def _violation(found: Violation, now_ns: int) -> str:
    text = (
        f"policy {found.policy!r}, limit {found.limit.name!r} allows {found.limit.allowance()}, "
        f"{found.used} are counted"
    )
    if found.free_at_ns is None:
        return f"{text}, and the request can never fit"
    # In whole numbers: as a float a Unix time has no nanoseconds left.
    at = _EPOCH + timedelta(microseconds=found.free_at_ns // 1000)
    wait_s = -((now_ns - found.free_at_ns) // SECOND_NS)
    return f"{text}, and the request fits in {wait_s} s, at {at.isoformat()}"


def _response(status: int, fields: Mapping[str, str], body: bytes) -> _Finding:
    limits = fields.get("ratelimit", "")
    if status != 429:
        return _Finding(False, "", None, f"status {status}, RateLimit: {limits or 'none'}")
    try:
        problem = json.loads(body)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    policy = str(problem.get("policy", ""))
    wait = fields.get("retry-after", "")
    retry_after_s = int(wait) if wait.isdigit() else None
    detail = problem.get("detail") or "the body names no policy"
    return _Finding(True, policy, retry_after_s, f"{detail} RateLimit: {limits or 'none'}")
