"""Mute times."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from lukhas.policy.alerting.mute_times import MuteTime, is_muted
from lukhas.units import SECOND_NS

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    """A moment in Berlin; 2025-06-16 is a Monday."""
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * SECOND_NS


@pytest.mark.parametrize(
    ("text", "is_in"),
    [
        ("2025-06-16T11:59:59", False),
        ("2025-06-16T12:00:00", True),
        ("2025-06-16T12:59:59", True),
        ("2025-06-16T13:00:00", False),
        ("2025-06-17T12:30:00", False),
    ],
)
def test_hours_of_a_day(text: str, is_in: bool) -> None:
    """The end is not in it, and other days are not."""
    lunch = MuteTime("lunch", frozenset((0,)), 720, 780, BERLIN)
    assert lunch.holds(at(text)) is is_in
    assert is_muted((lunch,), at(text)) is is_in
    assert not is_muted((), at(text))


@pytest.mark.parametrize(
    ("text", "is_in"),
    [
        ("2025-06-16T21:59:59", False),
        ("2025-06-16T22:00:00", True),
        ("2025-06-17T06:59:59", True),
        ("2025-06-17T07:00:00", False),
        ("2025-06-16T03:00:00", False),
        ("2025-06-17T22:30:00", False),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(text: str, is_in: bool) -> None:
    """That of Monday ends on Tuesday morning."""
    assert MuteTime("night", frozenset((0,)), 1320, 420, BERLIN).holds(at(text)) is is_in


def test_midnight_to_midnight_is_the_whole_day() -> None:
    """Also on the day on which clocks change."""
    sunday = MuteTime("sunday", frozenset((6,)), 0, 0, BERLIN)
    assert sunday.holds(at("2025-03-30T00:00:00"))
    assert sunday.holds(at("2025-03-30T23:59:59"))
    assert not sunday.holds(at("2025-03-31T00:00:00"))
