"""Unit constants; names carry the unit, so a reader never has to count zeros."""

__all__ = (
    "DAY_NS",
    "HOUR_NS",
    "KIB",
    "MIB",
    "MICROSECOND_NS",
    "MILLISECOND_NS",
    "MINUTE_NS",
    "SECOND_NS",
)

MICROSECOND_NS = 1000
MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
KIB = 1024
MIB = 1024 * KIB
