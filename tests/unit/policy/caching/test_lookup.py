"""lukhas.policy.caching.lookup."""

from dataclasses import dataclass, replace

import pytest

from lukhas.http.cache_control import NO_DIRECTIVES, parse_cache_control
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.lookup import Reuse, may_replace_error, may_serve, reuse, select
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.requests import CacheRequest, cache_request
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.units import SECOND_NS

TERMS = ReuseTerms(
    freshness=Freshness(0, 0, 60 * SECOND_NS, "max-age"),
    no_cache=False,
    must_revalidate=False,
    stale_if_error_s=0,
    for_credentials=True,
    for_cookies=True,
)


NOT_FOR_COOKIES = replace(TERMS, for_cookies=False)
FOR_NOBODY = replace(NOT_FOR_COOKIES, for_credentials=False)


@dataclass(frozen=True, slots=True)
class Stored:
    vary: tuple[bytes, ...] = ()
    selected_by: tuple[bytes | None, ...] = ()
    terms: ReuseTerms = TERMS


def request(*pairs: tuple[str, str]) -> CacheRequest:
    head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers.of(pairs))
    return cache_request(head, None, CachePolicy())


def use(directives: bytes, now_s: float, terms: ReuseTerms = TERMS) -> Reuse:
    return reuse(terms, parse_cache_control([directives]), now_ns=round(now_s * SECOND_NS))


@pytest.mark.parametrize(
    ("directives", "now_s", "expected"),
    [
        (b"", 0, Reuse.FRESH),
        (b"", 59.9, Reuse.FRESH),
        (b"", 60, Reuse.STALE),
        (b"no-cache", 1, Reuse.ASKED),
        (b"max-age=0", 0, Reuse.ASKED),
        (b"max-age=10", 10, Reuse.FRESH),
        (b"max-age=10", 10.1, Reuse.ASKED),
        (b"max-age=10, max-stale=5", 20, Reuse.FRESH),
        (b"min-fresh=10", 50, Reuse.FRESH),
        (b"min-fresh=10", 50.1, Reuse.ASKED),
        (b"max-stale", 9999, Reuse.STALE_ALLOWED),
        (b"max-stale=5", 65, Reuse.STALE_ALLOWED),
        (b"max-stale=5", 65.1, Reuse.STALE),
    ],
)
def test_what_the_client_asks_for(directives: bytes, now_s: float, expected: Reuse) -> None:
    """RFC 9111 section 5.2.1, for a response with a lifetime of 60 s."""
    assert use(directives, now_s) is expected


def test_what_must_be_revalidated_is_never_stale() -> None:
    """RFC 9111 section 4.2.4: no wish of the client changes that."""
    terms = replace(TERMS, must_revalidate=True)
    assert use(b"max-stale", 61, terms) is Reuse.STALE
    assert use(b"", 59, terms) is Reuse.FRESH


def test_fresh_ends_with_the_lifetime_and_not_before() -> None:
    """RFC 9111 section 4.2: fresh as long as the lifetime is greater than the age."""
    end_ns = TERMS.freshness.lifetime_ns
    assert reuse(TERMS, NO_DIRECTIVES, now_ns=end_ns - 1) is Reuse.FRESH
    assert reuse(TERMS, NO_DIRECTIVES, now_ns=end_ns) is Reuse.STALE


def test_no_cache_is_never_served_unasked() -> None:
    """RFC 9111 section 5.2.2.4."""
    assert use(b"", 0, replace(TERMS, no_cache=True)) is Reuse.STALE


@pytest.mark.parametrize(
    ("terms", "pairs", "may"),
    [
        (TERMS, [("authorization", "x"), ("cookie", "x")], True),
        (NOT_FOR_COOKIES, [("authorization", "x")], True),
        (NOT_FOR_COOKIES, [("cookie", "x")], False),
        (FOR_NOBODY, [("authorization", "x")], False),
        (FOR_NOBODY, [], True),
    ],
)
def test_who_may_see_a_shared_response(
    terms: ReuseTerms, pairs: list[tuple[str, str]], may: bool
) -> None:
    """Personal requests only get what is explicitly shared."""
    assert may_serve(terms, request(*pairs)) is may


def test_the_newest_fitting_variant_is_selected() -> None:
    """RFC 9111 section 4.1; variants come newest first."""
    newest, older = Stored((b"a",), (b"1",)), Stored((b"a",), (b"1",))
    other = Stored((b"a",), (b"2",))
    assert select([other, newest, older], request(("a", "1"))) is newest
    assert select([other, newest, older], request(("a", "3"))) is None


def test_variants_go_before_a_response_without_vary() -> None:
    """An origin that forgot Vary once must not hide its variants."""
    plain, fits = Stored(), Stored((b"a",), (b"1",))
    plain_too = Stored()
    assert select([plain, fits], request(("a", "1"))) is fits
    assert select([plain, plain_too, fits], request(("a", "2"))) is plain


def test_what_one_may_not_see_is_not_selected() -> None:
    """A shared entry that is not explicitly shared is invisible to a personal request."""
    hidden = Stored(terms=replace(TERMS, for_credentials=False, for_cookies=False))
    shown = Stored()
    assert select([hidden], request(("authorization", "x"))) is None
    assert select([hidden, shown], request(("authorization", "x"))) is shown


@pytest.mark.parametrize(
    ("stale_if_error_s", "must_revalidate", "now_s", "may"),
    [
        (0, False, 61, False),
        (10, False, 70, True),
        (10, False, 70.1, False),
        (10, True, 61, False),
    ],
)
def test_stale_if_error_needs_the_directive(
    stale_if_error_s: int, must_revalidate: bool, now_s: float, may: bool
) -> None:
    """RFC 5861 section 4; never against must-revalidate and its kin."""
    terms = replace(TERMS, stale_if_error_s=stale_if_error_s, must_revalidate=must_revalidate)
    assert may_replace_error(terms, now_ns=round(now_s * SECOND_NS)) is may
