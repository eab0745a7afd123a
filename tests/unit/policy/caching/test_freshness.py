"""lukhas.policy.caching.freshness."""

from typing import TypedDict, Unpack

import pytest

from lukhas.http.cache_control import MAX_DELTA_S, parse_cache_control
from lukhas.http.dates import format_http_date
from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness, Timing, date_s, freshness_of, parse_age
from lukhas.policy.caching.policies import CachePolicy
from lukhas.units import SECOND_NS

NOW_S = 1_800_000_000
NOW = Timing(NOW_S * SECOND_NS, NOW_S * SECOND_NS)


class Options(TypedDict, total=False):
    """What else a response may come with."""

    status: int
    policy: CachePolicy | None
    shared: bool
    timing: Timing


def date(offset_s: int) -> bytes:
    return format_http_date(NOW_S + offset_s)


def freshness(
    *pairs: tuple[str, str | bytes],
    status: int = 200,
    policy: CachePolicy | None = None,
    shared: bool = True,
    timing: Timing = NOW,
) -> Freshness:
    headers = Headers.of(pairs)
    return freshness_of(
        status,
        headers,
        parse_cache_control(headers.get_all(b"cache-control")),
        policy=policy or CachePolicy(),
        shared=shared,
        timing=timing,
    )


def lifetime_s(*pairs: tuple[str, str | bytes], **options: Unpack[Options]) -> tuple[float, str]:
    found = freshness(*pairs, **options)
    return found.lifetime_ns / SECOND_NS, found.source


def test_s_maxage_beats_max_age_beats_expires() -> None:
    """RFC 9111 section 4.2.1: the first of the three that is there counts."""
    pairs: list[tuple[str, str | bytes]] = [
        ("cache-control", "s-maxage=30, max-age=20"),
        ("expires", date(10)),
        ("date", date(0)),
    ]
    assert lifetime_s(*pairs) == (30, "s-maxage")
    assert lifetime_s(*pairs, shared=False) == (20, "max-age")
    assert lifetime_s(*pairs[1:]) == (10, "expires")


def test_expires_is_relative_to_date() -> None:
    """The lifetime is Expires minus Date, whatever our own clock says."""
    assert lifetime_s(("expires", date(50)), ("date", date(20))) == (30, "expires")
    assert lifetime_s(("expires", date(50))) == (50, "expires")
    assert lifetime_s(("expires", date(-50))) == (0, "expires")


@pytest.mark.parametrize("values", [["0"], ["tomorrow"], [date(10), date(10)]])
def test_unreadable_or_repeated_expires_is_stale(values: list[str | bytes]) -> None:
    """RFC 9111 section 5.3."""
    assert lifetime_s(*[("expires", value) for value in values]) == (0, "expires")


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], 0),
        ([b"5"], 5),
        ([b" 7 , 9"], 7),
        ([b"3", b"9"], 3),
        ([b"-1"], 0),
        ([b"1.5"], 0),
        ([b""], 0),
        ([b"0000000000000000001"], 1),
        ([b"0"], 0),
        ([b"99999999999999999999"], MAX_DELTA_S),
        ([b"9999999999"], MAX_DELTA_S),
        ([b"1000000000"], 1_000_000_000),
        ([b"9" * 10_000], MAX_DELTA_S),
        ([b"X5"], 0),
        ([b"\t5"], 5),
    ],
)
def test_age_is_the_first_member_in_digits(lines: list[bytes], seconds: int) -> None:
    """RFC 9111 section 5.1; large values are clamped (section 1.2.2)."""
    assert parse_age(lines) == seconds


def test_initial_age_is_the_larger_of_apparent_and_stated() -> None:
    """RFC 9111 section 4.2.3, with the delay of the response counted in."""
    late = Timing(NOW.responded_ns - 2 * SECOND_NS, NOW.responded_ns)
    stated = freshness(("age", "10"), ("date", date(-5)), timing=late)
    apparent = freshness(("age", "10"), ("date", date(-60)), timing=late)
    from_ahead = freshness(("date", date(100)), timing=NOW)
    assert stated.initial_age_ns == 12 * SECOND_NS
    assert apparent.initial_age_ns == 60 * SECOND_NS
    assert from_ahead.initial_age_ns == 0
    assert stated.responded_ns == late.responded_ns


