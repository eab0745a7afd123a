"""How settings fit together: mistakes that no single value shows."""

from collections.abc import Iterator

from lukhas.config.alert_checks import alert_findings
from lukhas.config.answers import RouteSettings
from lukhas.config.caching import effective_values
from lukhas.config.findings import Finding
from lukhas.config.key_paths import KeyPath
from lukhas.config.operator_checks import operator_findings
from lukhas.config.settings import Settings
from lukhas.config.telemetry_checks import telemetry_findings
from lukhas.config.templates import template_shape
from lukhas.config.upstream_checks import upstream_findings
from lukhas.errors import ConfigError
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import CostBasis, parse_cost
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.rewriting import pattern_of

__all__ = ("DEFAULT_ROUTE", "check_settings")

_WHOLE_PERCENT = 100
DEFAULT_ROUTE = "default"
"""The name under which requests that match no route are counted."""


def check_settings(settings: Settings, *, needs_upstream: bool) -> Iterator[Finding]:
    """All mistakes in how the values fit together."""
    yield from _listeners(settings)
    yield from operator_findings(settings.admin)
    yield from upstream_findings(settings, needs_upstream=needs_upstream)
    yield from _names(settings)
    yield from _routes_alike(settings)
    yield from _limits(settings)
    if needs_upstream:
        yield from _message_limits(settings)
    yield from _route_limits(settings)
    yield from _cache(settings)
    yield from _paths(settings)
    yield from _cors(settings)
    yield from _overload(settings)
    yield from alert_findings(settings.alerts)
    yield from telemetry_findings(settings)


def _listeners(settings: Settings) -> Iterator[Finding]:
    if settings.listen.overlaps(settings.admin.listen):
        what = f"listen and admin.listen are both {settings.admin.listen}"
        if settings.listen != settings.admin.listen:
            what = f"admin.listen {settings.admin.listen} collides with listen {settings.listen}"
        yield Finding(("admin", "listen"), what, "give the admin plane another port")
    if not settings.admin.listen.is_loopback and settings.admin.token is None:
        what = f"the admin plane listens on {settings.admin.listen} without a token"
        yield Finding(("admin", "listen"), what, "set admin.token, or listen on 127.0.0.1")


def _paths(settings: Settings) -> Iterator[Finding]:
    for index, route in enumerate(settings.routes):
        for key, text in (("rewrite", route.rewrite), ("redirect", route.redirect)):
            if text is None:
                continue
            try:
                pattern_of(text, route.path)
            except ConfigError as error:
                yield Finding(("routes", index, key), error.what, error.hint)
        if route.rewrite is not None and not route.rewrite.startswith("/"):
            what = f"the rewrite {route.rewrite!r} is not a path"
            yield Finding(("routes", index, "rewrite"), what, "only a redirect may name a host")
        if route.rewrite is not None and route.redirect is not None:
            what = f"the route {route.name!r} is rewritten and redirected"
            yield Finding(("routes", index, "redirect"), what, "remove rewrite or redirect")


def _cors(settings: Settings) -> Iterator[Finding]:
    cors = settings.cors
    places: list[tuple[KeyPath, Mode, tuple[str, ...]]] = [
        (("cors", "origins"), cors.mode, cors.origins)
    ]
    for index, route in enumerate(settings.routes):
        mode = cors.mode if route.cors is None else route.cors
        origins = cors.origins if route.cors_origins is None else route.cors_origins
        if route.cors is not None or route.cors_origins is not None:
            places.append((("routes", index, "cors_origins"), mode, origins))
    for path, mode, origins in places:
        if mode is not Mode.OFF and not origins:
            yield Finding(path, "CORS is on and allows no origin", "name origins, or set it to off")
        if cors.credentials and "*" in origins:
            what = "credentials are allowed for every origin"
            yield Finding(path, what, 'name the origins in place of "*"')


def _names(settings: Settings) -> Iterator[Finding]:
    route_names: dict[str, int] = {}
    for index, route in enumerate(settings.routes):
        if route.name in route_names:
            what = f"two routes have the name {route.name!r}"
            yield Finding(("routes", index, "name"), what, "give each route its own name")
        if route.name == DEFAULT_ROUTE:
            what = f"a route has the name {DEFAULT_ROUTE!r}, which stands for all other requests"
            yield Finding(("routes", index, "name"), what, "give the route another name")
        route_names.setdefault(route.name, index)
    taken = {tier.value: "a tier" for tier in Tier}
    taken |= {route.name: "a route with limits" for route in settings.routes if route.limits}
    for index, limit in enumerate(settings.limits):
        if limit.name in taken:
            what = f"the limit {limit.name!r} has the name of {taken[limit.name]}"
            yield Finding(("limits", index, "name"), what, "give each limit a name of its own")
        taken[limit.name] = "another limit"
        for position, name in enumerate(limit.routes):
            if name not in route_names:
                what = f"the limit {limit.name!r} names the route {name!r}, which does not exist"
                known = ", ".join(sorted(route_names)) or "there are none yet"
                hint = f"name one of the routes ({known})"
                yield Finding(("limits", index, "routes", position), what, hint)


