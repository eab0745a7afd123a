"""The cors stage: preflights answered, fields on every answer."""

from dataclasses import replace

import pytest

from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.cors import CorsStage
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.cors import CorsPolicy
from lukhas.policy.modes import Mode
from lukhas.policy.routing.routes import RouteRule, RouteTable
from tests.unit.pipeline.kit import NOW_NS

APP = b"https://app.example.com"
ORIGIN = (b"origin", APP)


def stages(mode: Mode = Mode.ENFORCE) -> tuple[RouteStage, CorsStage]:
    policy = CorsPolicy(mode, ("https://app.example.com",))
    default = RouteRule("default", "*", CachePolicy())
    posting = RouteRule("post", "/x", CachePolicy(), methods=frozenset(("POST",)), cors=policy)
    routes = RouteStage(RouteTable([posting], default=default))
    return routes, CorsStage(routes)


def exchange(method: str, headers: HeaderPairs, path: bytes = b"/x") -> Exchange:
    head = RequestHead(method, "http", b"api.test", path, b"", Headers(headers))
    return Exchange(head, "192.0.2.1", NOW_NS, b"id-1")


def entered(one: Exchange, mode: Mode = Mode.ENFORCE) -> Response | None:
    routes, cors = stages(mode)
    routes.enter(one)
    return cors.enter(one)


def preflight(method: bytes, origin: bytes = APP) -> Exchange:
    asked = [(b"origin", origin), (b"access-control-request-method", method)]
    return exchange("OPTIONS", asked)


def test_a_preflight_is_answered_for_the_route_of_its_method() -> None:
    """Which is another one than that of OPTIONS."""
    answer = entered(preflight(b"POST"))
    assert answer is not None
    assert (answer.status, answer.headers.get(b"access-control-allow-origin")) == (204, APP)
    assert entered(preflight(b"PUT")) is None


def test_a_preflight_that_is_not_allowed_is_refused() -> None:
    """With a problem, and no field that would allow anything."""
    one = preflight(b"POST", b"https://evil.test")
    answer = entered(one)
    assert answer is not None
    assert answer.status == 403
    assert answer.headers.get(b"access-control-allow-origin") is None
    assert not any(name.startswith(b"access-control") for name, _ in one.added)


def test_in_shadow_the_origin_server_answers() -> None:
    """And it is recorded what would have been refused."""
    one = preflight(b"POST", b"https://evil.test")
    assert entered(one, Mode.SHADOW) is None
    verdict = one.verdicts[-1].verdict()
    assert (verdict.reason, verdict.mode) == (
        "the preflight asks for what is not allowed",
        Mode.SHADOW,
    )
    allowed = preflight(b"POST")
    assert entered(allowed, Mode.SHADOW) is None
    assert allowed.verdicts[-1].verdict().reason == "the preflight is allowed"
    plain = exchange("POST", [ORIGIN])
    assert entered(plain, Mode.SHADOW) is None
    assert len(plain.added) == 1


def test_every_answer_gets_the_fields() -> None:
    """Whatever comes of the request: they are among what is added to it."""
    one = exchange("POST", [ORIGIN])
    assert entered(one) is None
    assert (b"access-control-allow-origin", APP) in one.added


@pytest.mark.parametrize("headers", [[], [(b"access-control-request-method", b"POST")], [ORIGIN]])
def test_what_is_no_preflight_passes(headers: HeaderPairs) -> None:
    """An OPTIONS request of another kind is one like any other."""
    assert entered(exchange("OPTIONS", headers)) is None


def test_without_a_route_there_is_nothing_to_do() -> None:
    """The route stage may have failed."""
    assert stages()[1].enter(exchange("GET", [ORIGIN])) is None


def test_it_can_look_at_other_routes() -> None:
    """As the middleware does, which knows those of the app."""
    _routes, cors = stages()
    others = RouteStage(RouteTable([], default=replace(_default(), cors=CorsPolicy())))
    assert cors.with_routes(others).enter(preflight(b"POST")) is None


def _default() -> RouteRule:
    return RouteRule("default", "*", CachePolicy())
