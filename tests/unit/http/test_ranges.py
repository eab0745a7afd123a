"""lukhas.http.ranges: RFC 9110 section 14."""

import pytest

from lukhas.http.ranges import ByteRange, ContentRange, parse_content_range, parse_single_range


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes=0-1", ByteRange(0, 1)),
        (b"Bytes= 5- ", ByteRange(5, None)),
        (b"bytes=-3", ByteRange(None, 3)),
        (b"bytes=-", None),
        (b"bytes=2-1", None),
        (b"bytes=0-1,3-4", None),
        (b"items=0-1", None),
        (b"bytes=a-b", None),
        (b"bytes=" + b"9" * 30 + b"-", None),
    ],
)
def test_r9_rfc_9110_14_1_2_single_ranges_are_read(
    value: bytes, expected: ByteRange | None
) -> None:
    """What is no single byte range asks for the whole."""
    assert parse_single_range(value) == expected


@pytest.mark.parametrize(
    ("wanted", "length", "expected"),
    [
        (ByteRange(0, 1), 10, (0, 2)),
        (ByteRange(8, 99), 10, (8, 10)),
        (ByteRange(9, None), 10, (9, 10)),
        (ByteRange(10, None), 10, None),
        (ByteRange(None, 3), 10, (7, 10)),
        (ByteRange(None, 30), 10, (0, 10)),
        (ByteRange(None, 0), 10, None),
        (ByteRange(0, None), 0, None),
    ],
)
def test_r9_rfc_9110_14_1_2_ranges_are_cut_to_the_body(
    wanted: ByteRange, length: int, expected: tuple[int, int] | None
) -> None:
    """A last byte behind the end means the end; a first one there cannot be satisfied."""
    assert wanted.within(length) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes 4-9/10", ContentRange(4, 9, 10)),
        (b"bytes 4-9/*", ContentRange(4, 9, None)),
        (b"bytes 9-4/10", None),
        (b"bytes 4-10/10", None),
        (b"bytes */10", None),
        (b"items 0-1/2", None),
    ],
)
def test_r9_rfc_9110_14_4_content_ranges_are_read(
    value: bytes, expected: ContentRange | None
) -> None:
    """One that contradicts itself is none."""
    assert parse_content_range(value) == expected
