"""The routing tree."""

from lukhas.policy.alerting.matchers import parse_matcher
from lukhas.policy.alerting.routes import AlertRoute, group_key, routes_for, walk


def node(
    name: str, *texts: str, goes_on: bool = False, children: tuple[AlertRoute, ...] = ()
) -> AlertRoute:
    matchers = tuple(parse_matcher(text) for text in texts)
    return AlertRoute(name, matchers, goes_on=goes_on, children=children)


ROOT = node(
    "root",
    children=(
        node("audit", "severity=critical", goes_on=True),
        node("web", "team=web", children=(node("web-night", "severity=critical"),)),
        node("rest", "severity=critical"),
    ),
)


def names(**labels: str) -> list[str]:
    return [route.name for route in routes_for(ROOT, tuple(sorted(labels.items())))]


def test_the_deepest_that_matches_takes_it() -> None:
    """The first among siblings, and the root what no child wants."""
    assert names(team="web") == ["web"]
    assert names(team="api") == ["root"]


def test_a_route_that_goes_on_lets_others_take_it_too() -> None:
    """Until one does not."""
    assert names(team="web", severity="critical") == ["audit", "web-night"]
    assert names(severity="critical") == ["audit", "rest"]


def test_a_root_may_refuse() -> None:
    """Then nobody hears."""
    assert routes_for(node("root", "team=web"), ()) == ()


def test_groups_are_named_by_their_values() -> None:
    """A label that is missing is empty."""
    route = AlertRoute("web", group_by=("rule", "team"))
    assert group_key(route, (("rule", "slow"),)) == "web/rule=slow,team="
    assert group_key(AlertRoute("web"), ()) == "web/"


def test_a_walk_meets_all_routes() -> None:
    """Parents before their children."""
    assert [route.name for route in walk(ROOT)] == ["root", "audit", "web", "web-night", "rest"]
