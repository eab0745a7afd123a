"""Mute times: hours of the week in which nobody is told."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from lukhas.units import SECOND_NS

__all__ = ("MuteTime", "is_muted")


@dataclass(frozen=True, slots=True)
class MuteTime:
    """Hours of some days of the week.

    Attributes:
        name: its name.
        weekdays: 0 for Monday to 6 for Sunday: the days on which it begins.
        from_minute: minutes after midnight.
        to_minute: minutes after midnight; if not later than `from_minute`, on the next day.
        zone: whose midnight.
    """

    name: str
    weekdays: frozenset[int]
    from_minute: int
    to_minute: int
    zone: tzinfo = UTC

    def holds(self, now_ns: int) -> bool:
        """Whether a moment lies in it."""
        local = datetime.fromtimestamp(now_ns // SECOND_NS, self.zone)
        minute = local.hour * 60 + local.minute
        if self.to_minute > self.from_minute:
            inside = self.from_minute <= minute < self.to_minute
            return inside and local.weekday() in self.weekdays
        if minute >= self.from_minute:
            return local.weekday() in self.weekdays
        yesterday = (local.date() - timedelta(days=1)).weekday()
        return minute < self.to_minute and yesterday in self.weekdays


def is_muted(mute_times: Iterable[MuteTime], now_ns: int) -> bool:
    """Whether a moment lies in any of them."""
    return any(each.holds(now_ns) for each in mute_times)
