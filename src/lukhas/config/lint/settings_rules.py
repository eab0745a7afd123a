"""Lint rules about settings alone."""

from collections.abc import Iterator
from ipaddress import ip_network

from lukhas.config.key_paths import KeyPath
from lukhas.config.lint.remarks import LintFacts, Remark, Rule
from lukhas.config.named_upstreams import named_upstreams
from lukhas.config.upstreams import UpstreamSettings
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM
from lukhas.units import SECOND_NS

__all__ = ("SETTINGS_RULES",)

_READS = frozenset(("GET", "HEAD", "POST"))
_TIERS = (Tier.FREE, Tier.BASIC, Tier.PREMIUM, Tier.ENTERPRISE)


def _limits_nobody_meets(facts: LintFacts) -> Iterator[Remark]:
    settings = facts.settings
    exempt = {route.name for route in settings.routes if route.exempt}
    for index, limit in enumerate(settings.limits):
        if limit.routes and exempt.issuperset(limit.routes):
            names = ", ".join(limit.routes)
            what = f"the limit {limit.name!r} holds only for routes that are exempt ({names})"
            yield Remark(("limits", index, "routes"), what, "remove it, or `exempt` of the routes")
    for index, route in enumerate(settings.routes):
        if route.exempt and route.limits is not None:
            what = f"the route {route.name!r} has limits and is exempt from all"
            yield Remark(("routes", index, "limits"), what, "remove `limits` or `exempt`")


def _memory_counters(facts: LintFacts) -> Iterator[Remark]:
    settings = facts.settings
    if settings.counters.store == "memory" and settings.workers != 1:
        what = f"counters are in memory, and {settings.workers!r} workers each count for themselves"
        yield Remark(("counters", "store"), what, 'set it to "auto", so that they count together')


def _everybody_is_a_proxy(facts: LintFacts) -> Iterator[Remark]:
    for index, text in enumerate(facts.settings.trusted_proxies):
        if ip_network(text, strict=False).prefixlen == 0:
            what = f"trusted_proxies has {text}: every client may say which address it comes from"
            hint = "name the addresses of your proxies only"
            yield Remark(("trusted_proxies", index), what, hint)


def _all_from_one_proxy(facts: LintFacts) -> Iterator[Remark]:
    settings = facts.settings
    by_address = [
        index for index, limit in enumerate(settings.limits) if "address" in limit.by.split("+")
    ]
    behind = settings.listen.is_loopback and not settings.trusted_proxies
    if by_address and behind and facts.explicit(("listen",)):
        what = (
            f"limits count by address, but only this machine can reach {settings.listen}: "
            "all clients of a proxy in front have its address"
        )
        yield Remark(("limits", by_address[0], "by"), what, "name the proxy in trusted_proxies")


def _only_in_shadow(facts: LintFacts) -> Iterator[Remark]:
    settings = facts.settings
    places: list[tuple[KeyPath, object]] = [
        (("tiers", "mode"), settings.tiers.mode),
        (("cache", "mode"), settings.cache.mode),
        (("overload", "mode"), settings.overload.mode),
        (("identity", "mode"), settings.identity.mode),
        (("openapi", "requests"), settings.openapi.file and settings.openapi.requests),
    ]
    places += [(("limits", at, "mode"), each.mode) for at, each in enumerate(settings.limits)]
    for at, route in enumerate(settings.routes):
        places.append((("routes", at, "cache_mode"), route.cache_mode))
        if route.limits is not None:
            places.append((("routes", at, "limits_mode"), route.limits_mode))
    for path, mode in places:
        if mode is Mode.SHADOW:
            what = f"{'.'.join(map(str, path))} is shadow: it decides and changes nothing"
            yield Remark(path, what, "look at what it would do, then enforce it or turn it off")


def _upstreams_nobody_asks(facts: LintFacts) -> Iterator[Remark]:
    settings = facts.settings
    asked = {next(iter(named_upstreams(settings))), DEFAULT_UPSTREAM}
    for route in settings.routes:
        asked.update(route.split)
        asked.update(() if route.best_of is None else route.best_of.upstreams)
        asked.add(route.upstream or "")
        asked.add((route.fallback and route.fallback.upstream) or "")
        asked.add(route.mirror.upstream if route.mirror is not None else "")
    for index, upstream in enumerate(settings.upstreams):
        if upstream.name not in asked:
            what = f"no route goes to the upstream {upstream.name!r}"
            yield Remark(("upstreams", index, "name"), what, "name it in a route, or remove it")


