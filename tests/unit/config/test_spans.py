"""Lengths of time as people write them."""

import re

import pytest

from lukhas.config.spans import SPAN_PATTERN, span_s
from lukhas.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3600", 3600), ("90s", 60), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)],
)
def test_digits_and_a_unit_are_seconds(text: str, seconds: int) -> None:
    """Down to whole minutes; every one fits the pattern of the API."""
    assert span_s(text, what="window", least_s=60, most_s=604_800) == seconds
    assert re.match(SPAN_PATTERN, text)


@pytest.mark.parametrize("text", ["", "h", "-1h", "1.5h", "1w", "59s", "8d", "1 h", "9999999999"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    """Also what is too short or too long."""
    with pytest.raises(ConfigError, match=f"{re.escape(repr(text))} is no window") as found:
        span_s(text, what="window", least_s=60, most_s=604_800)
    assert found.value.hint == "use 60 to 604800 seconds, or the like of 90m, 24h or 7d"
