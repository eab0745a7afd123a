"""How limits are written."""

from zoneinfo import ZoneInfo

import pytest

from lukhas.errors import ConfigError, LimitSyntaxError
from lukhas.policy.rate_limiting.limit_syntax import parse_limit, parse_limits
from lukhas.policy.rate_limiting.limits import MAX_QUOTA, Kind, Limit
from lukhas.policy.rate_limiting.periods import Period
from lukhas.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS


@pytest.mark.parametrize(
    ("text", "quota", "window_s", "name"),
    [
        ("60/minute", 60, 60, "minute"),
        ("60/min", 60, 60, "minute"),
        ("60/m", 60, 60, "minute"),
        ("1/second", 1, 1, "second"),
        ("1/sec", 1, 1, "second"),
        ("1/s", 1, 1, "second"),
        ("9/hour", 9, 3600, "hour"),
        ("9/h", 9, 3600, "hour"),
        ("9/day", 9, 86_400, "day"),
        ("9/d", 9, 86_400, "day"),
        ("9/week", 9, 7 * 86_400, "7d"),
        ("9/w", 9, 7 * 86_400, "7d"),
        ("5 per 10 seconds", 5, 10, "10s"),
        ("5 per second", 5, 1, "second"),
        ("100/2h", 100, 7200, "2h"),
        ("100/2 hours", 100, 7200, "2h"),
        ("3/15min", 3, 900, "15m"),
        ("3/15mins", 3, 900, "15m"),
        ("3/30secs", 3, 30, "30s"),
        ("3/2weeks", 3, 14 * 86_400, "14d"),
        ("3/60 seconds", 3, 60, "minute"),
        ("3/24h", 3, 86_400, "day"),
        ("3/90m", 3, 5400, "90m"),
        ("3/1234567s", 3, 1_234_567, "1234567s"),
        ("  60  /  Minute  ", 60, 60, "minute"),
        ("60 PER MINUTE", 60, 60, "minute"),
        ("60\tper\tminute", 60, 60, "minute"),
        ("1_000/hour", 1000, 3600, "hour"),
        (f"{MAX_QUOTA}/s", MAX_QUOTA, 1, "second"),
        ("1/366 days", 1, 366 * 86_400, "366d"),
        ("000000000000000000_1/s", 1, 1, "second"),
    ],
)
def test_limits_are_read(text: str, quota: int, window_s: int, name: str) -> None:
    """Quota, window, and a name made of the policy's and the window's."""
    limit = parse_limit(text, policy="p")
    assert limit == Limit(f"p-{name}", quota, window_s * SECOND_NS)
    assert limit.window_s == window_s
    assert str(limit) == f"{quota}/{name}"
    assert parse_limit(str(limit), policy="p") == limit


@pytest.mark.parametrize(
    "text",
    [
        "",
        "60",
        "60/",
        "/minute",
        "sixty/minute",
        "-1/minute",
        "+1/minute",
        "1.5/minute",
        "1e3/minute",
        "60perminute",
        "60 perminute",
        "60//minute",
        "60/minute/2",
        "60/1234567890s",
        "60/1.5m",
        "60/minute!",
        "111111111111111111111/s",
        "_/minute",
        "___/minute",
        "60/minute; 2/day",
    ],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    """The error shows the text and how to write it."""
    with pytest.raises(LimitSyntaxError) as caught:
        parse_limit(text, policy="p")
    assert caught.value.what == f"{text!r} is not a limit"
    assert caught.value.hint == 'write it like "60/minute" or "1000/hour; 10000/day"'
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize(
    "unit", ["fortnight", "month", "year", "ms", "ss", "hs", "ds", "ws", "us", "minutess", "minu"]
)
def test_unknown_units_are_named(unit: str) -> None:
    """Milliseconds above all are not taken for minutes."""
    with pytest.raises(LimitSyntaxError) as caught:
        parse_limit(f"5/10{unit.upper()}", policy="p")
    assert caught.value.what == f"'{unit.upper()}' in '5/10{unit.upper()}' is not a unit of time"
    assert caught.value.hint == "use second, minute, hour, day, week or month"


@pytest.mark.parametrize("quota", [0, MAX_QUOTA + 1, 10**19])
def test_a_quota_is_in_range(quota: int) -> None:
    """1 to 2^31 - 1."""
    with pytest.raises(LimitSyntaxError) as caught:
        parse_limit(f"{quota}/minute", policy="p")
    assert caught.value.what == f"limit 'p-minute' allows {quota} requests"
    assert caught.value.hint == "a quota is 1 to 2147483647"


@pytest.mark.parametrize(
    ("text", "window"), [("1/0s", "0"), ("1/367d", "3.17088e+07"), ("1/999999999w", "6.048e+14")]
)
def test_a_window_is_in_range(text: str, window: str) -> None:
    """1 second to 366 days."""
    with pytest.raises(LimitSyntaxError) as caught:
        parse_limit(text, policy="p")
    assert caught.value.what.endswith(f"has a window of {window} s")
    assert caught.value.hint == "a window is 1 second to 366 days"


@pytest.mark.parametrize(
    "text",
    [
        "1/s; 5/m; 9/h; 20/d",
        "1/s,5/m,9/h,20/d",
        " 20/d ;; 9/h , 5/m ; 1/s ; ",
        "9/h; 1/s; 20/d; 5/m",
    ],
)
def test_several_limits_come_shortest_window_first(text: str) -> None:
    """Separated by `;` or `,`, empty parts left out, in whatever order they are written."""
    limits = parse_limits(text, policy="p")
    assert [limit.window_ns for limit in limits] == [SECOND_NS, MINUTE_NS, HOUR_NS, DAY_NS]
    assert [limit.quota for limit in limits] == [1, 5, 9, 20]


def test_one_limit_alone_is_a_tuple_of_one() -> None:
    """The usual short form."""
    assert parse_limits("60/minute", policy="p") == (Limit("p-minute", 60, MINUTE_NS),)


@pytest.mark.parametrize("text", ["", "  ", ";", " , ; "])
def test_no_limit_at_all_is_refused(text: str) -> None:
    """To switch a policy off there is a mode."""
    with pytest.raises(LimitSyntaxError) as caught:
        parse_limits(text, policy="p")
    assert caught.value.what == f"{text!r} holds no limit"
    assert caught.value.hint == 'write it like "60/minute" or "1000/hour; 10000/day"'


@pytest.mark.parametrize("text", ["60/minute; 70/minute", "60/minute; 70/60s", "5/d, 4/h, 5/24h"])
def test_two_limits_for_one_window_are_refused(text: str) -> None:
    """Only one of them can mean something."""
    with pytest.raises(LimitSyntaxError) as caught:
        parse_limits(text, policy="p")
    assert caught.value.what == f"{text!r} holds two limits for the same window"
    assert caught.value.hint == "keep one of them"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("60/minute; 60/hour", "60/hour can never let 60/minute be reached"),
        ("5/hour; 60/minute", "5/hour can never let 60/minute be reached"),
        ("1/s; 9/m; 8/2m", "8/2m can never let 9/minute be reached"),
    ],
)
def test_pointless_pairs_are_refused(text: str, what: str) -> None:
    """A longer window must allow more than a shorter one, or the shorter one says nothing."""
    with pytest.raises(LimitSyntaxError) as caught:
        parse_limits(text, policy="p")
    assert caught.value.what == what
    assert caught.value.hint == "give the longer window the larger quota"


