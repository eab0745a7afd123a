"""Finds the route of the app that will run, in the app's own order, without asking the app."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from lukhas.middleware.discovery import AppRoute
from lukhas.middleware.request_heads import encoded_path
from lukhas.pipeline.stages.route import RouteFinder
from lukhas.policy.routing.routes import RouteMatch

__all__ = ("AppRoutes", "RouteIndex")

_KNOWN_PATHS = 2048
_LONGEST_KNOWN_PATH = 128


class RouteIndex:
    """Which of the app's routes a request runs into: the first that fits, as in the app.

    Paths without parameters are looked up in a dict that holds the answer already; the others are
    tried by one pattern for each method, so the order of the app is kept at the cost of one match.

    Args:
        routes: in the order of the app.
    """

    def __init__(self, routes: Sequence[AppRoute]) -> None:
        compiled = [re.compile(f"(?:{route.pattern})$") for route in routes]
        methods = {method for route in routes for method in route.methods}
        everything = list(zip(range(len(routes)), routes, compiled, strict=True))
        self._by_method = {
            method: _Lookup(
                one for one in everything if not one[1].methods or method in one[1].methods
            )
            for method in methods
        }
        self._others = _Lookup(one for one in everything if not one[1].methods)

    def find(self, method: str, host: bytes, path: str) -> int:
        """The position of the route; -1 if none fits.

        Args:
            method: in upper case.
            host: the validated authority.
            path: decoded, without the root path.
        """
        return self._by_method.get(method, self._others).find(host, path)


class _Lookup:
    def __init__(self, entries: Iterable[tuple[int, AppRoute, re.Pattern[str]]]) -> None:
        self._entries = list(entries)
        self._fixed: dict[str, int] = {}
        self._match = re.compile("(?!)").match
        self._positions: list[int] = []
        # Groups of a custom converter would be counted as ours; hosts are no part of the path.
        self._one_by_one = any(
            pattern.groups or route.host is not None for _, route, pattern in self._entries
        )
        if self._one_by_one:
            return
        for _, route, _pattern in self._entries:
            path = _literal(route.pattern)
            if path is not None and path not in self._fixed:
                self._fixed[path] = self._search(b"", path)
        open_ended = [
            (position, pattern)
            for position, route, pattern in self._entries
            if _literal(route.pattern) is None
        ]
        if open_ended:
            self._positions = [position for position, _ in open_ended]
            self._match = re.compile("|".join(f"{one.pattern}()" for _, one in open_ended)).match

    def find(self, host: bytes, path: str) -> int:
        found = self._fixed.get(path)
        if found is not None:
            return found
        # `$` also matches before a last newline, in the app's patterns as in ours.
        if self._one_by_one or path[-1:] == "\n":
            return self._search(host, path)
        match = self._match(path)
        return -1 if match is None else self._positions[(match.lastindex or 1) - 1]

    def _search(self, host: bytes, path: str) -> int:
        for position, route, pattern in self._entries:
            if pattern.match(path) and (route.host is None or _fits(route.host, host)):
                return position
        return -1


def _fits(wanted: re.Pattern[str], authority: bytes) -> bool:
    host = authority.decode("ascii")
    if not host.endswith("]"):
        head, colon, port = host.rpartition(":")
        if colon and port.isdigit():
            host = head
    return wanted.match(host) is not None


def _literal(pattern: str) -> str | None:
    """The only path that a pattern matches; None if it has parameters."""
    plain = re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL)
    return plain if re.escape(plain) == pattern else None


@dataclass(frozen=True, slots=True)
class AppRoutes:
    """The routes of the settings and those of the app, as one.

    Attributes:
        index: the routes of the app.
        base: the routes of the settings.
        matches: for each route of the app: the match to give, by the name of the route of the
            settings that matched. Where there is none, the route of the settings stands.
        root_path: what the app takes off the path before it looks at it.
        memo: what was found before, for paths that are not long; when full it starts afresh.
    """

    index: RouteIndex
    base: RouteFinder
    matches: tuple[Mapping[str, RouteMatch], ...]
    root_path: str = ""
    memo: dict[tuple[str, bytes, bytes], RouteMatch] = field(
        default_factory=dict, compare=False, repr=False
    )

    def match(self, method: str, authority: bytes, path: bytes) -> RouteMatch:
        """See `RouteTable.match`. The parameters of an app's own route are not given."""
        key = (method, authority, path)
        found = self.memo.get(key)
        if found is None:
            found = self._match(method, authority, path)
            if len(path) <= _LONGEST_KNOWN_PATH:
                if len(self.memo) >= _KNOWN_PATHS:
                    self.memo.clear()
                self.memo[key] = found
        return found

    def _match(self, method: str, authority: bytes, path: bytes) -> RouteMatch:
        text = path.decode("ascii")
        if "%" in text:
            # To the app an encoded slash is a slash.
            text = unquote(text, errors="surrogateescape")
            path = path.replace(b"%2F", b"/")
        root_path = self.root_path
        if root_path and text.startswith(root_path):
            rest = text[len(root_path) :]
            if not rest or rest[0] == "/":
                text = rest
                path = encoded_path(text)
        settings = self.base.match(method, authority, path)
        position = self.index.find(method, authority, text)
        if position < 0:
            return settings
        found = self.matches[position].get(settings.rule.name, settings)
        # What the settings do with the path, they do with the parameters of their own route.
        return RouteMatch(found.rule, settings.params) if settings.params else found
