"""The frame of the pages that the server writes itself."""

from functools import cache
from html import escape
from importlib import resources
from string import Template

__all__ = ("page", "template")

_NAVIGATION = (("/", "Dashboard"), ("/docs", "API"))


@cache
def template(name: str) -> Template:
    """A template of the package, by file name. Its values must be escaped by the caller."""
    folder = resources.files("lukhas.admin").joinpath("templates")
    return Template(folder.joinpath(name).read_text(encoding="utf-8"))


def page(title: str, main: str, *, path: str, version: str) -> str:
    """A whole page with navigation.

    Args:
        title: plain text.
        main: HTML, escaped where it has to be.
        path: the page's own path, marked in the navigation.
        version: of the product.
    """
    links = "".join(
        f'<a href="{target}"{_current(target, path)}>{label}</a>' for target, label in _NAVIGATION
    )
    return template("page.html").substitute(
        title=escape(title),
        navigation=links,
        main=main,
        version=escape(version),
    )


def _current(target: str, path: str) -> str:
    return ' aria-current="page"' if target == path else ""