def _routes_alike(settings: Settings) -> Iterator[Finding]:
    seen: dict[tuple[str, str, tuple[str, ...]], RouteSettings] = {}
    for index, route in enumerate(settings.routes):
        shape = template_shape(route.path)
        keys = [
            (host, method, shape)
            for host in route.hosts or ("",)
            for method in route.methods or ("",)
        ]
        twin = next((seen[key] for key in keys if key in seen), None)
        if twin is not None:
            what = f"the route {route.name!r} is for the same requests as {twin.name!r}"
            hint = "remove one, or give them other methods, hosts or paths"
            yield Finding(("routes", index), what, hint)
        for key in keys:
            seen.setdefault(key, route)


def _limits(settings: Settings) -> Iterator[Finding]:
    exempt = {route.name for route in settings.routes if route.exempt}
    for index, limit in enumerate(settings.limits):
        if limit.routes and exempt.issuperset(limit.routes):
            what = f"the limit {limit.name!r} is only for routes that are exempt from limits"
            yield Finding(("limits", index, "routes"), what, "name other routes, or remove exempt")


def _message_limits(settings: Settings) -> Iterator[Finding]:
    """Where no route carries WebSocket, a limit on messages would never count one."""
    if any(route.websocket for route in settings.routes):
        return
    for index, limit in enumerate(settings.limits):
        if parse_cost(limit.cost).basis is CostBasis.MESSAGES:
            what = f"the limit {limit.name!r} counts messages, and no route carries WebSocket"
            hint = "set websocket = true on a route, or give it another cost"
            yield Finding(("limits", index, "cost"), what, hint)


def _route_limits(settings: Settings) -> Iterator[Finding]:
    tiers = {tier.value for tier in Tier}
    for index, route in enumerate(settings.routes):
        if route.limits is None:
            continue
        if route.exempt:
            what = f"the route {route.name!r} has limits and is exempt from limits"
            yield Finding(("routes", index, "limits"), what, "remove limits or exempt")
        if route.name in tiers:
            what = f"the route {route.name!r} has limits and the name of a tier"
            yield Finding(("routes", index, "name"), what, "give the route another name")


def _cache(settings: Settings) -> Iterator[Finding]:
    cache = effective_values(settings.strategy, settings.cache)
    hint = "lower it, or raise cache.max_ttl_s"
    if cache.default_ttl_s is not None and cache.default_ttl_s > cache.max_ttl_s:
        what = (
            f"cache.default_ttl_s {cache.default_ttl_s} is above cache.max_ttl_s {cache.max_ttl_s}"
        )
        yield Finding(("cache", "default_ttl_s"), what, hint)
    for index, route in enumerate(settings.routes):
        if route.cache_ttl_s is not None and route.cache_ttl_s > cache.max_ttl_s:
            what = f"cache_ttl_s {route.cache_ttl_s} is above cache.max_ttl_s {cache.max_ttl_s}"
            yield Finding(("routes", index, "cache_ttl_s"), what, hint)
        if route.cache_query_allow is not None and route.cache_query_ignore:
            what = f"the route {route.name!r} has both cache_query_allow and cache_query_ignore"
            yield Finding(("routes", index, "cache_query_ignore"), what, "give one of them")
    if cache.max_body_bytes > cache.size_bytes:
        what = (
            f"cache.max_body_bytes {cache.max_body_bytes} is above"
            f" cache.size_bytes {cache.size_bytes}"
        )
        yield Finding(("cache", "max_body_bytes"), what, "lower it, or raise cache.size_bytes")


def _overload(settings: Settings) -> Iterator[Finding]:
    overload = settings.overload
    if overload.min_limit > overload.max_limit:
        what = (
            f"overload.min_limit {overload.min_limit} is above"
            f" overload.max_limit {overload.max_limit}"
        )
        yield Finding(("overload", "min_limit"), what, "lower it, or raise overload.max_limit")
    elif not overload.min_limit <= overload.initial_limit <= overload.max_limit:
        what = (
            f"overload.initial_limit {overload.initial_limit} is not between"
            f" overload.min_limit {overload.min_limit} and overload.max_limit {overload.max_limit}"
        )
        yield Finding(("overload", "initial_limit"), what, "set it to a number between them")
    total = sum(getattr(overload.shares, tier.value) for tier in Tier)
    if total > _WHOLE_PERCENT:
        what = f"the shares of the tiers are {total} percent together"
        yield Finding(("overload", "shares"), what, "lower some: together they are at most 100")
