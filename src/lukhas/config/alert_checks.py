"""How the settings of alerting fit together."""

from collections.abc import Iterable, Iterator

from lukhas.config.alerts import AlertRootRouteSettings, AlertRouteSettings, AlertSettings
from lukhas.config.findings import Finding
from lukhas.config.key_paths import KeyPath

__all__ = ("alert_findings",)


def alert_findings(alerts: AlertSettings) -> Iterator[Finding]:
    """All mistakes about alerts."""
    for key in ("rules", "channels", "routes", "mute_times", "escalations"):
        yield from _twice(key, [each.name for each in getattr(alerts, key)])
    yield from _route_names(alerts)
    yield from _parents(alerts)


def _twice(key: str, names: list[str]) -> Iterator[Finding]:
    for index, name in enumerate(names):
        if name in names[:index]:
            what = f"the name {name!r} stands twice in alerts.{key}"
            yield Finding(("alerts", key, index, "name"), what, "give each a name of its own")


def _route_names(alerts: AlertSettings) -> Iterator[Finding]:
    channels = [channel.name for channel in alerts.channels]
    mute_times = [each.name for each in alerts.mute_times]
    escalations = [each.name for each in alerts.escalations]
    places: list[tuple[KeyPath, AlertRootRouteSettings | AlertRouteSettings]] = [
        (("alerts", "route"), alerts.route)
    ]
    places += [(("alerts", "routes", index), route) for index, route in enumerate(alerts.routes)]
    for path, route in places:
        yield from _known((*path, "channels"), route.channels or (), channels, "channel")
        yield from _known((*path, "mute_times"), route.mute_times or (), mute_times, "mute time")
        if route.escalation is not None and route.escalation not in escalations:
            yield _missing((*path, "escalation"), route.escalation, escalations, "escalation")
    for index, escalation in enumerate(alerts.escalations):
        for level, each in enumerate(escalation.levels):
            place: KeyPath = ("alerts", "escalations", index, "levels", level, "channels")
            yield from _known(place, each.channels, channels, "channel")


def _parents(alerts: AlertSettings) -> Iterator[Finding]:
    parents = {route.name: route.parent for route in alerts.routes}
    for index, route in enumerate(alerts.routes):
        place: KeyPath = ("alerts", "routes", index, "parent")
        if route.parent is None:
            continue
        if route.parent not in parents:
            yield _missing(place, route.parent, list(parents), "route")
            continue
        above: str | None = route.parent
        seen = {route.name}
        while above is not None and above not in seen:
            seen.add(above)
            above = parents.get(above)
        if above == route.name:
            what = f"the route {route.name!r} is among its own parents"
            yield Finding(place, what, "remove parent from one of them")


def _known(place: KeyPath, names: Iterable[str], known: list[str], kind: str) -> Iterator[Finding]:
    for position, name in enumerate(names):
        if name not in known:
            yield _missing((*place, position), name, known, kind)


def _missing(place: KeyPath, name: str, known: list[str], kind: str) -> Finding:
    listed = ", ".join(sorted(known)) or "there are none yet"
    return Finding(place, f"there is no {kind} {name!r}", f"name one of them ({listed})")
