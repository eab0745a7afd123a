"""What lint rules look at in an app: its routes, read without asking the app anything."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lukhas.config.lint.remarks import AppRouteFacts
from lukhas.config.settings import Settings
from lukhas.hub.policies import route_table
from lukhas.middleware.app_routes import RouteIndex
from lukhas.middleware.discovery import AppRoute, discover
from lukhas.policy.routing.routes import RouteTable

__all__ = ("app_facts",)

_PARAMETER = re.compile(r"\{[^{}]*\}")
# What may stand for a parameter: which of these fits depends on what the route takes.
_SAMPLES = ("1", "a", "a-1", "1.5", "00000000-0000-4000-8000-000000000000")
_HOST = b"lint.test"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def app_facts(app: object, settings: Settings) -> tuple[AppRouteFacts, ...] | None:
    """The routes of a Starlette or FastAPI app; None if it has none that can be read.

    Args:
        app: the app, or middleware around it.
        settings: whose routes are looked up for those of the app.

    Raises:
        ConfigError: a mark cannot be enforced where it stands, or routes of the settings are alike.
    """
    found = discover(app)
    if found.router is None:
        return None
    index, table = RouteIndex(found.routes), route_table(settings)
    credentials = _Credentials(app)
    return tuple(
        _facts(at, found.routes, index, table, credentials) for at in range(len(found.routes))
    )


def _facts(
    at: int,
    routes: Sequence[AppRoute],
    index: RouteIndex,
    table: RouteTable,
    credentials: "_Credentials",
) -> AppRouteFacts:
    route = routes[at]
    fields, queries = credentials.of(route)
    asked = [(method, path) for method in route.methods or _METHODS for path in _paths(route)]
    return AppRouteFacts(
        name=route.name,
        methods=route.methods,
        taken_by=_taken_by(at, routes, index, asked),
        in_settings=frozenset(
            table.match(method, _HOST, path.encode()).rule.name for method, path in asked
        ),
        cached=route.cache is not None,
        cache_private=route.cache is not None and route.cache.private,
        limited=bool(route.limits),
        exempt=route.exempt,
        credential_fields=fields,
        credential_queries=queries,
    )


def _paths(route: AppRoute) -> Iterator[str]:
    pattern = re.compile(f"(?:{route.pattern})$")
    for sample in _SAMPLES:
        path = _PARAMETER.sub(sample, route.template)
        if pattern.match(path):
            yield path
        if path == route.template:
            return


def _taken_by(
    at: int, routes: Sequence[AppRoute], index: RouteIndex, asked: Iterable[tuple[str, str]]
) -> str:
    """The route before it that gets all that is asked; empty if it gets any of it."""
    if routes[at].host is not None:
        return ""
    takers = {index.find(method, _HOST, path) for method, path in asked}
    if not takers or at in takers or -1 in takers:
        return ""
    return routes[min(takers)].name


class _Credentials:
    """Where routes take credentials from, as the app's own OpenAPI description says."""

    def __init__(self, app: object) -> None:
        described = _described(app)
        self._paths: Mapping[str, Any] = described.get("paths", {})
        components = described.get("components", {})
        self._schemes: Mapping[str, Any] = components.get("securitySchemes", {})
        self._general: Sequence[Mapping[str, Any]] = described.get("security", ())

    def of(self, route: AppRoute) -> tuple[frozenset[str], frozenset[str]]:
        """Fields, and query parameters."""
        operations = self._paths.get(route.template, {})
        fields: set[str] = set()
        queries: set[str] = set()
        for method in route.methods:
            operation = operations.get(method.lower(), {})
            for wanted in operation.get("security", self._general if operation else ()):
                for name in wanted:
                    self._add(self._schemes.get(name, {}), fields, queries)
        return frozenset(fields), frozenset(queries)

    def _add(self, scheme: Mapping[str, Any], fields: set[str], queries: set[str]) -> None:
        if scheme.get("type") != "apiKey":
            fields.add("authorization")
        elif scheme.get("in") == "query":
            queries.add(scheme["name"])
        else:
            fields.add("cookie" if scheme.get("in") == "cookie" else scheme["name"].lower())


def _described(app: Any) -> Mapping[str, Any]:
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        describe = getattr(app, "openapi", None)
        if callable(describe):
            described: Mapping[str, Any] = describe()
            return described
        app = getattr(app, "app", None)
    return {}
