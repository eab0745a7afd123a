"""What the routes of an app ask for: every route, however deep, with the marks found on it.

Routes are listed in the order in which the app tries them, so that `app_routes` finds the very
route that will run.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.routing import Host, Mount, WebSocketRoute

from lukhas.errors import ConfigError
from lukhas.middleware.mark_policies import policies_of
from lukhas.middleware.marks import CacheMark, ExemptMark, LimitMark, Mark, marks_of
from lukhas.policy.rate_limiting.costs import CostBasis
from lukhas.policy.rate_limiting.policies import LimitPolicy

__all__ = ("AppRoute", "Discovery", "discover", "router_of")

_PARAMETER = re.compile(r"{([a-zA-Z_][a-zA-Z0-9_]*)(?::[a-zA-Z_][a-zA-Z0-9_]*)?}")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ANY_PATH = "(?s:.*)"


@dataclass(frozen=True, slots=True)
class AppRoute:
    """One route of the app.

    Attributes:
        name: unique, and the same in every process: methods and template.
        template: the whole path, mounts included, for people and metrics.
        methods: in upper case; empty for all.
        pattern: what the decoded path must match from its start to its end.
        host: what the host must match; None for all hosts.
        limits: the limits asked for.
        cache: the caching asked for.
        exempt: whether no limits are to apply.
    """

    name: str
    template: str
    methods: frozenset[str]
    pattern: str
    host: "re.Pattern[str] | None" = None
    limits: tuple[LimitPolicy, ...] = ()
    cache: CacheMark | None = None
    exempt: bool = False

    @property
    def is_marked(self) -> bool:
        """Whether the route asks for anything."""
        return bool(self.limits) or self.cache is not None or self.exempt


@dataclass(slots=True)
class Discovery:
    """The routes of an app at one moment.

    Attributes:
        router: where they were found; None if the app has no routes that we can read.
        routes: those of requests, in the order in which the app tries them.
        connections: those of WebSocket connections, likewise.
        watched: the lists they were found in; that of the router first.
        count: how many there were in all of them.
    """

    router: Any
    routes: tuple[AppRoute, ...] = ()
    connections: tuple[AppRoute, ...] = ()
    watched: tuple[Sequence[object], ...] = ()
    count: int = 0

    def is_stale(self) -> bool:
        """Whether routes were added or taken away since."""
        watched = self.watched
        return bool(watched) and (
            sum(map(len, watched)) != self.count or self.router.routes is not watched[0]
        )


def router_of(app: object) -> Any:
    """The router inside an app, behind whatever middleware wraps it; None if there is none."""
    seen: set[int] = set()
    layer: Any = app
    while layer is not None and id(layer) not in seen:
        seen.add(id(layer))
        if isinstance(getattr(layer, "routes", None), list):
            return getattr(layer, "router", layer)
        layer = getattr(layer, "app", None)
    return None


def discover(app: object, *, taken: frozenset[str] = frozenset()) -> Discovery:
    """Reads all routes of a Starlette or FastAPI app, through routers, mounts and middleware.

    Args:
        app: the app, or the middleware around it.
        taken: names of limits that a route's own limits must not be given.

    Raises:
        ConfigError: a mark cannot be enforced where it stands.
    """
    router = router_of(app)
    if router is None:
        return Discovery(None)
    walk = _Walk()
    found = list(walk.router(router, _Place()))
    names: dict[str, int] = {}
    routes: list[AppRoute] = []
    connections: list[AppRoute] = []
    for one in found:
        kind = "WEBSOCKET" if not one.requests else _methods_name(one.methods)
        base = f"{kind} {one.template}"
        names[base] = number = names.get(base, 0) + 1
        name = base if number == 1 else f"{base} #{number}"
        route = AppRoute(
            name=name,
            template=one.template,
            methods=one.methods,
            pattern=one.pattern,
            host=one.host,
            limits=policies_of(one.marks, one.endpoint_name, route=name, taken=taken),
            cache=next((mark for mark in one.marks if isinstance(mark, CacheMark)), None),
            exempt=any(isinstance(mark, ExemptMark) for mark in one.marks),
        )
        if one.requests:
            routes.append(route)
        if one.connections:
            connections.append(route)
    count = sum(map(len, walk.watched))
    return Discovery(router, tuple(routes), tuple(connections), tuple(walk.watched), count)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the app a list of routes stands."""

    template: str = ""
    pattern: str = ""
    host: "re.Pattern[str] | None" = None


