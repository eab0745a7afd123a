"""lukhas.policy.caching.parts: rule R9, RFC 9110 sections 13.1.5 and 14."""

import pytest

from lukhas.http.headers import Headers
from lukhas.http.ranges import ByteRange
from lukhas.policy.caching.parts import Part, part_of, wanted_range

NOW_S = 1_800_000_000
OLD = "Sun, 06 Nov 1994 08:49:37 GMT"
DATE = "Sun, 06 Nov 1994 08:50:37 GMT"
SOON = "Sun, 06 Nov 1994 08:50:36 GMT"
STORED = Headers.of([("etag", '"a"'), ("last-modified", OLD), ("date", DATE)])


def wanted(*pairs: tuple[str, str], stored: Headers = STORED) -> ByteRange | None:
    return wanted_range(Headers.of(pairs), stored, now_s=NOW_S)


RANGE = ("range", "bytes=0-1")


def test_r9_rfc_9110_14_2_a_single_range_is_served() -> None:
    """Several, or several lines, get the whole."""
    assert wanted(RANGE) == ByteRange(0, 1)
    assert wanted(("range", "bytes=0-1,2-3")) is None
    assert wanted(RANGE, RANGE) is None
    assert wanted() is None


def test_r9_rfc_9110_15_3_7_3_no_part_of_what_is_only_weakly_the_same() -> None:
    """Nobody could combine parts of a response whose bytes may differ: it is served whole."""
    weak = Headers.of([("etag", 'W/"a"'), ("last-modified", OLD), ("date", DATE)])
    assert wanted(RANGE, stored=weak) is None
    assert wanted(RANGE, ("if-range", OLD), stored=weak) is None
    assert wanted(RANGE, stored=Headers.of([("last-modified", OLD)])) == ByteRange(0, 1)


@pytest.mark.parametrize(
    ("condition", "fits"),
    [('"a"', True), ('"b"', False), ('W/"a"', False), (OLD, True), (DATE, False), ("x", False)],
)
def test_r9_rfc_9110_13_1_5_if_range_is_strong(condition: str, fits: bool) -> None:
    """Another version, or one that is only weakly the same, gets the whole."""
    assert (wanted(RANGE, ("if-range", condition)) is not None) is fits


@pytest.mark.parametrize(
    "stored",
    [
        [("last-modified", SOON), ("date", DATE)],
        [("last-modified", SOON)],
        [("date", DATE)],
        [("last-modified", SOON), ("date", "x")],
    ],
)
def test_r9_rfc_9110_8_8_2_2_young_dates_are_weak(stored: list[tuple[str, str]]) -> None:
    """Within a second of the response the content may have changed twice."""
    assert wanted(RANGE, ("if-range", SOON), stored=Headers.of(stored)) is None


def test_r9_rfc_9110_14_4_parts_say_where_they_are() -> None:
    """Or, where there is no such part, how long the whole is."""
    assert part_of(ByteRange(None, 2), 10) == Part(8, 10, 10)
    assert part_of(ByteRange(None, 2), 10).content_range == b"bytes 8-9/10"
    assert part_of(ByteRange(10, None), 10).content_range == b"bytes */10"