def test_one_more_in_the_longer_window_is_enough() -> None:
    """The edge of the rule above."""
    assert len(parse_limits("60/minute; 61/hour", policy="p")) == 2


def test_the_first_faulty_part_is_named() -> None:
    """Not the whole line."""
    with pytest.raises(LimitSyntaxError, match=r"^' nonsense' is not a limit: write it like"):
        parse_limits("60/minute; nonsense", policy="p")


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5/minute exact", Limit("p-minute", 5, MINUTE_NS, Kind.EXACT)),
        ("5 per 10 s EXACT", Limit("p-10s", 5, 10 * SECOND_NS, Kind.EXACT)),
        ("5/minute strict", Limit("p-minute", 5, MINUTE_NS)),
        ("10/second burst 20", Limit("p-second-burst", 10, SECOND_NS, Kind.GCRA, 20)),
        ("1_0/s  Burst  2_0", Limit("p-second-burst", 10, SECOND_NS, Kind.GCRA, 20)),
        ("20 concurrent", Limit("p-concurrent", 20, 5 * MINUTE_NS, Kind.CONCURRENCY)),
        (
            "9/calendar day",
            Limit("p-calendar-day", 9, DAY_NS, Kind.QUOTA, 0, Period.DAY, BERLIN),
        ),
        (
            "9 per Calendar-Week",
            Limit("p-calendar-week", 9, 7 * DAY_NS, Kind.QUOTA, 0, Period.WEEK, BERLIN),
        ),
        (
            "1_000/month",
            Limit("p-calendar-month", 1000, 30 * DAY_NS, Kind.QUOTA, 0, Period.MONTH, BERLIN),
        ),
        (
            "9/calendar month",
            Limit("p-calendar-month", 9, 30 * DAY_NS, Kind.QUOTA, 0, Period.MONTH, BERLIN),
        ),
    ],
)
def test_every_kind_can_be_written(text: str, expected: Limit) -> None:
    """In any case; what is shown reads as the same."""
    limit = parse_limit(text, policy="p", zone=BERLIN)
    assert limit == expected
    assert parse_limit(str(limit), policy="p", zone=BERLIN) == limit


@pytest.mark.parametrize(
    "text",
    [
        "5/minute burst",
        "5/minute exact burst 3",
        "5/minute loose",
        "concurrent",
        "5 concurrent/minute",
        "5/calendar hour",
        "5/calendarday",
        "5/month exact",
        "_ concurrent",
        "_/month",
        "5/minute burst _",
    ],
)
def test_what_is_no_limit_of_any_kind_is_refused(text: str) -> None:
    """Rather than being taken for another one."""
    with pytest.raises(LimitSyntaxError):
        parse_limit(text, policy="p")


def test_kinds_stand_beside_each_other() -> None:
    """Windows are compared within a kind: a burst may have the window of a quota."""
    limits = parse_limits("10/minute; 5/minute burst 3; 100/month; 2 concurrent", policy="p")
    assert [limit.kind for limit in limits] == [
        Kind.STRICT,
        Kind.GCRA,
        Kind.CONCURRENCY,
        Kind.QUOTA,
    ]
    assert len(parse_limits("10/second burst 20; 9/minute burst 5", policy="p")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "5/minute; 6/minute exact",
        "2 concurrent; 3 concurrent",
        "5/month; 6/month",
        "5/minute burst 2; 6/minute burst 3",
    ],
)
def test_one_kind_has_a_window_once(text: str) -> None:
    """Strict and exact limits mean the same by a window."""
    with pytest.raises(LimitSyntaxError, match="two limits for the same window"):
        parse_limits(text, policy="p")


@pytest.mark.parametrize("text", ["9/calendar day; 9/month", "9/minute exact; 9/hour"])
def test_longer_windows_allow_more_in_every_kind(text: str) -> None:
    """Else the shorter one says nothing."""
    with pytest.raises(LimitSyntaxError, match="can never let"):
        parse_limits(text, policy="p")
