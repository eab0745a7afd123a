"""A limit: so many requests in so long a window."""

import re
from dataclasses import dataclass
from itertools import pairwise

from lukhas.errors import LimitSyntaxError
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

__all__ = ("MAX_QUOTA", "MAX_WINDOW_NS", "MIN_WINDOW_NS", "Limit", "parse_limit", "parse_limits")

MAX_QUOTA = 2**31 - 1
MIN_WINDOW_NS = SECOND_NS
MAX_WINDOW_NS = 366 * DAY_NS

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
_WINDOW_NAMES = {SECOND_NS: "second", MINUTE_NS: "minute", HOUR_NS: "hour", DAY_NS: "day"}
_LIMIT = re.compile(
    r"\s*(?P<quota>[\d_]{1,20})\s*(?:/|\s+per\s+)\s*(?P<count>\d{1,9})?\s*(?P<unit>[a-z]+)\s*",
    re.IGNORECASE,
)
# These names stand inside quotes in response fields.
_is_name = re.compile(r"[A-Za-z0-9_.:-]+").fullmatch
_HINT = 'write it like "60/minute" or "1000/hour; 10000/day"'


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `quota` in any window of `window_ns`.

    Attributes:
        name: shown to clients; unique among the limits that apply to one request.
        quota: how much may pass in a window, at least 1.
        window_ns: the length of the window in whole seconds, one second to 366 days.

    Raises:
        LimitSyntaxError: the name cannot be shown in a field, or a figure is out of range.
    """

    name: str
    quota: int
    window_ns: int

    def __post_init__(self) -> None:
        if _is_name(self.name) is None:
            what = f"{self.name!r} cannot be the name of a limit"
            raise LimitSyntaxError(what, hint="use letters, digits and . _ : -")
        if not 1 <= self.quota <= MAX_QUOTA:
            what = f"limit {self.name!r} allows {self.quota} requests"
            raise LimitSyntaxError(what, hint=f"a quota is 1 to {MAX_QUOTA}")
        if not MIN_WINDOW_NS <= self.window_ns <= MAX_WINDOW_NS:
            what = f"limit {self.name!r} has a window of {self.window_ns / SECOND_NS:g} s"
            raise LimitSyntaxError(what, hint="a window is 1 second to 366 days")
        if self.window_ns % SECOND_NS:
            what = f"limit {self.name!r} has a window of {self.window_ns} ns"
            raise LimitSyntaxError(what, hint="a window is a whole number of seconds")

    @property
    def window_s(self) -> int:
        """The window in seconds."""
        return self.window_ns // SECOND_NS

    def __str__(self) -> str:
        return f"{self.quota}/{_window_name(self.window_ns)}"


def parse_limit(text: str, *, policy: str) -> Limit:
    """Reads one limit, e.g. `"60/minute"`, `"5 per 10 seconds"`, `"100/2h"`.

    Args:
        text: the limit.
        policy: the name of the policy it belongs to; the limit is named after both.

    Raises:
        LimitSyntaxError: the text is no limit, or its quota or window is out of range.
    """
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise LimitSyntaxError(f"{text!r} is not a limit", hint=_HINT)
    unit = match["unit"].lower()
    unit_ns = _UNITS_NS.get(unit)
    if unit_ns is None and len(unit) > 2:
        # Only words have a plural: "ms" are no minutes.
        unit_ns = _UNITS_NS.get(unit.removesuffix("s"))
    if unit_ns is None:
        what = f"{match['unit']!r} in {text!r} is not a unit of time"
        raise LimitSyntaxError(what, hint="use second, minute, hour, day or week")
    digits = match["quota"].replace("_", "")
    if not digits:
        raise LimitSyntaxError(f"{text!r} is not a limit", hint=_HINT)
    window_ns = unit_ns * int(match["count"] or 1)
    return Limit(f"{policy}-{_window_name(window_ns)}", int(digits), window_ns)


def parse_limits(text: str, *, policy: str) -> tuple[Limit, ...]:
    """Reads limits separated by `;` or `,`, e.g. `"1000/hour; 10000/day"`, shortest window first.

    Raises:
        LimitSyntaxError: a part is no limit, there is none, two have the same window, or a longer
            window allows less than a shorter one in a way that makes the shorter one pointless.
    """
    parts = [part for part in re.split(r"[;,]", text) if part.strip()]
    if not parts:
        raise LimitSyntaxError(f"{text!r} holds no limit", hint=_HINT)
    limits = sorted(
        (parse_limit(part, policy=policy) for part in parts), key=lambda limit: limit.window_ns
    )
    for shorter, longer in pairwise(limits):
        if shorter.window_ns == longer.window_ns:
            what = f"{text!r} holds two limits for the same window"
            raise LimitSyntaxError(what, hint="keep one of them")
        if longer.quota <= shorter.quota:
            what = f"{longer} can never let {shorter} be reached"
            raise LimitSyntaxError(what, hint="give the longer window the larger quota")
    return tuple(limits)


def _window_name(window_ns: int) -> str:
    name = _WINDOW_NAMES.get(window_ns)
    if name is not None:
        return name
    for unit_ns, unit in ((DAY_NS, "d"), (HOUR_NS, "h"), (MINUTE_NS, "m")):
        if window_ns % unit_ns == 0:
            return f"{window_ns // unit_ns}{unit}"
    return f"{window_ns // SECOND_NS}s"
