"""lukhas.storage.entries."""

from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.storage.entries import StoredResponse, stored_response
from lukhas.units import SECOND_NS

KEY = ("http", b"a.example", b"/", b"", "")
TERMS = ReuseTerms(
    freshness=Freshness(100 * SECOND_NS, 5 * SECOND_NS, 60 * SECOND_NS, "max-age"),
    no_cache=False,
    must_revalidate=False,
    stale_if_error_s=0,
    for_credentials=True,
    for_cookies=False,
)


def offered(
    *pairs: tuple[str, str], status: int = 200, body: bytes = b"hello", terms: ReuseTerms = TERMS
) -> StoredResponse | None:
    return stored_response(
        KEY,
        status=status,
        headers=Headers.of(pairs),
        body=body,
        vary=(),
        selected_by=(),
        selected_raw=(),
        terms=terms,
    )


def stored(
    *pairs: tuple[str, str], status: int = 200, body: bytes = b"hello", terms: ReuseTerms = TERMS
) -> StoredResponse:
    made = offered(*pairs, status=status, body=body, terms=terms)
    assert made is not None
    return made


def test_head_is_ready_to_send() -> None:
    """Status line and fields, each with its line end, without the empty line at the end."""
    entry = stored(("a", "1"), ("content-length", "5"))
    assert entry.ready_head == b"HTTP/1.1 200 OK\r\na: 1\r\ncontent-length: 5\r\n"


def test_length_is_filled_in() -> None:
    """A chunked body has a known length once it is stored."""
    assert stored().headers.get(b"content-length") == b"5"
    assert stored(status=204, body=b"").headers.get(b"content-length") is None


def test_a_body_of_another_length_is_not_whole() -> None:
    """RFC 9111 section 3.3: what is cut off is not stored as complete."""
    assert offered(("content-length", "6")) is None
    assert offered(("content-length", "5"), ("content-length", "5")) is None


def test_times_come_from_the_terms() -> None:
    """Born when the age was zero; never fresh if one must always ask."""
    entry = stored()
    assert entry.born_ns == 95 * SECOND_NS
    assert entry.fresh_until_ns == 155 * SECOND_NS
    assert not entry.open_to_all
    asks = ReuseTerms(
        freshness=TERMS.freshness,
        no_cache=True,
        must_revalidate=True,
        stale_if_error_s=0,
        for_credentials=True,
        for_cookies=True,
    )
    assert stored(terms=asks).fresh_until_ns == 0
    assert stored(terms=asks).open_to_all


def test_size_counts_body_fields_and_overhead() -> None:
    """The bound of a store is about memory, so small entries are not free."""
    assert stored(body=b"").size_bytes > 1000
    assert stored(body=b"x" * 5000).size_bytes - stored(body=b"").size_bytes >= 5000