def _tiers_upside_down(facts: LintFacts) -> Iterator[Remark]:
    texts = [getattr(facts.settings.tiers, tier.value) for tier in _TIERS]
    for lower, higher, above, below in zip(_TIERS, _TIERS[1:], texts[1:], texts, strict=False):
        if above is None:
            continue
        if below is None:
            what = f"{higher.value} has a limit, and {lower.value} below it has none"
            yield Remark(("tiers", higher.value), what, "give the higher tier no less")
            continue
        most = {(each.kind, each.window_ns): each.quota for each in _limits_of(below)}
        for limit in _limits_of(above):
            known = most.get((limit.kind, limit.window_ns), 0)
            if limit.quota < known:
                less = f"{limit.quota} in {limit.window_ns // SECOND_NS} s"
                what = f"{higher.value} may do less ({less}) than {lower.value} ({known})"
                yield Remark(("tiers", higher.value), what, "give the higher tier no less")


def _limits_of(text: str) -> tuple[Limit, ...]:
    return tuple(parse_limits(text, policy="tier"))


def _lifetimes_without_use(facts: LintFacts) -> Iterator[Remark]:
    for index, route in enumerate(facts.settings.routes):
        if route.cache_ttl_s and route.methods and _READS.isdisjoint(route.methods):
            what = f"the route {route.name!r} has cache_ttl_s, and none of its methods is cached"
            yield Remark(("routes", index, "cache_ttl_s"), what, "remove it, or add GET to methods")


def _each_upstream(facts: LintFacts) -> Iterator[tuple[KeyPath, UpstreamSettings]]:
    yield ("upstream",), facts.settings.upstream
    for index, upstream in enumerate(facts.settings.upstreams):
        yield ("upstreams", index), upstream


def _times_never_reached(facts: LintFacts) -> Iterator[Remark]:
    for place, upstream in _each_upstream(facts):
        total_s = upstream.timeout_s
        for key in ("response_timeout_s", "connect_timeout_s"):
            own_s = getattr(upstream, key)
            if total_s and own_s > total_s and facts.explicit((*place, key)):
                what = f"{key} {own_s:g} is never reached: timeout_s {total_s:g} ends before"
                yield Remark((*place, key), what, "lower it, or raise timeout_s")


def _choices_of_one(facts: LintFacts) -> Iterator[Remark]:
    for place, upstream in _each_upstream(facts):
        servers = len(upstream.targets) + (upstream.url is not None)
        for key in ("balancer", "hedging", "outliers", "probes", "breaker", "retries"):
            if servers == 1 and facts.explicit((*place, "balancing", key)):
                what = f"balancing.{key} does nothing: the upstream has one server"
                yield Remark((*place, "balancing", key), what, "add `targets`, or remove it")


def _unverified_servers(facts: LintFacts) -> Iterator[Remark]:
    for place, upstream in _each_upstream(facts):
        if not upstream.tls.verify:
            what = "certificates of servers are not verified: anybody in between can read and write"
            hint = "set tls.ca_file to the authority that signed them"
            yield Remark((*place, "tls", "verify"), what, hint)


def _files_without_a_node(facts: LintFacts) -> Iterator[Remark]:
    cache = facts.settings.cache
    if cache.body_files_bytes and cache.disk_bytes == 0:
        what = "body_files_bytes does nothing: cache.disk_bytes is 0"
        yield Remark(("cache", "body_files_bytes"), what, "raise disk_bytes, or remove it")


SETTINGS_RULES = (
    Rule("LK101", "a limit that no request meets", _limits_nobody_meets),
    Rule("LK102", "counters in memory with several workers", _memory_counters),
    Rule("LK103", "every client is a trusted proxy", _everybody_is_a_proxy),
    Rule("LK104", "limits by address behind a proxy that is not trusted", _all_from_one_proxy),
    Rule("LK105", "a policy that is only in shadow", _only_in_shadow),
    Rule("LK106", "an upstream that nobody asks", _upstreams_nobody_asks),
    Rule("LK107", "a tier that may do less than the one below", _tiers_upside_down),
    Rule("LK108", "a lifetime on a route that is not cached", _lifetimes_without_use),
    Rule("LK109", "a time limit that is never reached", _times_never_reached),
    Rule("LK110", "balancing among one server", _choices_of_one),
    Rule("LK111", "servers whose certificates are not verified", _unverified_servers),
    Rule("LK112", "files for large bodies without a cache on disk", _files_without_a_node),
)
"""The rules, by their ids."""
