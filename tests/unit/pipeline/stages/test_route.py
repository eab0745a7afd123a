"""The route stage."""

from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.route import RouteFinder, RouteStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import FailureMode
from lukhas.policy.routing.routes import RouteMatch, RouteRule, RouteTable
from lukhas.policy.verdicts import Outcome, Verdict
from tests.unit.pipeline.kit import Contained, exchange, ran

CACHE = CachePolicy()
DEFAULT = RouteRule("default", "*", CACHE)
OK = Response(200, Headers([]))


async def handler(_exchange: Exchange) -> Response:
    return OK


def passed(stage: RouteStage, one: Exchange) -> Exchange:
    assert ran(Pipeline([stage], Contained()), handler, one) is OK
    return one


def test_the_route_and_its_verdict_are_left_on_the_exchange() -> None:
    """Found by method, host and path."""
    rule = RouteRule(
        "user", "/users/{id}", CACHE, hosts=frozenset({b"api.test"}), methods=frozenset({"PUT"})
    )
    stage = RouteStage(RouteTable([rule], default=DEFAULT))
    one = passed(stage, exchange("PUT", b"/users/7"))
    assert one.route == RouteMatch(rule, (b"7",))
    assert one.verdicts == [Verdict("route", Outcome.PASSED, "route user", "user")]
    other = passed(stage, exchange("GET", b"/users/7"))
    assert other.route == RouteMatch(DEFAULT)
    assert other.verdicts == [Verdict("route", Outcome.PASSED, "route default", "default")]


def test_verdicts_are_made_once() -> None:
    """They are the same for every exchange of a route."""
    stage = RouteStage(RouteTable([], default=DEFAULT))
    one, other = passed(stage, exchange()), passed(stage, exchange(path=b"/b"))
    assert one.verdicts[0] is other.verdicts[0]


def test_the_table_can_be_replaced() -> None:
    """The next exchange is matched by the new one."""
    stage = RouteStage(RouteTable([], default=DEFAULT))
    rule = RouteRule("a", "/a", CACHE)
    assert passed(stage, exchange()).route == RouteMatch(DEFAULT)
    stage.table = RouteTable([rule], default=DEFAULT)
    assert passed(stage, exchange()).route == RouteMatch(rule)


def test_without_a_route_nothing_passes() -> None:
    """Limits hang on the route, so the stage fails closed."""

    class Broken:
        def match(self, method: str, authority: bytes, path: bytes) -> RouteMatch:
            raise ValueError(f"{method} {authority!r} {path!r}")

    finder: RouteFinder = Broken()
    stage = RouteStage(finder)
    contained = Contained()
    assert stage.on_failure is FailureMode.CLOSED
    response = ran(Pipeline([stage], contained), handler, exchange())
    assert response.status == 503
    assert contained.found == [("route", "GET b'api.test' b'/a'")]
