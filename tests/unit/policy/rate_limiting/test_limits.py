"""What limits mean."""

import pytest

from lukhas.errors import LimitSyntaxError
from lukhas.policy.rate_limiting.limits import (
    MAX_QUOTA,
    MAX_WINDOW_NS,
    MIN_WINDOW_NS,
    Limit,
)
from lukhas.units import DAY_NS, SECOND_NS


@pytest.mark.parametrize("window_ns", [MIN_WINDOW_NS + 1, 2 * SECOND_NS - 1, DAY_NS + 20])
def test_a_window_is_whole_seconds(window_ns: int) -> None:
    """Or its buckets would not add up to it, and a window could hold more than its quota."""
    with pytest.raises(LimitSyntaxError) as caught:
        Limit("x", 1, window_ns)
    assert caught.value.what == f"limit 'x' has a window of {window_ns} ns"
    assert caught.value.hint == "a window is a whole number of seconds"


def test_the_ends_of_both_ranges_are_in_them() -> None:
    """Smallest and largest."""
    assert Limit("x", 1, MIN_WINDOW_NS).window_s == 1
    assert Limit("x", MAX_QUOTA, MAX_WINDOW_NS).window_s == 366 * 86_400
    with pytest.raises(LimitSyntaxError):
        Limit("x", 1, MIN_WINDOW_NS - 1)
    with pytest.raises(LimitSyntaxError):
        Limit("x", 1, MAX_WINDOW_NS + 1)


@pytest.mark.parametrize("name", ["", 'a"b', "50%off", "a b", "a\\b", "é", "a\r\nb", "a,b"])
def test_a_name_can_stand_in_a_response_field(name: str) -> None:
    """It is written inside quotes there, and the field is made from a template."""
    with pytest.raises(LimitSyntaxError) as caught:
        Limit(name, 1, SECOND_NS)
    assert caught.value.what == f"{name!r} cannot be the name of a limit"
    assert caught.value.hint == "use letters, digits and . _ : -"
    assert Limit("Az09._:-", 1, SECOND_NS).name == "Az09._:-"
