"""Lengths of time as people write them: `3600`, `90s`, `30m`, `24h`, `7d`."""

import re

from lukhas.errors import ConfigError

__all__ = ("SPAN_PATTERN", "span_s")

SPAN_PATTERN = r"^[0-9]{1,9}[smhd]?$"
_SPAN = re.compile(r"([0-9]{1,9})([smhd]?)")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def span_s(text: str, *, what: str, least_s: int, most_s: int) -> int:
    """The seconds that a text means, down to a whole minute.

    Args:
        text: digits, and a unit unless they are seconds.
        what: what it is, for the error.
        least_s: what is shorter is refused.
        most_s: what is longer is refused.

    Raises:
        ConfigError: it is no length of time, too short or too long.
    """
    found = _SPAN.fullmatch(text)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found is not None else -1
    if not least_s <= seconds <= most_s:
        raise ConfigError(
            f"{text!r} is no {what}",
            hint=f"use {least_s} to {most_s} seconds, or the like of 90m, 24h or 7d",
        )
    return seconds - seconds % 60
