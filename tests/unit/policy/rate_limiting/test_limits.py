"""What limits mean."""

import pytest

from lukhas.errors import LimitSyntaxError
from lukhas.policy.rate_limiting.limits import (
    MAX_EXACT,
    MAX_QUOTA,
    MAX_WINDOW_NS,
    MIN_WINDOW_NS,
    Kind,
    Limit,
    window_name,
)
from lukhas.policy.rate_limiting.periods import Period
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS


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


@pytest.mark.parametrize(
    ("kind", "figures", "what", "hint"),
    [
        (Kind.EXACT, {"quota": MAX_EXACT + 1}, "keeps an exact log of 129 requests", "use strict"),
        (Kind.GCRA, {}, "has a burst of 0", "such as burst 20"),
        (Kind.GCRA, {"burst": MAX_QUOTA + 1}, "has a burst of 2147483648", "such as burst 20"),
        (
            Kind.GCRA,
            {"burst": 1, "quota": 6_000_001},
            "smooths to more than 100000",
            "for such rates",
        ),
        (Kind.STRICT, {"burst": 1}, "has a burst of 1", "only limits that smooth have a burst"),
        (Kind.QUOTA, {}, "is no quota of a calendar period", "only a quota has one"),
        (Kind.STRICT, {"period": Period.DAY}, "is no quota of a calendar", "only a quota has one"),
    ],
)
def test_figures_fit_the_kind(kind: Kind, figures: dict[str, int], what: str, hint: str) -> None:
    """Each kind has its own, and no other."""
    given: dict[str, object] = {"quota": 5, "window_ns": MINUTE_NS, **figures}
    with pytest.raises(LimitSyntaxError) as caught:
        Limit("x", kind=kind, **given)  # type: ignore[arg-type]
    assert caught.value.what.startswith("limit 'x' ")
    assert what in caught.value.what
    assert (caught.value.hint or "").endswith(hint)


def test_the_largest_figures_of_a_kind() -> None:
    """The ends of the rules above."""
    assert Limit("x", MAX_EXACT, SECOND_NS, Kind.EXACT).most == MAX_EXACT
    assert Limit("x", 6_000_000, MINUTE_NS, Kind.GCRA, MAX_QUOTA).most == MAX_QUOTA


@pytest.mark.parametrize(
    ("limit", "written", "allowance", "item"),
    [
        (
            Limit("x", 5, MINUTE_NS),
            "5/minute",
            "5 requests in any 60 s",
            '"x";q=5;w=60',
        ),
        (
            Limit("x", 5, HOUR_NS, Kind.EXACT),
            "5/hour exact",
            "5 requests in any 3600 s",
            '"x";q=5;w=3600',
        ),
        (
            Limit("x", 5, SECOND_NS, Kind.GCRA, 9),
            "5/second burst 9",
            "5 requests in 1 s and 9 at once",
            '"x";q=5;w=1;burst=9',
        ),
        (
            Limit("x", 5, DAY_NS, Kind.QUOTA, period=Period.WEEK),
            "5/calendar week",
            "5 requests a calendar week",
            '"x";q=5',
        ),
        (
            Limit("x", 5, HOUR_NS, Kind.CONCURRENCY),
            "5 concurrent",
            "5 requests at once",
            '"x";q=5;qu="concurrent-requests"',
        ),
    ],
)
def test_limits_in_words(limit: Limit, written: str, allowance: str, item: str) -> None:
    """As written, as told to people, and as an item of RateLimit-Policy."""
    assert (str(limit), limit.allowance(), limit.policy_item) == (written, allowance, item)
    assert limit.most == (9 if limit.kind is Kind.GCRA else 5)


@pytest.mark.parametrize(
    ("window_ns", "name"),
    [
        (SECOND_NS, "second"),
        (DAY_NS, "day"),
        (7 * DAY_NS, "7d"),
        (2 * HOUR_NS, "2h"),
        (90 * MINUTE_NS, "90m"),
        (90 * SECOND_NS, "90s"),
    ],
)
def test_windows_in_words(window_ns: int, name: str) -> None:
    """In the largest unit that fits without a rest."""
    assert window_name(window_ns) == name
