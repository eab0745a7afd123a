"""The routing tree: which channels hear of an alert, how grouped and how often."""

from collections.abc import Iterator
from dataclasses import dataclass

from lukhas.policy.alerting.escalations import Escalation
from lukhas.policy.alerting.matchers import Matcher, matches
from lukhas.policy.alerting.mute_times import MuteTime
from lukhas.policy.alerting.rules import Labels

__all__ = ("AlertRoute", "group_key", "routes_for", "walk")


@dataclass(frozen=True, slots=True)
class AlertRoute:
    """One node of the tree.

    Attributes:
        name: unique in the tree.
        matchers: which alerts it is for; none for all.
        channels: who hears of them.
        group_by: labels whose values make a group of their own.
        group_wait_s: how long a new group waits for more alerts.
        group_interval_s: how long at least between two messages about changes of a group.
        repeat_s: how long until a message is repeated, if nobody has taken the alert on.
        mute_times: when nobody hears.
        escalation: who hears next if nobody takes the alert on; None for nobody.
        goes_on: whether the siblings after it are tried as well.
        children: routes for some of its alerts, tried in order.
    """

    name: str
    matchers: tuple[Matcher, ...] = ()
    channels: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    group_wait_s: int = 30
    group_interval_s: int = 300
    repeat_s: int = 14_400
    mute_times: tuple[MuteTime, ...] = ()
    escalation: Escalation | None = None
    goes_on: bool = False
    children: tuple["AlertRoute", ...] = ()


def routes_for(route: AlertRoute, labels: Labels) -> tuple[AlertRoute, ...]:
    """The routes of an alert: the deepest that match, on each branch that is tried.

    The first child that matches takes it, and those after it only if that one goes on. If no child
    matches, the route itself takes it.
    """
    if not matches(route.matchers, labels):
        return ()
    taken: list[AlertRoute] = []
    for child in route.children:
        found = routes_for(child, labels)
        taken += found
        if found and not child.goes_on:
            break
    return tuple(taken) or (route,)


def group_key(route: AlertRoute, labels: Labels) -> str:
    """The name of the group that an alert belongs to on a route."""
    values = dict(labels)
    parts = ",".join(f"{name}={values.get(name, '')}" for name in route.group_by)
    return f"{route.name}/{parts}"


def walk(route: AlertRoute) -> Iterator[AlertRoute]:
    """A route and all below it."""
    yield route
    for child in route.children:
        yield from walk(child)
