"""Lint rules about the routes of an app."""

from collections.abc import Iterator

from lukhas.config.lint.remarks import AppRouteFacts, LintFacts, Remark, Rule

__all__ = ("APP_RULES",)

_SAFE = frozenset(("GET", "HEAD"))
# Where the cache looks for credentials in any case.
_KNOWN_FIELDS = frozenset(("authorization", "cookie"))


def _routes(facts: LintFacts) -> tuple[AppRouteFacts, ...]:
    return facts.app or ()


def _settings_without_a_route(facts: LintFacts) -> Iterator[Remark]:
    if facts.app is None:
        return
    met = frozenset().union(*(route.in_settings for route in facts.app))
    for index, route in enumerate(facts.settings.routes):
        if route.path != "*" and route.name not in met:
            what = f"the route {route.name!r} ({route.path}) matches no route of the app"
            yield Remark(("routes", index, "path"), what, "correct the path, or remove it")


def _unreachable(facts: LintFacts) -> Iterator[Remark]:
    for route in _routes(facts):
        if route.taken_by:
            what = f"{route.taken_by} comes before it and takes all of its requests"
            yield Remark(route.name, what, "put it first")


def _shared_in_spite_of_credentials(facts: LintFacts) -> Iterator[Remark]:
    known = _KNOWN_FIELDS | {name.lower() for name in facts.settings.identity.credential_headers}
    for route in _routes(facts):
        if not route.cached or route.cache_private:
            continue
        for name in sorted(route.credential_fields - known):
            what = f"it is cached, and takes credentials from {name}, which the cache does not know"
            hint = f"add {name!r} to identity.credential_headers, or use @cache(private=True)"
            yield Remark(route.name, what, hint)
        if "cookie" in route.credential_fields and facts.settings.cache.profile == "strict-rfc":
            what = "it is cached, and takes credentials from a cookie, which strict-rfc ignores"
            yield Remark(route.name, what, 'use the profile "safe", or @cache(private=True)')


def _shared_by_address(facts: LintFacts) -> Iterator[Remark]:
    for route in _routes(facts):
        for name in sorted(route.credential_queries):
            what = f"it takes credentials from the query ({name}), which ends up in logs"
            yield Remark(route.name, what, "take them from a field, such as Authorization")


def _cached_in_vain(facts: LintFacts) -> Iterator[Remark]:
    for route in _routes(facts):
        if route.cached and route.methods and route.methods.isdisjoint(_SAFE):
            methods = ", ".join(sorted(route.methods))
            what = f"it is marked with @cache, and {methods} is not answered from the cache"
            yield Remark(route.name, what, "remove @cache, or answer GET here")


def _limited_and_exempt(facts: LintFacts) -> Iterator[Remark]:
    for route in _routes(facts):
        if route.limited and route.exempt:
            yield Remark(route.name, "it has limits and is exempt from all", "remove one of them")


def _changed_elsewhere(facts: LintFacts) -> Iterator[Remark]:
    if number := facts.unseen_changes:
        routes = "1 route was" if number == 1 else f"{number} routes were"
        what = f"{routes} changed over the admin API, which the middleware does not take up"
        hint = "write into its settings what it needs of that, or give it another state_dir"
        yield Remark(("state_dir",), what, hint)


APP_RULES = (
    Rule("LK201", "settings for a route that the app has not", _settings_without_a_route),
    Rule("LK202", "a route that no request reaches", _unreachable),
    Rule("LK203", "a cached route with credentials that the cache does not know",
         _shared_in_spite_of_credentials),
    Rule("LK204", "credentials in the query", _shared_by_address),
    Rule("LK205", "a cache on a route that is not read", _cached_in_vain),
    Rule("LK206", "limits on a route that is exempt", _limited_and_exempt),
    Rule("LK207", "routes changed where the app does not see it", _changed_elsewhere),
)  # fmt: skip
"""The rules, by their ids."""
