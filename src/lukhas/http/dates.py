"""HTTP dates (RFC 9110 section 5.6.7)."""

import re
from datetime import date

__all__ = ("format_http_date", "parse_http_date")

_DAY_NAMES = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTH_NAMES = (
    *(b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun"),
    *(b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"),
)
_MONTHS = {name.lower(): number for number, name in enumerate(_MONTH_NAMES, start=1)}

_DAY = b"(?:" + b"|".join(_DAY_NAMES) + b")"
_LONG_DAY = b"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH = b"(" + b"|".join(_MONTH_NAMES) + b")"
_TIME = rb"(\d\d):(\d\d):(\d\d)"

_match_imf = re.compile(
    _DAY + rb", (\d\d) " + _MONTH + rb" (\d{4}) " + _TIME + b" GMT", re.IGNORECASE
).fullmatch
_match_rfc850 = re.compile(
    _LONG_DAY + rb", (\d\d)-" + _MONTH + rb"-(\d\d) " + _TIME + b" GMT", re.IGNORECASE
).fullmatch
_match_asctime = re.compile(
    _DAY + b" " + _MONTH + rb" ( \d|\d\d) " + _TIME + rb" (\d{4})", re.IGNORECASE
).fullmatch

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY_S = 86_400
_MIN_S = (date.min.toordinal() - _EPOCH_ORDINAL) * _DAY_S
_MAX_S = (date.max.toordinal() - _EPOCH_ORDINAL + 1) * _DAY_S - 1


def parse_http_date(value: bytes, *, now_s: int) -> int | None:
    """Reads an HTTP-date in any of its three forms (RFC 9110 section 5.6.7).

    Letter case does not matter (RFC 9111 section 4.2). Widths are fixed, the zone is GMT. The name
    of the day must be one, but need not be the right one. Second 60 is a leap second: it counts
    as the first second of the next minute.

    Args:
        value: the field value, without surrounding white space.
        now_s: the present, Unix seconds, in the years 1 to 9999. A two-digit year that would be
            more than 50 years ahead of it means the latest such year in the past.

    Returns:
        Unix seconds, or None where the value is not an HTTP-date.
    """
    match = _match_imf(value)
    if match is not None:
        day, month, year, hour, minute, second = match.groups()
        return _epoch_s(int(year), (_MONTHS[month.lower()], int(day)), (hour, minute, second))
    match = _match_asctime(value)
    if match is not None:
        month, day, hour, minute, second, year = match.groups()
        return _epoch_s(int(year), (_MONTHS[month.lower()], int(day)), (hour, minute, second))
    match = _match_rfc850(value)
    if match is None:
        return None
    day, month, year, hour, minute, second = match.groups()
    month_day = (_MONTHS[month.lower()], int(day))
    clock = (hour, minute, second)
    return _epoch_s(_full_year(int(year), (month_day, clock), now_s=now_s), month_day, clock)


def format_http_date(epoch_s: int) -> bytes:
    """Writes the preferred form, IMF-fixdate (RFC 9110 section 5.6.7).

    Args:
        epoch_s: Unix seconds.

    Raises:
        ValueError: the year is not between 1 and 9999.
    """
    if not _MIN_S <= epoch_s <= _MAX_S:
        raise ValueError(f"{epoch_s} s is outside of the years 1 to 9999")
    days, second_of_day = divmod(epoch_s, _DAY_S)
    when = date.fromordinal(days + _EPOCH_ORDINAL)
    minutes, second = divmod(second_of_day, 60)
    hour, minute = divmod(minutes, 60)
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (
        _DAY_NAMES[when.weekday()],
        when.day,
        _MONTH_NAMES[when.month - 1],
        when.year,
        hour,
        minute,
        second,
    )


def _epoch_s(
    year: int, month_day: tuple[int, int], clock: tuple[bytes, bytes, bytes]
) -> int | None:
    hour, minute, second = map(int, clock)
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        ordinal = date(year, *month_day).toordinal()
    except ValueError:  # no such day, or the year 0
        return None
    return (ordinal - _EPOCH_ORDINAL) * _DAY_S + hour * 3600 + minute * 60 + second


def _full_year(
    two_digits: int, rest: tuple[tuple[int, int], tuple[bytes, bytes, bytes]], *, now_s: int
) -> int:
    days, second_of_day = divmod(now_s, _DAY_S)
    today = date.fromordinal(days + _EPOCH_ORDINAL)
    last_year = today.year + 50
    year = last_year - (last_year - two_digits) % 100
    month_day, clock = rest
    hour, minute, second = map(int, clock)
    time_of_year = (month_day, hour * 3600 + minute * 60 + second)
    if year == last_year and time_of_year > ((today.month, today.day), second_of_day):
        year -= 100
    return year