def test_age_goes_on_from_the_initial_age() -> None:
    """The age grows with the time here; for a request from before the response it is the first."""
    found = Freshness(100 * SECOND_NS, 5 * SECOND_NS, 30 * SECOND_NS, "max-age")
    assert found.age_ns(103 * SECOND_NS) == 8 * SECOND_NS
    assert found.age_ns(1) == 5 * SECOND_NS
    assert found.fresh_until_ns == 125 * SECOND_NS


def test_date_falls_back_to_the_time_of_receipt() -> None:
    """A response without a readable Date was made when it came."""
    assert date_s(Headers.of([("date", "yesterday")]), NOW.responded_ns) == NOW_S


def test_a_date_is_about_whole_seconds() -> None:
    """RFC 9110 section 5.6.7: what came within the second of its Date has no age yet."""
    half = NOW.responded_ns + SECOND_NS // 2
    assert freshness(("date", date(0)), timing=Timing(half, half)).initial_age_ns == 0
    assert date_s(Headers([]), half) == NOW_S


def test_old_forms_of_dates_count() -> None:
    """RFC 9110 section 5.6.7: a recipient reads the form with a two-digit year too."""
    later = "Friday, 15-Jan-27 08:00:50 GMT"
    earlier = "Friday, 15-Jan-27 07:43:20 GMT"
    assert date_s(Headers.of([("date", later)]), NOW.responded_ns) == NOW_S + 50
    assert lifetime_s(("expires", later)) == (50, "expires")
    assert lifetime_s(("last-modified", earlier)) == (100, "heuristic")


def test_heuristic_is_a_tenth_of_the_time_since_modification() -> None:
    """RFC 9111 section 4.2.2, bounded by the policy."""
    modified = ("last-modified", date(-1000))
    assert lifetime_s(modified, ("date", date(0))) == (100, "heuristic")
    assert lifetime_s(("last-modified", date(-1009))) == (100, "heuristic")
    capped = CachePolicy(max_heuristic_ttl_s=30)
    assert lifetime_s(modified, policy=capped) == (30, "heuristic")
    assert lifetime_s(modified, policy=CachePolicy(max_heuristic_ttl_s=0)) == (0, "none")
    assert lifetime_s(("last-modified", "long ago")) == (0, "none")
    assert lifetime_s(("last-modified", date(50))) == (0, "heuristic")
    assert lifetime_s() == (0, "none")


def test_heuristic_needs_a_status_for_it_or_public() -> None:
    """RFC 9111 section 4.2.2; 414 is left out, since it is about one malformed request."""
    modified = ("last-modified", date(-1000))
    for status in (302, 403, 414, 500):
        assert lifetime_s(modified, status=status) == (0, "none")
    public = ("cache-control", "public")
    assert lifetime_s(modified, public, status=302) == (100, "heuristic")


def test_rule_applies_to_responses_that_state_nothing() -> None:
    """default_ttl_s beats heuristics, loses to any statement, and is not for cookies."""
    policy = CachePolicy(default_ttl_s=60)
    assert lifetime_s(("last-modified", date(-1000)), policy=policy) == (60, "rule")
    assert lifetime_s(("cache-control", "max-age=5"), policy=policy) == (5, "max-age")
    assert lifetime_s(("expires", "0"), policy=policy) == (0, "expires")
    assert lifetime_s(("set-cookie", "a=b"), policy=policy) == (0, "none")
    assert lifetime_s(policy=policy, status=403) == (0, "none")
    assert lifetime_s(policy=CachePolicy(default_ttl_s=0)) == (0, "rule")


def test_bounds_count_from_receipt() -> None:
    """An entry stays fresh here for max_ttl_s at most, and what it aged before is no part of it."""
    policy = CachePolicy(max_ttl_s=100)
    assert lifetime_s(("cache-control", "max-age=900"), policy=policy) == (100, "max-age")
    aged = ("age", "50")
    assert lifetime_s(("cache-control", "max-age=900"), aged, policy=policy) == (150, "max-age")


@pytest.mark.parametrize("status", [204, 400, 404, 503])
def test_errors_stay_fresh_for_a_short_time(status: int) -> None:
    """A poisoned or passing error does not last."""
    assert lifetime_s(("cache-control", "max-age=900"), status=status) == (10, "max-age")


def test_explicit_is_what_the_response_says() -> None:
    """Only the three statements of the origin are explicit."""
    assert freshness(("cache-control", "max-age=9")).explicit
    assert not freshness(policy=CachePolicy(default_ttl_s=9)).explicit
