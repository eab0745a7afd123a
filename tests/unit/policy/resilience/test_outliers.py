"""Targets that fail are left out for a while."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.resilience.outliers import OutlierSettings, TargetHealth, may_eject, reported
from lukhas.units import SECOND_NS

T0 = 1_750_000_000 * SECOND_NS
SETTINGS = OutlierSettings()
FINE = TargetHealth()


def after(health: TargetHealth, now_ns: int, *, failures: int) -> TargetHealth:
    for _ in range(failures):
        health = reported(health, SETTINGS, now_ns, failed=True, may_eject=True)
    return health


def test_five_failures_in_a_row_eject() -> None:
    """For 30 s; four do not, and a success begins the row anew."""
    assert not after(FINE, T0, failures=4).is_out(T0)
    health = reported(after(FINE, T0, failures=4), SETTINGS, T0, failed=False, may_eject=True)
    assert not after(health, T0, failures=4).is_out(T0)
    out = after(FINE, T0, failures=5)
    assert out.is_out(T0 + 30 * SECOND_NS - 1)
    assert not out.is_out(T0 + 30 * SECOND_NS)


def test_each_time_it_is_longer_up_to_a_bound() -> None:
    """The n-th ejection lasts n times as long."""
    health, now_ns = FINE, T0
    for times in (1, 2, 3, 10):
        while health.ejections < times:
            health = after(health, now_ns, failures=5)
            now_ns = health.until_ns
        assert not health.is_out(now_ns)
        assert health.is_out(now_ns - min(30 * times, 300) * SECOND_NS)
        assert health.is_out(now_ns - 1)


def test_doing_well_is_rewarded_step_by_step() -> None:
    """One ejection is forgotten for each 30 s without failure."""
    health = TargetHealth(0, 2, T0)
    health = reported(health, SETTINGS, T0 + 29 * SECOND_NS, failed=False, may_eject=True)
    assert health.ejections == 2
    health = reported(health, SETTINGS, T0 + 30 * SECOND_NS, failed=False, may_eject=True)
    assert health.ejections == 1
    health = reported(health, SETTINGS, T0 + 59 * SECOND_NS, failed=False, may_eject=True)
    assert health.ejections == 1
    health = reported(health, SETTINGS, T0 + 60 * SECOND_NS, failed=False, may_eject=True)
    assert health.ejections == 0


def test_what_ends_while_it_is_out_says_nothing() -> None:
    """It was sent before."""
    out = after(FINE, T0, failures=5)
    assert after(out, T0 + 1, failures=9) == out
    assert reported(out, SETTINGS, T0 + 1, failed=False, may_eject=True) == out


def test_a_target_that_may_not_be_left_out_is_not() -> None:
    """It is as soon as it may."""
    health = FINE
    for _ in range(9):
        health = reported(health, SETTINGS, T0, failed=True, may_eject=False)
    assert not health.is_out(T0)
    assert reported(health, SETTINGS, T0, failed=True, may_eject=True).is_out(T0)


@given(count=st.integers(1, 60), out=st.integers(0, 60))
def test_only_a_part_is_left_out_but_one_always_may(count: int, out: int) -> None:
    """A tenth of them; never the only one."""
    healths = {f"t{number}": TargetHealth(0, 1, T0 + 1) for number in range(out)}
    may = may_eject(healths, count, SETTINGS, T0)
    assert may == (count > 1 and out < max(1, count // 10))
    assert may_eject(healths, count, SETTINGS, T0 + 1) == (count > 1)


@pytest.mark.parametrize(
    "wrong",
    [{"failures": 0}, {"pause_ns": 0}, {"pause_ns": 10**12}, {"most_share": 1.5}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    """At once, and not when a target fails."""
    with pytest.raises(ValueError, match=r"eject|share"):
        OutlierSettings(**wrong)
