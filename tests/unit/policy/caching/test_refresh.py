"""lukhas.policy.caching.refresh: rule R11, early refresh."""

from dataclasses import replace

from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.refresh import refresh_from_ns, refreshes_early
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.units import SECOND_NS

TERMS = ReuseTerms(
    freshness=Freshness(0, 0, 100 * SECOND_NS, "max-age"),
    no_cache=False,
    must_revalidate=False,
    stale_if_error_s=0,
    for_credentials=True,
    for_cookies=True,
    fetch_ns=SECOND_NS,
    early_refresh=1.0,
)


def early(now_s: float, draw: float, terms: ReuseTerms = TERMS) -> bool:
    return refreshes_early(terms, now_ns=round(now_s * SECOND_NS), draw=draw)


def test_r11_xfetch_small_draws_refresh_early() -> None:
    """The lead is fetch time x eagerness x -ln(draw): 1 s x 1 x 2.3 for a draw of 0.1."""
    assert early(97.8, 0.1)
    assert not early(97.6, 0.1)
    assert not early(99, 0.9)
    assert early(99.95, 0.9)


def test_r11_xfetch_a_slow_origin_is_asked_earlier() -> None:
    """And an eager setting does the same."""
    assert early(97.6, 0.1, replace(TERMS, fetch_ns=2 * SECOND_NS))
    assert early(97.6, 0.1, replace(TERMS, early_refresh=2.0))


def test_r11_xfetch_never_before_its_window() -> None:
    """Whatever is drawn: 16 times the fetch time, and half of the lifetime at most."""
    assert refresh_from_ns(TERMS) == 84 * SECOND_NS
    assert not early(83.9, 1e-30)
    slow = replace(TERMS, fetch_ns=90 * SECOND_NS)
    assert refresh_from_ns(slow) == 50 * SECOND_NS
    assert not early(49, 1e-30, slow)


def test_r11_xfetch_can_be_off() -> None:
    """Without eagerness, or where fetching takes no time, a response is used to its end."""
    for terms in (replace(TERMS, early_refresh=0.0), replace(TERMS, fetch_ns=0)):
        assert refresh_from_ns(terms) == 100 * SECOND_NS
        assert not early(99.99, 1e-30, terms)


def test_r11_xfetch_counts_from_birth() -> None:
    """A response that came old has no window longer than half of what it has left."""
    old = replace(TERMS, freshness=Freshness(0, 98 * SECOND_NS, 100 * SECOND_NS, "max-age"))
    assert refresh_from_ns(old) == SECOND_NS
