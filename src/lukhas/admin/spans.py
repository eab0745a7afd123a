"""Lengths of time in addresses: `3600`, `90s`, `30m`, `24h`, `7d`."""

import re

from fastapi import HTTPException

__all__ = ("SPAN_PATTERN", "span_s")

SPAN_PATTERN = r"^[0-9]{1,9}[smhd]?$"
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def span_s(text: str, *, what: str, least_s: int, most_s: int) -> int:
    """The seconds of a text that fits `SPAN_PATTERN`, down to a whole minute.

    Raises:
        HTTPException: it is too short or too long.
    """
    number, unit = re.fullmatch(r"([0-9]+)([smhd]?)", text).groups()  # type: ignore[union-attr]
    seconds = int(number) * _UNITS_S[unit]
    if not least_s <= seconds <= most_s:
        raise HTTPException(
            422, f"{what} of {seconds} s: use {least_s} s to {most_s} s, such as 24h or 7d"
        )
    return seconds - seconds % 60
