"""A limit: so many requests in so long a window, and how they are counted."""

import re
from dataclasses import dataclass
from datetime import UTC, tzinfo
from enum import Enum

from lukhas.errors import LimitSyntaxError
from lukhas.policy.rate_limiting.periods import Period
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

__all__ = (
    "MAX_EXACT",
    "MAX_QUOTA",
    "MAX_WINDOW_NS",
    "MIN_WINDOW_NS",
    "Kind",
    "Limit",
    "window_name",
)

MAX_QUOTA = 2**31 - 1
MAX_EXACT = 128
MIN_WINDOW_NS = SECOND_NS
MAX_WINDOW_NS = 366 * DAY_NS
_MAX_RATE = 100_000
_NEAR = 5
_WINDOW_NAMES = {SECOND_NS: "second", MINUTE_NS: "minute", HOUR_NS: "hour", DAY_NS: "day"}

# These names stand inside quotes in response fields.
_is_name = re.compile(r"[A-Za-z0-9_.:-]+").fullmatch


class Kind(Enum):
    """How a limit counts."""

    STRICT = "strict"
    """Never above the quota in any window; constant memory."""
    EXACT = "exact"
    """Just the quota in any window; for small quotas."""
    GCRA = "gcra"
    """A steady rate with a burst."""
    QUOTA = "quota"
    """A counter that starts afresh with each calendar period."""
    CONCURRENCY = "concurrency"
    """Requests in flight."""

    # Members are singletons; the inherited hash runs Python code.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `quota` in any window of `window_ns`, or in each calendar period, or in flight.

    Attributes:
        name: shown to clients; unique among the limits that apply to one request.
        quota: how much may pass in a window, at least 1.
        window_ns: the length of the window in whole seconds, one second to 366 days. Of a calendar
            period its usual length; of a concurrency limit how long a request counts at most.
        kind: how it is counted.
        burst: how much may pass at once (GCRA); 0 for other kinds.
        period: the calendar period (QUOTA).
        zone: the time zone of the period.

    Raises:
        LimitSyntaxError: the name cannot be shown in a field, a figure is out of range, or the
            figures do not fit the kind.
    """

    name: str
    quota: int
    window_ns: int
    kind: Kind = Kind.STRICT
    burst: int = 0
    period: Period = Period.NONE
    zone: tzinfo = UTC

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
        self._check_kind()

    def _check_kind(self) -> None:
        if self.kind is Kind.EXACT and self.quota > MAX_EXACT:
            what = f"limit {self.name!r} keeps an exact log of {self.quota} requests"
            raise LimitSyntaxError(what, hint=f"exact limits allow {MAX_EXACT} at most; use strict")
        if self.kind is Kind.GCRA and not 1 <= self.burst <= MAX_QUOTA:
            what = f"limit {self.name!r} has a burst of {self.burst}"
            raise LimitSyntaxError(what, hint="say how much may pass at once, such as burst 20")
        if self.kind is Kind.GCRA and self.quota * SECOND_NS > _MAX_RATE * self.window_ns:
            what = f"limit {self.name!r} smooths to more than {_MAX_RATE} a second"
            raise LimitSyntaxError(what, hint="use a strict limit for such rates")
        if (self.kind is Kind.GCRA) != bool(self.burst):
            what = f"limit {self.name!r} has a burst of {self.burst}"
            raise LimitSyntaxError(what, hint="only limits that smooth have a burst")
        if (self.kind is Kind.QUOTA) != (self.period is not Period.NONE):
            what = f"limit {self.name!r} is no quota of a calendar period"
            raise LimitSyntaxError(what, hint="a quota has a period, and only a quota has one")

    @property
    def window_s(self) -> int:
        """The window in seconds."""
        return self.window_ns // SECOND_NS

    @property
    def most(self) -> int:
        """How much can pass at once."""
        return self.burst or self.quota

    @property
    def near(self) -> int:
        """Below which remainder it is near its end: less than a fifth is left."""
        return -(-self.most // _NEAR)

    def allowance(self, unit: str = "requests") -> str:
        """What it allows, in words.

        Args:
            unit: what is counted.
        """
        match self.kind:
            case Kind.QUOTA:
                return f"{self.quota} {unit} a calendar {self.period.value}"
            case Kind.CONCURRENCY:
                return f"{self.quota} {unit} at once"
            case Kind.GCRA:
                return f"{self.quota} {unit} in {self.window_s} s and {self.burst} at once"
            case _:
                return f"{self.quota} {unit} in any {self.window_s} s"

    @property
    def policy_item(self) -> str:
        """The item of the RateLimit-Policy field (draft-ietf-httpapi-ratelimit-headers)."""
        match self.kind:
            case Kind.QUOTA:
                return f'"{self.name}";q={self.quota}'
            case Kind.CONCURRENCY:
                return f'"{self.name}";q={self.quota};qu="concurrent-requests"'
            case Kind.GCRA:
                return f'"{self.name}";q={self.quota};w={self.window_s};burst={self.burst}'
            case _:
                return f'"{self.name}";q={self.quota};w={self.window_s}'

    def __str__(self) -> str:
        match self.kind:
            case Kind.CONCURRENCY:
                return f"{self.quota} concurrent"
            case Kind.QUOTA:
                return f"{self.quota}/calendar {self.period.value}"
            case Kind.GCRA:
                return f"{self.quota}/{window_name(self.window_ns)} burst {self.burst}"
            case Kind.EXACT:
                return f"{self.quota}/{window_name(self.window_ns)} exact"
            case _:
                return f"{self.quota}/{window_name(self.window_ns)}"


def window_name(window_ns: int) -> str:
    """A window in words: `minute`, `2h`, `90s`."""
    name = _WINDOW_NAMES.get(window_ns)
    if name is not None:
        return name
    for unit_ns, unit in ((DAY_NS, "d"), (HOUR_NS, "h"), (MINUTE_NS, "m")):
        if window_ns % unit_ns == 0:
            return f"{window_ns // unit_ns}{unit}"
    return f"{window_ns // SECOND_NS}s"
