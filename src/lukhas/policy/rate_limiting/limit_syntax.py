"""Limits as people write them: `"60/minute"`, `"10/second burst 20"`, `"20 concurrent"`."""

import re
from collections.abc import Sequence
from datetime import UTC, tzinfo
from itertools import pairwise

from lukhas.errors import LimitSyntaxError
from lukhas.policy.rate_limiting.limits import Kind, Limit, window_name
from lukhas.policy.rate_limiting.periods import Period
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

__all__ = ("parse_limit", "parse_limits")

_UNITS_NS = {
    "second": SECOND_NS,
    "sec": SECOND_NS,
    "s": SECOND_NS,
    "minute": MINUTE_NS,
    "min": MINUTE_NS,
    "m": MINUTE_NS,
    "hour": HOUR_NS,
    "h": HOUR_NS,
    "day": DAY_NS,
    "d": DAY_NS,
    "week": 7 * DAY_NS,
    "w": 7 * DAY_NS,
}
_PERIODS_NS = {Period.DAY: DAY_NS, Period.WEEK: 7 * DAY_NS, Period.MONTH: 30 * DAY_NS}
_HELD_NS = 5 * MINUTE_NS
_LIMIT = re.compile(
    r"\s*(?P<quota>[\d_]{1,20})\s*(?:/|\s+per\s+)\s*(?P<count>\d{1,9})?\s*(?P<unit>[a-z]+)"
    r"(?:\s+(?P<kind>exact|strict)|\s+burst\s+(?P<burst>[\d_]{1,20}))?\s*",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"\s*(?P<quota>[\d_]{1,20})\s*(?:/|\s+per\s+)\s*"
    r"(?:calendar[\s-]+(?P<period>day|week|month)|(?P<month>month))\s*",
    re.IGNORECASE,
)
_CONCURRENT = re.compile(r"\s*(?P<quota>[\d_]{1,20})\s+concurrent\s*", re.IGNORECASE)
_HINT = 'write it like "60/minute" or "1000/hour; 10000/day"'


def parse_limit(text: str, *, policy: str, zone: tzinfo = UTC) -> Limit:
    """Reads one limit.

    `"60/minute"`, `"5 per 10 seconds"`, `"100/2h"` are strict; `"5/minute exact"` keeps an exact
    log; `"10/second burst 20"` smooths; `"10000/calendar day"` and `"100000/month"` are quotas of
    the calendar; `"20 concurrent"` is how many may be in flight.

    Args:
        text: the limit.
        policy: the name of the policy it belongs to; the limit is named after both.
        zone: the time zone of calendar periods.

    Raises:
        LimitSyntaxError: the text is no limit, or a figure of it is out of range.
    """
    concurrent = _CONCURRENT.fullmatch(text)
    if concurrent is not None:
        quota = _number(concurrent["quota"], text)
        return Limit(f"{policy}-concurrent", quota, _HELD_NS, Kind.CONCURRENCY)
    calendar = _QUOTA.fullmatch(text)
    if calendar is not None:
        period = Period((calendar["period"] or calendar["month"]).lower())
        return Limit(
            f"{policy}-calendar-{period.value}",
            _number(calendar["quota"], text),
            _PERIODS_NS[period],
            Kind.QUOTA,
            period=period,
            zone=zone,
        )
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise LimitSyntaxError(f"{text!r} is not a limit", hint=_HINT)
    window_ns = _unit_ns(match["unit"], text) * int(match["count"] or 1)
    quota, name = _number(match["quota"], text), f"{policy}-{window_name(window_ns)}"
    if match["burst"]:
        burst = _number(match["burst"], text)
        return Limit(f"{name}-burst", quota, window_ns, Kind.GCRA, burst=burst)
    kind = Kind((match["kind"] or "strict").lower())
    return Limit(name, quota, window_ns, kind)


def parse_limits(text: str, *, policy: str, zone: tzinfo = UTC) -> tuple[Limit, ...]:
    """Reads limits separated by `;` or `,`, e.g. `"1000/hour; 10000/day"`, shortest window first.

    Raises:
        LimitSyntaxError: a part is no limit, there is none, two have the same window, or a longer
            window allows less than a shorter one in a way that makes the shorter one pointless.
    """
    parts = [part for part in re.split(r"[;,]", text) if part.strip()]
    if not parts:
        raise LimitSyntaxError(f"{text!r} holds no limit", hint=_HINT)
    limits = sorted(
        (parse_limit(part, policy=policy, zone=zone) for part in parts),
        key=lambda limit: limit.window_ns,
    )
    _check_windows(text, [limit for limit in limits if limit.kind in {Kind.STRICT, Kind.EXACT}])
    for kind in (Kind.GCRA, Kind.QUOTA, Kind.CONCURRENCY):
        _check_windows(text, [limit for limit in limits if limit.kind is kind])
    return tuple(limits)


def _check_windows(text: str, limits: Sequence[Limit]) -> None:
    for shorter, longer in pairwise(limits):
        if shorter.window_ns == longer.window_ns:
            what = f"{text!r} holds two limits for the same window"
            raise LimitSyntaxError(what, hint="keep one of them")
        if longer.quota <= shorter.quota and shorter.kind is not Kind.GCRA:
            what = f"{longer} can never let {shorter} be reached"
            raise LimitSyntaxError(what, hint="give the longer window the larger quota")


def _number(digits: str, text: str) -> int:
    digits = digits.replace("_", "")
    if not digits:
        raise LimitSyntaxError(f"{text!r} is not a limit", hint=_HINT)
    return int(digits)


def _unit_ns(word: str, text: str) -> int:
    unit = word.lower()
    unit_ns = _UNITS_NS.get(unit)
    if unit_ns is None and len(unit) > 2:
        # Only words have a plural: "ms" are no minutes.
        unit_ns = _UNITS_NS.get(unit.removesuffix("s"))
    if unit_ns is None:
        what = f"{word!r} in {text!r} is not a unit of time"
        raise LimitSyntaxError(what, hint="use second, minute, hour, day, week or month")
    return unit_ns