@dataclass(frozen=True, slots=True)
class _Found:
    template: str
    pattern: str
    host: "re.Pattern[str] | None"
    methods: frozenset[str] = frozenset()
    endpoint_name: str = ""
    marks: tuple[Mark, ...] = ()
    requests: bool = True
    connections: bool = False


class _Walk:
    """One walk through all routes; remembers which lists it read."""

    def __init__(self) -> None:
        self.watched: list[Sequence[object]] = []

    def router(self, router: Any, place: _Place) -> Iterator[_Found]:
        self.watched.append(router.routes)
        for route in router.routes:
            yield from self._route(route, place)
        # FastAPI serves static frontends from routes that are tried last.
        last = getattr(router, "_iter_low_priority_routes", None)
        if last is not None:
            frontends = [one for group in last() for one in _frontend(group, place)]
            frontends.sort(key=lambda one: len(one.template), reverse=True)
            yield from frontends

    def _route(self, route: Any, place: _Place) -> Iterator[_Found]:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is not None:
            self._watch_included(route)
            for context in contexts():
                yield from self._one(context.starlette_route or context, place)
        else:
            yield from self._one(route, place)

    def _watch_included(self, route: Any) -> None:
        routes = route.original_router.routes
        self.watched.append(routes)
        for child in routes:
            if hasattr(child, "effective_route_contexts"):
                self._watch_included(child)

    def _one(self, route: Any, place: _Place) -> Iterator[_Found]:
        if isinstance(route, Mount):
            yield from self._mount(route, place)
        elif isinstance(route, Host):
            inside = replace(place, host=route.host_regex)
            yield from self._inside(route.app, inside)
            yield _Found(
                place.template + "/{path}",
                place.pattern + _ANY_PATH,
                route.host_regex,
                connections=True,
            )
        elif isinstance(route, WebSocketRoute):
            yield _connection(route, place)
        elif hasattr(route, "param_convertors") and hasattr(route, "endpoint"):
            yield from _endpoint(route, place)
        else:
            _refuse_if_marked(route)

    def _mount(self, route: Mount, place: _Place) -> Iterator[_Found]:
        inside = _Place(
            template=place.template + _plain_template(route.path),
            pattern=place.pattern + _pattern(route.path, route.param_convertors),
            host=place.host,
        )
        yield from self._inside(route.app, inside)
        # A mount takes everything below it, whether or not a route inside fits.
        everything = f"{inside.pattern}/.*"
        yield _Found(inside.template + "/{path}", everything, place.host, connections=True)

    def _inside(self, app: object, place: _Place) -> Iterator[_Found]:
        router = router_of(app)
        if router is not None:
            yield from self.router(router, place)


def _connection(route: Any, place: _Place) -> _Found:
    """A WebSocket route, of Starlette or FastAPI."""
    marks = _marks(route)
    if any(isinstance(mark, CacheMark) for mark in marks_of(route.endpoint)):
        raise ConfigError(
            "caching does not apply to WebSocket routes",
            where=route.path,
            hint="take the mark off",
        )
    return _Found(
        template=place.template + _plain_template(route.path),
        pattern=place.pattern + _pattern(route.path, route.param_convertors),
        host=place.host,
        endpoint_name=_name_of(route.endpoint),
        # One that all routes of a router were given is about those that answer requests.
        marks=tuple(mark for mark in marks if not isinstance(mark, CacheMark)),
        requests=False,
        connections=True,
    )


