"""How the upstreams fit together, and what routes say of them."""

from collections.abc import Iterator

from lukhas.config.addresses import Address
from lukhas.config.answers import RouteSettings
from lukhas.config.findings import Finding
from lukhas.config.key_paths import KeyPath, dotted
from lukhas.config.settings import Settings
from lukhas.config.targets import TargetAddress, parse_target
from lukhas.config.upstreams import UpstreamSettings
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM

__all__ = ("upstream_findings",)


def upstream_findings(settings: Settings, *, needs_upstream: bool) -> Iterator[Finding]:
    """All mistakes about upstreams.

    Args:
        settings: all settings.
        needs_upstream: whether there must be one.
    """
    servers = _servers(settings.upstream)
    if needs_upstream and not servers and not settings.upstreams:
        yield Finding(
            ("upstream", "url"),
            "upstream.url is missing: there is no API to stand in front of",
            "set upstream.url, LUKHAS_UPSTREAM or --upstream, such as http://localhost:9000",
        )
    yield from _one(settings, ("upstream",), settings.upstream)
    seen = {DEFAULT_UPSTREAM: "stands for that of all other requests"}
    for index, upstream in enumerate(settings.upstreams):
        place: KeyPath = ("upstreams", index)
        if not _servers(upstream):
            what = f"the upstream {upstream.name!r} has no server"
            yield Finding((*place, "url"), what, "set its url, such as http://localhost:9000")
        if upstream.name in seen:
            what = f"the upstream name {upstream.name!r} {seen[upstream.name]}"
            yield Finding((*place, "name"), what, "give each upstream its own name")
        seen[upstream.name] = "is taken by another"
        yield from _one(settings, place, upstream)
    for index, route in enumerate(settings.routes):
        yield from _route(("routes", index), route, frozenset(seen))


def _servers(upstream: UpstreamSettings) -> list[tuple[KeyPath, str]]:
    servers: list[tuple[KeyPath, str]] = []
    if upstream.url is not None:
        servers.append((("url",), upstream.url))
    return servers + [(("targets", at), text) for at, text in enumerate(upstream.targets)]


def _one(settings: Settings, place: KeyPath, upstream: UpstreamSettings) -> Iterator[Finding]:
    servers = _servers(upstream)
    if upstream.discovery.by != "none":
        yield from _discovered(place, upstream)
    seen: set[str] = set()
    for key, text in servers:
        target = parse_target(text)
        yield from _not_itself(settings, (*place, *key), target)
        if target.url in seen:
            yield Finding((*place, *key), f"{text} is there twice", "name each server once")
        seen.add(target.url)
    yield from _lane(settings, place, upstream)
    texts = [text for _, text in servers]
    for text in upstream.weights:
        if text not in texts:
            what = f"there is a weight for {text!r}, which is no server of the upstream"
            yield Finding((*place, "weights"), what, "write it as it is written in url or targets")
    if texts and not any(upstream.weights.get(text, 1) for text in texts):
        yield Finding((*place, "weights"), "no server has a weight above 0", "raise one of them")


def _lane(settings: Settings, place: KeyPath, upstream: UpstreamSettings) -> Iterator[Finding]:
    """A name that no route has would leave that route outside the lane unnoticed."""
    known = {route.name for route in settings.routes}
    for position, name in enumerate(upstream.balancing.priority_lane.routes):
        if name not in known:
            what = f"the priority lane names the route {name!r}, which does not exist"
            hint = f"name one of the routes ({', '.join(sorted(known)) or 'there are none yet'})"
            where = (*place, "balancing", "priority_lane", "routes", position)
            yield Finding(where, what, hint)


def _discovered(place: KeyPath, upstream: UpstreamSettings) -> Iterator[Finding]:
    by = upstream.discovery.by
    if upstream.url is None:
        what = f"servers are found by {by}, and nothing says how they are spoken to"
        yield Finding((*place, "discovery", "by"), what, "set url, such as http://api.internal")
    elif parse_target(upstream.url).socket_path:
        what = f"servers are found by {by}, and url is a socket"
        yield Finding((*place, "url"), what, "write it like http://api.internal:8080")
    for key in ("targets", "weights"):
        if getattr(upstream, key):
            what = f"servers are found by {by}, so that {key} are of no use"
            yield Finding((*place, key), what, f"remove {key}, or discovery")


def _route(place: KeyPath, route: RouteSettings, known: frozenset[str]) -> Iterator[Finding]:
    for key, name in _wanted(route):
        if name not in known:
            what = f"the route {route.name!r} goes to {name!r}, which is none of upstreams"
            hint = f"name one of them ({', '.join(sorted(known))})"
            yield Finding((*place, *key), what, hint)
    if route.split and route.upstream is not None:
        what = f"the route {route.name!r} has an upstream and is split between several"
        yield Finding((*place, "split"), what, "remove upstream or split")
    if route.best_of is not None and (route.split or route.upstream is not None):
        other = "split" if route.split else "upstream"
        what = f"the route {route.name!r} has best_of and {other}"
        yield Finding((*place, "best_of"), what, f"remove {other} or best_of")
    if route.split and not any(route.split.values()):
        what = f"no part of the route {route.name!r} has a weight above 0"
        yield Finding((*place, "split"), what, "raise one of them")


def _wanted(route: RouteSettings) -> Iterator[tuple[KeyPath, str]]:
    """Each upstream that a route names, and where it does."""
    for name in route.split:
        yield ("split",), name
    if route.best_of is not None:
        for name in route.best_of.upstreams:
            yield ("best_of", "upstreams"), name
    if route.upstream is not None:
        yield ("upstream",), route.upstream
    if route.fallback is not None and route.fallback.upstream is not None:
        yield ("fallback", "upstream"), route.fallback.upstream
    if route.mirror is not None:
        yield ("mirror", "upstream"), route.mirror.upstream


def _not_itself(settings: Settings, path: KeyPath, target: TargetAddress) -> Iterator[Finding]:
    if target.socket_path:
        return
    address = Address(target.host, target.port)
    for name, own in (("listen", settings.listen), ("admin.listen", settings.admin.listen)):
        same_host = address.host == own.host or (address.is_loopback and _answers_loopback(own))
        if address.port == own.port and same_host:
            what = f"{dotted(path)} {target.url} is the gateway itself ({name} = {own})"
            yield Finding(path, what, "name the address of the API")


def _answers_loopback(address: Address) -> bool:
    return address.is_loopback or address.host in {"0.0.0.0", "::"}  # noqa: S104 - compared only
