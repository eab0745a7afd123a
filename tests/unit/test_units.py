"""Unit constants."""

from datetime import timedelta

from lukhas import units


def test_durations_are_nanoseconds() -> None:
    """Each duration is the standard library's length of that unit, in nanoseconds."""
    expected = {
        units.MILLISECOND_NS: timedelta(milliseconds=1),
        units.SECOND_NS: timedelta(seconds=1),
        units.MINUTE_NS: timedelta(minutes=1),
        units.HOUR_NS: timedelta(hours=1),
        units.DAY_NS: timedelta(days=1),
    }
    assert len(expected) == 5
    for duration_ns, duration in expected.items():
        assert duration_ns == duration // timedelta(microseconds=1) * 1000


def test_sizes_are_binary() -> None:
    """KIB and MIB are powers of 1024, not of 1000."""
    assert units.KIB == 2**10
    assert units.MIB == 2**20


def test_every_unit_is_public() -> None:
    """`__all__` names every constant."""
    assert set(units.__all__) == {name for name in vars(units) if name.isupper()}
