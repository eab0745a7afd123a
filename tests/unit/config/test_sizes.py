"""Sizes are bytes, with binary and decimal units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.config.sizes import format_size, parse_size
from lukhas.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("4096", 4096),
        ("64KiB", 65_536),
        ("10 mib", 10_485_760),
        ("2GiB", 2**31),
        ("1.5 MB", 1_500_000),
        ("1TB", 10**12),
        ("7B", 7),
    ],
)
def test_sizes_are_read(text: str, size_bytes: int) -> None:
    """A size is a number with an optional unit."""
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "MiB", "-1", "10 bits", "1e3", "1,5MB", "10MiBB", "٣"])
def test_other_texts_are_refused(text: str) -> None:
    """What is no size is a mistake with a hint."""
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    assert caught.value.hint


@given(st.integers(0, 2**53))
def test_shown_sizes_mean_the_same(size_bytes: int) -> None:
    """What is shown can be read back."""
    assert parse_size(format_size(size_bytes)) == size_bytes
