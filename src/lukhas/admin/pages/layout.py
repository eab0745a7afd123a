"""The frame that all pages share, and figures written for people."""

from functools import cache
from html import escape
from importlib import resources
from string import Template

__all__ = (
    "MISSING",
    "amount",
    "byte_size",
    "duration",
    "latency",
    "page",
    "rate",
    "share",
    "template",
)

MISSING = "\N{EN DASH}"
"""What stands where there is no figure."""

_NAVIGATION = (("/", "Overview"), ("/requests", "Requests"), ("/docs", "API"))


@cache
def template(name: str) -> Template:
    """A template of the package, by file name. Its values must be escaped by the caller."""
    folder = resources.files("lukhas.admin").joinpath("templates")
    return Template(folder.joinpath(name).read_text(encoding="utf-8"))


def page(title: str, main: str, *, path: str, version: str, script: str = "") -> str:
    """A whole page with navigation.

    Args:
        title: plain text.
        main: HTML, escaped where it has to be.
        path: the page's own path, marked in the navigation.
        version: of the product.
        script: a file in assets; empty for a page without.
    """
    links = "".join(
        f'<a href="{target}"{_current(target, path)}>{label}</a>' for target, label in _NAVIGATION
    )
    return template("page.html").substitute(
        title=escape(title),
        navigation=links,
        main=main,
        version=escape(version),
        script=f'<script type="module" src="/assets/{escape(script)}"></script>' if script else "",
    )


def amount(number: float | None) -> str:
    """A count: exact with separators below ten thousand, else three digits and a unit prefix."""
    if number is None:
        return MISSING
    if number < 10_000:
        return f"{number:,.0f}"
    for prefix in ("k", "M"):
        number /= 1000
        if number < 999.5:
            return f"{_three_digits(number)} {prefix}"
    return f"{_three_digits(number / 1000)} G"


def rate(per_s: float) -> str:
    """A rate without its unit."""
    if per_s == 0:
        return "0"
    return f"{per_s:.2f}" if per_s < 1 else f"{per_s:.1f}" if per_s < 100 else amount(per_s)


def latency(milliseconds: float | None) -> str:
    """A duration of a request, three digits."""
    if milliseconds is None:
        return MISSING
    if milliseconds < 0.9995:
        return f"{milliseconds * 1000:.0f} µs"
    if milliseconds < 999.5:
        return f"{_three_digits(milliseconds)} ms"
    return f"{milliseconds / 1000:.2f} s"


def share(part: float | None) -> str:
    """A share of 1 in per cent; what is not nothing never reads as nothing."""
    if part is None:
        return MISSING
    if 0 < part < 0.001:
        return "< 0.1 %"
    return f"{part * 100:.1f} %"


def byte_size(number: int | None) -> str:
    """A size in binary units."""
    if number is None:
        return MISSING
    if number < 1024:
        return f"{number} B"
    size = float(number)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1023.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def duration(seconds: float) -> str:
    """A long duration in its two largest units."""
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def _three_digits(number: float) -> str:
    """Always three, so that figures do not jump in width while they change."""
    if number < 9.995:
        return f"{number:.2f}"
    return f"{number:.1f}" if number < 99.95 else f"{number:.0f}"


def _current(target: str, path: str) -> str:
    return ' aria-current="page"' if target == path else ""
