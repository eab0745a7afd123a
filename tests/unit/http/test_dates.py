"""HTTP dates."""

from datetime import UTC, datetime

import pytest

from lukhas.http.dates import format_http_date, parse_http_date

NOW_S = 1_780_000_000  # 28 May 2026
EXAMPLE_S = 784_111_777  # the date of the examples in RFC 9110 section 5.6.7


def epoch_s(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    "value",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
    ],
)
def test_all_three_forms(value: bytes) -> None:
    """The preferred form and both obsolete ones mean the same (RFC 9110 section 5.6.7)."""
    assert parse_http_date(value, now_s=NOW_S) == EXAMPLE_S


@pytest.mark.parametrize(
    "value",
    [
        b"SUN, 06 NOV 1994 08:49:37 gmt",
        b"sun, 06 nov 1994 08:49:37 gMT",
        b"SUNDAY, 06-nOv-94 08:49:37 Gmt",
        b"sUN nOV  6 08:49:37 1994",
    ],
)
def test_case_does_not_matter(value: bytes) -> None:
    """Caches read dates case-insensitively (RFC 9111 section 4.2)."""
    assert parse_http_date(value, now_s=NOW_S) == EXAMPLE_S


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (b"Thu, 01 Jan 1970 00:00:00 GMT", (1970, 1, 1)),
        (b"Wed, 31 Dec 1969 23:59:59 GMT", (1969, 12, 31, 23, 59, 59)),
        (b"Thu, 29 Feb 2024 12:00:00 GMT", (2024, 2, 29, 12)),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", (9999, 12, 31, 23, 59, 59)),
        (b"Thu Aug 18 02:01:18 2050", (2050, 8, 18, 2, 1, 18)),
        (b"Thu, 18 Aug 2050 02:01:60 GMT", (2050, 8, 18, 2, 2, 0)),
    ],
)
def test_values(value: bytes, parts: tuple[int, ...]) -> None:
    """Days before the epoch, leap days, two-digit asctime days and leap seconds are read."""
    assert parse_http_date(value, now_s=NOW_S) == epoch_s(*parts)


def test_name_of_the_day_is_not_checked_against_the_date() -> None:
    """A wrong but valid name of the day does not spoil the date."""
    assert parse_http_date(b"Mon, 06 Nov 1994 08:49:37 GMT", now_s=NOW_S) == EXAMPLE_S


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"0",
        b"-1",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06  Nov  1994 08:49:37 GMT",
        b"Sun, 06-Nov-1994 08:49:37 GMT",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 8:49:37 GMT",
        b"Sun, 06 Nov 1994 08.49.37 GMT",
        b"Sun, 06 Nov 1994 08:49 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT ",
        b" Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT\n",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        b"Xyz, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Xyz 1994 08:49:37 GMT",
        b"Sunday, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06-Nov-94 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 UTC",
        b"Sun Nov 6 08:49:37 1994",
        b"Sun Nov  6 08:49:37 94",
        b"Sun Nov  6 08:49:37 1994 GMT",
        "Sun, 0\u0666 Nov 1994 08:49:37 GMT".encode(),
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:00 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Nov 1994 08:49:37 GMT",
        b"Wed, 29 Feb 2023 08:49:37 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sunday, 29-Feb-26 08:49:37 GMT",
    ],
)
def test_anything_else_is_no_date(value: bytes) -> None:
    """Other zones, widths, separators, names and impossible times are not dates."""
    assert parse_http_date(value, now_s=NOW_S) is None


@pytest.mark.parametrize(
    ("value", "now", "year"),
    [
        (b"Sunday, 06-Nov-94 08:49:37 GMT", (2026, 5, 28), 1994),
        (b"Sunday, 06-Nov-26 08:49:37 GMT", (2026, 5, 28), 2026),
        (b"Sunday, 06-Nov-75 08:49:37 GMT", (2026, 5, 28), 2075),
        (b"Sunday, 06-Nov-77 08:49:37 GMT", (2026, 5, 28), 1977),
        # In the 50th year ahead the time within the year decides, to the second.
        (b"Sunday, 28-May-76 12:00:00 GMT", (2026, 5, 28, 12, 0, 0), 2076),
        (b"Sunday, 28-May-76 12:00:01 GMT", (2026, 5, 28, 12, 0, 0), 1976),
        (b"Sunday, 27-May-76 23:59:59 GMT", (2026, 5, 28, 12, 0, 0), 2076),
        (b"Sunday, 01-Jun-76 00:00:00 GMT", (2026, 5, 28, 12, 0, 0), 1976),
        (b"Sunday, 30-Apr-76 23:00:00 GMT", (2026, 5, 28, 12, 0, 0), 2076),
        # The rule moves with the present: the next century comes before the last one.
        (b"Sunday, 06-Nov-10 08:49:37 GMT", (2080, 5, 28), 2110),
        (b"Sunday, 06-Nov-00 08:49:37 GMT", (1999, 5, 28), 2000),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", (1994, 5, 28), 1994),
    ],
)
def test_two_digit_years(value: bytes, now: tuple[int, ...], year: int) -> None:
    """More than 50 years ahead means the past (RFC 9110 section 5.6.7)."""
    parsed = parse_http_date(value, now_s=epoch_s(*now))
    assert parsed is not None
    assert datetime.fromtimestamp(parsed, UTC).year == year


def test_format_is_imf_fixdate() -> None:
    """Dates are sent in the preferred form (RFC 9110 section 5.6.7)."""
    assert format_http_date(EXAMPLE_S) == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert format_http_date(0) == b"Thu, 01 Jan 1970 00:00:00 GMT"
    assert format_http_date(-1) == b"Wed, 31 Dec 1969 23:59:59 GMT"


def test_format_knows_its_range() -> None:
    """Years 1 to 9999 can be written, the second before and the one after cannot."""
    first_s, last_s = epoch_s(1, 1, 1), epoch_s(9999, 12, 31, 23, 59, 59)
    assert format_http_date(first_s) == b"Mon, 01 Jan 0001 00:00:00 GMT"
    assert format_http_date(last_s) == b"Fri, 31 Dec 9999 23:59:59 GMT"
    for outside_s in (first_s - 1, last_s + 1, 10**30):
        with pytest.raises(ValueError, match="years 1 to 9999"):
            format_http_date(outside_s)
