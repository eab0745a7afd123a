"""The bounded map of the request path."""

import pytest

from lukhas.identity.recent import RecentMap


def test_what_was_put_is_found() -> None:
    """A value is found under its key, nothing under another."""
    recent: RecentMap[str, int] = RecentMap(4)
    recent.put("a", 1)
    recent.put("a", 2)
    assert recent.get("a") == 2
    assert recent.get("b") is None
    assert len(recent) == 1


def test_it_is_bounded() -> None:
    """Any number of keys leaves at most `capacity` entries."""
    recent: RecentMap[int, int] = RecentMap(10)
    for key in range(1000):
        recent.put(key, key)
        assert len(recent) <= 10
    assert recent.get(999) == 999
    assert recent.get(0) is None


def test_what_is_in_use_stays() -> None:
    """An entry that is looked up again and again survives a flood of new ones."""
    recent: RecentMap[int, str] = RecentMap(10)
    recent.put(-1, "hot")
    for key in range(1000):
        recent.put(key, "cold")
        assert recent.get(-1) == "hot"


def test_clear_forgets_all() -> None:
    """After clear nothing is found, young or old."""
    recent: RecentMap[int, int] = RecentMap(4)
    for key in range(4):
        recent.put(key, key)
    recent.clear()
    assert len(recent) == 0
    assert [recent.get(key) for key in range(4)] == [None] * 4


def test_a_capacity_below_two_is_refused() -> None:
    """There must be room for a young and an old entry."""
    with pytest.raises(ValueError, match="capacity"):
        RecentMap(1)