def _endpoint(route: Any, place: _Place) -> Iterator[_Found]:
    """A route with an endpoint: of Starlette, of FastAPI, or FastAPI's view of an included one."""
    marks = _marks(route)
    if _has_own_matching(route):
        if marks:
            raise ConfigError(
                f"{type(_original(route)).__name__} decides itself which requests it matches",
                where=route.path,
                hint="marks need routes that match by path and method; take the mark off",
            )
        return
    if any(_counts_messages(mark) for mark in marks_of(route.endpoint)):
        raise ConfigError(
            "a limit counts messages, and only WebSocket routes have any",
            where=route.path,
            hint="give the limit another cost, or take it off",
        )
    methods = frozenset(route.methods or ())
    found = _Found(
        template=place.template + _plain_template(route.path),
        pattern=place.pattern + _pattern(route.path, route.param_convertors),
        host=place.host,
        methods=methods,
        endpoint_name=_name_of(route.endpoint),
        marks=marks,
    )
    if isinstance(route.endpoint, type):
        for method in _METHODS:
            handler = getattr(route.endpoint, method.lower(), None)
            own = marks_of(handler) if handler is not None else ()
            if own and (not methods or method in methods):
                # Starlette answers HEAD with the handler for GET where there is no other.
                served = {method, "HEAD"} if method == "GET" else {method}
                both = tuple(dict.fromkeys((*own, *marks)))
                yield replace(found, methods=frozenset(served), marks=both)
    yield found


def _frontend(group: Any, place: _Place) -> Iterator[_Found]:
    original = _original(group)
    if not hasattr(original, "add_frontend_route"):
        yield from _endpoint(getattr(group, "starlette_route", None) or group, place)
        return
    prefix: str = getattr(group, "frontend_prefix", "")
    for route in original.routes:
        path = (prefix + route.path).rstrip("/")
        yield _Found(
            template=place.template + path + "/{path}",
            pattern=place.pattern + re.escape(path) + f"(?:/{_ANY_PATH})?",
            host=place.host,
            methods=frozenset(route.methods),
            endpoint_name="frontend",
            marks=tuple(_dependency_marks(group.dependant)),
        )


def _marks(route: Any) -> tuple[Mark, ...]:
    """The marks of a route, the most specific first, each once."""
    own = marks_of(route.endpoint)
    dependant = getattr(route, "dependant", None)
    inherited = list(_dependency_marks(dependant)) if dependant is not None else []
    return tuple(dict.fromkeys((*own, *reversed(inherited))))


def _dependency_marks(dependant: Any) -> Iterator[Mark]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Mark):
            yield dependency.call
        yield from _dependency_marks(dependency)


def _counts_messages(mark: Mark) -> bool:
    return isinstance(mark, LimitMark) and mark.cost.basis is CostBasis.MESSAGES


def _original(route: Any) -> Any:
    """The route itself: FastAPI puts a context of its own in the place of an included one."""
    return getattr(route, "original_route", route)


def _has_own_matching(route: Any) -> bool:
    matches: Callable[..., Any] = type(_original(route)).matches
    return matches.__module__ not in {"starlette.routing", "fastapi.routing"}


def _refuse_if_marked(route: Any) -> None:
    endpoint = getattr(route, "endpoint", None)
    if endpoint is not None and marks_of(endpoint):
        raise ConfigError(
            f"{type(route).__name__} is no route that marks can be bound to",
            where=str(getattr(route, "path", "")),
            hint="take the mark off, or use an ordinary route",
        )


def _pattern(path: str, convertors: Any) -> str:
    """The pattern of a path template, in the terms of the framework's own converters."""
    pieces: list[str] = []
    end = 0
    for match in _PARAMETER.finditer(path):
        pieces += (re.escape(path[end : match.start()]), f"(?:{convertors[match[1]].regex})")
        end = match.end()
    pieces.append(re.escape(path[end:]))
    return "".join(pieces)


def _plain_template(path: str) -> str:
    return _PARAMETER.sub(r"{\1}", path)


def _methods_name(methods: frozenset[str]) -> str:
    # GET includes HEAD in Starlette and not in FastAPI; the name is the same.
    shown = methods - {"HEAD"} if "GET" in methods else methods
    return "|".join(sorted(shown)) or "*"


def _name_of(endpoint: Any) -> str:
    while not hasattr(endpoint, "__name__") and hasattr(endpoint, "func"):
        endpoint = endpoint.func
    return getattr(endpoint, "__name__", type(endpoint).__name__)
