"""lukhas.policy.caching.validation."""

import pytest

from lukhas.http.headers import Headers
from lukhas.policy.caching.validation import (
    confirms,
    is_not_modified,
    not_modified_fields,
    revalidation_headers,
    updated_fields,
)

Pairs = list[tuple[str, str]]

EARLY = "Mon, 01 Jan 2024 00:00:00 GMT"
LATE = "Tue, 02 Jan 2024 00:00:00 GMT"
NOW_S = 1_800_000_000


def not_modified(stored: Pairs, request: Pairs, status: int = 200) -> bool:
    return is_not_modified(status, Headers.of(stored), Headers.of(request), now_s=NOW_S)


@pytest.mark.parametrize(
    ("etag", "condition", "same"),
    [
        ('"a"', '"a"', True),
        ('"a"', 'W/"a"', True),
        ('W/"a"', '"a"', True),
        ('"a"', '"b", W/"a"', True),
        ('"a,b"', '"a,b"', True),
        ('"a"', '"b"', False),
        ('"a"', "a", False),
        ('"a"', "*", True),
        (None, "*", True),
        (None, '"a"', False),
    ],
)
def test_if_none_match_compares_weakly_over_lists(
    etag: str | None, condition: str, same: bool
) -> None:
    """RFC 9110 section 13.1.2."""
    stored = [("etag", etag)] if etag else []
    assert not_modified(stored, [("if-none-match", condition)]) is same


def test_if_none_match_lines_are_one_list() -> None:
    """Field lines of a list are joined (RFC 9110 section 5.3)."""
    request = [("if-none-match", '"x"'), ("if-none-match", '"a"')]
    assert not_modified([("etag", '"a"')], request)


def test_if_none_match_beats_if_modified_since() -> None:
    """RFC 9110 section 13.2.2: the date counts only without a tag."""
    stored = [("etag", '"a"'), ("last-modified", EARLY)]
    assert not not_modified(stored, [("if-none-match", '"b"'), ("if-modified-since", LATE)])
    assert not_modified(stored, [("if-modified-since", LATE)])


@pytest.mark.parametrize(
    ("modified", "since", "same"),
    [
        (EARLY, LATE, True),
        (EARLY, EARLY, True),
        (LATE, EARLY, False),
        (None, LATE, False),
        ("x", LATE, False),
        (EARLY, "x", False),
        (EARLY, None, False),
    ],
)
def test_if_modified_since_compares_with_last_modified(
    modified: str | None, since: str | None, same: bool
) -> None:
    """RFC 9110 section 13.1.3."""
    stored = [("last-modified", modified)] if modified else []
    request = [("if-modified-since", since)] if since else []
    assert not_modified(stored, request) is same


def test_old_forms_of_dates_are_compared() -> None:
    """RFC 9110 section 5.6.7: also the one with a two-digit year, on either side."""
    old_form = "Monday, 01-Jan-24 00:00:00 GMT"
    assert not_modified([("last-modified", EARLY)], [("if-modified-since", old_form)])
    assert not_modified([("last-modified", old_form)], [("if-modified-since", EARLY)])
    assert not not_modified([("last-modified", LATE)], [("if-modified-since", old_form)])


def test_only_200_becomes_304() -> None:
    """RFC 9110 section 13.2.1: conditions are about a successful answer."""
    assert not not_modified([("etag", '"a"')], [("if-none-match", "*")], status=404)


def test_304_says_nothing_about_the_content() -> None:
    """RFC 9110 section 15.4.5: ETag, dates and the caching fields stay."""
    stored = Headers.of(
        [
            ("content-type", "a"),
            ("content-length", "1"),
            ("content-encoding", "br"),
            ("content-location", "/x"),
            ("etag", '"a"'),
            ("vary", "x"),
        ]
    )
    kept = [name for name, _ in not_modified_fields(stored)]
    assert kept == [b"content-location", b"etag", b"vary"]


def test_our_validators_replace_those_of_the_client() -> None:
    """RFC 9111 section 4.3.1: both that we have, and none of the client's."""
    request = Headers.of(
        [("accept", "x"), ("if-none-match", '"theirs"'), ("if-modified-since", LATE)]
    )
    stored = Headers.of([("etag", '"ours"'), ("last-modified", EARLY)])
    sent = revalidation_headers(request, stored)
    assert sent == Headers.of(
        [("accept", "x"), ("if-none-match", '"ours"'), ("if-modified-since", EARLY)]
    )


def test_without_validators_there_is_no_condition() -> None:
    """Then the request goes as it is."""
    assert revalidation_headers(Headers.of([("if-none-match", "x")]), Headers([])) is None


@pytest.mark.parametrize(
    ("answer", "stored", "confirmed"),
    [
        ([("etag", '"a"')], [("etag", '"a"')], True),
        ([("etag", 'W/"a"')], [("etag", '"a"')], True),
        ([("etag", '"a"')], [("etag", 'W/"a"')], True),
        ([("etag", '"b"')], [("etag", '"a"')], False),
        ([("etag", '"b"')], [("last-modified", EARLY)], False),
        ([("last-modified", EARLY)], [("last-modified", EARLY)], True),
        ([("last-modified", LATE)], [("last-modified", EARLY)], False),
        ([("last-modified", LATE)], [("etag", '"a"')], True),
        ([], [("etag", '"a"')], True),
    ],
)
def test_a_304_must_be_about_the_stored_response(
    answer: Pairs, stored: Pairs, confirmed: bool
) -> None:
    """RFC 9111 section 4.3.4."""
    assert confirms(Headers.of(answer), Headers.of(stored)) is confirmed


def test_a_304_updates_all_but_the_description_of_the_body() -> None:
    """RFC 9111 section 3.2."""
    stored = Headers.of([("a", "1"), ("a", "2"), ("b", "3"), ("content-length", "5")])
    answer = Headers.of(
        [("a", "9"), ("c", "4"), ("content-length", "0"), ("connection", "x"), ("date", EARLY)]
    )
    updated = updated_fields(stored, answer, responded_ns=0)
    assert updated == Headers.of(
        [("b", "3"), ("content-length", "5"), ("a", "9"), ("c", "4"), ("date", EARLY)]
    )


def test_a_304_without_date_was_made_when_it_came() -> None:
    """Else the old Date would keep the entry old."""
    updated = updated_fields(Headers.of([("date", EARLY)]), Headers([]), responded_ns=0)
    assert updated.get_all(b"date") == [b"Thu, 01 Jan 1970 00:00:00 GMT"]


@pytest.mark.parametrize(
    ("stored", "told", "updated"),
    [('W/"a"', '"a"', 'W/"a"'), ('W/"a"', 'W/"a"', 'W/"a"'), ('"a"', 'W/"a"', 'W/"a"')],
)
def test_a_304_does_not_make_a_weak_tag_strong(stored: str, told: str, updated: str) -> None:
    """The strong tag names other bytes than the stored ones, and parts would be taken of these."""
    fields = Headers.of([("etag", stored)])
    answer = Headers.of([("etag", told), ("date", EARLY)])
    assert updated_fields(fields, answer, responded_ns=0).get(b"etag") == updated.encode()
