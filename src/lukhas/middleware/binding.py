"""A pipeline made to know the routes of one app."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lukhas.errors import ConfigError
from lukhas.http.messages import Response
from lukhas.middleware.app_routes import AppRoutes, RouteIndex
from lukhas.middleware.discovery import AppRoute, Discovery, discover
from lukhas.middleware.known_relay import KnownRelay
from lukhas.middleware.marks import CacheMark
from lukhas.pipeline.driving import park
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.short_way import ShortWay
from lukhas.pipeline.stage import BodyReader, Handler, Stage
from lukhas.pipeline.stages.accept import AcceptStage
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.cors import CorsStage
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.limit_rules import RouteLimits
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.pipeline.stages.route import RouteFinder, RouteStage
from lukhas.pipeline.stages.settle import SettleStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import Mode
from lukhas.policy.routing.routes import RouteMatch, RouteRule, RouteTable

__all__ = ("Binding", "bind")

_MAX_ROOT_PATHS = 64


async def _parked(_exchange: Exchange) -> Response:
    return await park()


@dataclass(frozen=True, slots=True)
class _Bound:
    """What each route of the app became, under each route of the settings."""

    matches: tuple[dict[str, RouteMatch], ...]
    limits: dict[str, RouteLimits]
    tagged: frozenset[str]


class Binding:
    """A pipeline around one app, with the app's routes and their limits in it.

    Nothing of the given pipeline is changed: other apps may use it too, each with its own routes.

    Attributes:
        reads_bodies: whether a stage reads request bodies.
        ways: see `way`, by root path.
        tagged: the names of the routes that ask for caching; their answers are given an ETag.
    """

    def __init__(self, pipeline: Pipeline, discovery: Discovery) -> None:
        self._pipeline = pipeline
        self._discovery = discovery
        self._watched, self._count = discovery.watched, discovery.count
        self.reads_bodies = any(isinstance(s, BodyReader) for s in pipeline.stages)
        self._handlers: dict[str, Handler] = {}
        self.ways: dict[str, ShortWay] = {}
        self._route_stage = next((s for s in pipeline.stages if isinstance(s, RouteStage)), None)
        self._limit_stage = next((s for s in pipeline.stages if isinstance(s, LimitStage)), None)
        self._base: RouteFinder | None = None
        self._given_limits = self._limit_stage
        # Made anew with the rules, and no property.
        self._plans = None if self._limit_stage is None else self._limit_stage.plans
        self.tagged: frozenset[str] = frozenset()
        self._check()
        if self._route_stage is not None:
            self._base = self._route_stage.table
            self._index = RouteIndex(discovery.routes)
            self._connection_index = RouteIndex(discovery.connections)
            bound = _derive(discovery.routes, self._base)
            connections = _derive(discovery.connections, self._base)
            self._matches = bound.matches
            self._connection_matches = connections.matches
            self.tagged = bound.tagged
            if self._limit_stage is not None:
                self._limit_stage = self._limit_stage.bound({**bound.limits, **connections.limits})

    @property
    def limit_stage(self) -> LimitStage | None:
        """The limit stage that knows the routes of the app; None where there is none."""
        return self._limit_stage

    @property
    def observe_stage(self) -> ObserveStage | None:
        """The observe stage; None where there is none."""
        return next((s for s in self._pipeline.stages if isinstance(s, ObserveStage)), None)

    def is_stale(self) -> bool:
        """Whether the routes of the app, those of the settings, or the limits are others by now."""
        stage, limits, watched = self._route_stage, self._given_limits, self._watched
        return (
            # As `Discovery.is_stale`, without the call: it is asked for each request.
            (sum(map(len, watched)) != self._count)
            or (bool(watched) and self._discovery.router.routes is not watched[0])
            or (stage is not None and stage.table is not self._base)
            or (limits is not None and limits.plans is not self._plans)
        )

    def keep_limits(self) -> bool:
        """Goes on with the limits it has, though there are others by now.

        Returns:
            Whether it is no longer stale with that.
        """
        if self._given_limits is not None:
            self._plans = self._given_limits.plans
        return not self.is_stale()

    def way(self, root_path: str) -> ShortWay:
        """The way to a parked handler, for requests below this root path."""
        way = self.ways.get(root_path)
        if way is None:
            if len(self.ways) >= _MAX_ROOT_PATHS:
                # Root paths with parameters: seldom, and made again in no time.
                self.ways.clear()
            stages = self._stages(root_path, connection=False)
            pipeline = self._pipeline.with_stages(stages)
            way = ShortWay(pipeline, _parked, new_passed=KnownRelay)
            self.ways[root_path] = way
        return way

    def tags(self, exchange: Exchange) -> bool:
        """Whether the answer to a request, whose route was found, gets an ETag if it has none."""
        route = exchange.route
        return route is not None and route.rule.name in self.tagged

    def connection_handler(self, root_path: str) -> Handler:
        """The onion around a parked handler, for WebSocket connections below this root path."""
        handler = self._handlers.get(root_path)
        if handler is None:
            if len(self._handlers) >= _MAX_ROOT_PATHS:
                self._handlers.clear()
            stages = _for_connections(self._stages(root_path, connection=True))
            handler = self._pipeline.with_stages(stages).around(_parked)
            self._handlers[root_path] = handler
        return handler

    def rule_of(self, method: str, template: str, path: bytes) -> RouteRule | None:
        """What applies to the app's route of a method and a template; None if that is not known.

        Args:
            method: in upper case.
            template: as in the app.
            path: a path of that template, for the routes of the settings.
        """
        if self._base is None:
            return None
        settings = self._base.match(method, b"", path)
        for route, matches in zip(self._discovery.routes, self._matches, strict=True):
            if route.template == template and (not route.methods or method in route.methods):
                return matches.get(settings.rule.name, settings).rule
        return settings.rule

    def _stages(self, root_path: str, *, connection: bool) -> list[Stage]:
        base = self._base
        if base is None:
            return list(self._pipeline.stages)
        index = self._connection_index if connection else self._index
        matches = self._connection_matches if connection else self._matches
        finder = AppRoutes(index, base, matches, root_path)
        limits = self._limit_stage
        settling = any(isinstance(stage, SettleStage) for stage in self._pipeline.stages)
        stages: list[Stage] = []
        routes = RouteStage(base)
        for stage in self._pipeline.stages:
            if stage is self._route_stage:
                routes = RouteStage(finder)
                stages.append(routes)
            elif isinstance(stage, CorsStage):
                stages.append(stage.with_routes(routes))
            elif isinstance(stage, LimitStage) and limits is not None:
                stages.append(limits)
                if limits.settles and not settling:
                    # A route asks for what nothing in the settings did.
                    stages.append(SettleStage(limits))
                    settling = True
            else:
                stages.append(stage)
        return stages

    def _check(self) -> None:
        """Refuses marks that the pipeline cannot enforce: a limit never vanishes silently."""
        routes = (*self._discovery.routes, *self._discovery.connections)
        marked = next((route.name for route in routes if route.is_marked), None)
        if marked is not None and self._route_stage is None:
            raise ConfigError(
                "the pipeline has no route stage, so marks cannot be enforced",
                where=f"route {marked!r}",
                hint="put a RouteStage into it",
            )
        limited = next((route.name for route in routes if route.limits), None)
        if limited is not None and self._limit_stage is None:
            raise ConfigError(
                "the pipeline has no limit stage, so limits cannot be enforced",
                where=f"route {limited!r}",
                hint="put a LimitStage into it, or take the mark off",
            )


def _for_connections(stages: Sequence[Stage]) -> list[Stage]:
    """The stages for WebSocket connections: nothing of them is cached."""
    kept = [stage for stage in stages if not isinstance(stage, CacheStage)]
    observe = next((at for at, stage in enumerate(kept) if isinstance(stage, ObserveStage)), -1)
    return [*kept[: observe + 1], AcceptStage(), *kept[observe + 1 :]]


def bind(pipeline: Pipeline, app: object) -> Binding:
    """Reads the routes of an app and makes a pipeline that knows them.

    Raises:
        ConfigError: a mark on a route cannot be enforced.
    """
    stages = [stage for stage in pipeline.stages if isinstance(stage, LimitStage)]
    taken = frozenset(name for stage in stages for name in stage.rules.limit_names)
    return Binding(pipeline, discover(app, taken=taken))


def _derive(routes: Sequence[AppRoute], base: RouteFinder) -> _Bound:
    """Puts each route of the app under each route of the settings that may match it too.

    An unmarked route only has its own name where the settings say nothing about it. A marked one is
    always a route of its own, which keeps what the settings say and adds its marks.
    """
    default, rules = _rules(base)
    matches: list[dict[str, RouteMatch]] = []
    limits: dict[str, RouteLimits] = {}
    tagged: set[str] = set()
    for route in routes:
        found: dict[str, RouteMatch] = {}
        for parent in (default, *rules) if route.is_marked else (default,):
            name = route.name if parent is default else f"{parent.name}: {route.name}"
            found[parent.name] = RouteMatch(_rule(route, parent, name))
            limits[name] = RouteLimits(parent.name, route.name, route.limits)
            if route.cache is not None and route.cache.mode is Mode.ENFORCE:
                tagged.add(name)
        matches.append(found)
    return _Bound(tuple(matches), limits, frozenset(tagged))


def _rules(base: RouteFinder) -> tuple[RouteRule, tuple[RouteRule, ...]]:
    if isinstance(base, RouteTable):
        return base.default.rule, base.rules
    # Without a table there is only what it says about a request that nothing else matches.
    return base.match("OPTIONS", b"", b"*").rule, ()


def _rule(route: AppRoute, parent: RouteRule, name: str) -> RouteRule:
    return replace(
        parent,
        name=name,
        template=route.template,
        methods=route.methods,
        cache=parent.cache if route.cache is None else _cache(route.cache, parent.cache, name),
        exempt=parent.exempt or route.exempt,
    )


def _cache(mark: CacheMark, parent: CachePolicy, name: str) -> CachePolicy:
    """What the mark says; what it does not say stays as the settings have it."""
    return replace(
        parent,
        name=name,
        mode=mark.mode,
        default_ttl_s=mark.ttl_s,
        max_ttl_s=max(parent.max_ttl_s, mark.ttl_s),
        private=mark.private or parent.private,
        max_body_bytes=(
            parent.max_body_bytes if mark.max_body_bytes is None else mark.max_body_bytes
        ),
        # A bound that was stated for one route is meant for all of its bodies.
        body_files=parent.body_files and mark.max_body_bytes is None,
    )
