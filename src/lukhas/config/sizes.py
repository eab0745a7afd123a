"""Sizes in bytes, also written as `"10MiB"`."""

import re

from lukhas.errors import ConfigError
from lukhas.units import KIB, MIB

__all__ = ("format_size", "parse_size")

_UNITS = {
    "": 1,
    "b": 1,
    "kib": KIB,
    "mib": MIB,
    "gib": 1024 * MIB,
    "tib": 1024 * 1024 * MIB,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
}
_SIZE = re.compile(
    r"\s*(?P<number>[0-9]{1,18}(?:\.[0-9]{1,9})?)\s*(?P<unit>[a-z]{0,3})\s*", re.IGNORECASE
)


def parse_size(text: str) -> int:
    """Reads a size such as `"10MiB"`, `"1.5 GB"` or `"4096"`; the result is in bytes.

    Raises:
        ConfigError: the text is no size.
    """
    match = _SIZE.fullmatch(text)
    unit = _UNITS.get(match["unit"].lower()) if match else None
    if match is None or unit is None:
        raise ConfigError(f"{text!r} is not a size", hint='write bytes, "64KiB", "10MiB" or "2GiB"')
    return int(float(match["number"]) * unit) if "." in match["number"] else int(match[1]) * unit


def format_size(size_bytes: int) -> str:
    """The shortest exact way to write a size: 65536 is `64KiB`, 1000 is `1000`."""
    for unit, name in ((1024 * MIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size_bytes and size_bytes % unit == 0:
            return f"{size_bytes // unit}{name}"
    return str(size_bytes)
