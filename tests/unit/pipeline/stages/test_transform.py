"""The transform and redirect stages."""

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.redirect import RedirectStage
from lukhas.pipeline.stages.transform import TransformStage
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.cors import CorsPolicy
from lukhas.policy.field_rules import FieldRules
from lukhas.policy.modes import Mode
from lukhas.policy.routing.rewriting import Redirect, pattern_of
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.policy.routing.transformation import Transformation
from tests.unit.pipeline.kit import NOW_NS

CORS = CorsPolicy(Mode.ENFORCE, ("*",))


def exchange(rule: RouteRule | None, *, scheme: str = "http") -> Exchange:
    head = RequestHead("GET", scheme, b"api.test", b"/items/7", b"a=1", Headers([(b"x", b"1")]))
    one = Exchange(head, "192.0.2.1", NOW_NS, b"id-1")
    one.route = None if rule is None else RouteMatch(rule, (b"7",))
    return one


def rule(
    transformation: Transformation | None = None,
    *,
    cors: CorsPolicy | None = None,
    redirect: Redirect | None = None,
) -> RouteRule:
    return RouteRule(
        "items",
        "/items/{id}",
        CachePolicy(),
        cors=cors or CorsPolicy(),
        transformation=transformation or Transformation(),
        redirect=redirect,
    )


async def through(one: Exchange, answer: Response) -> tuple[RequestHead, Response]:
    seen = []

    async def handler(passed: Exchange) -> Response:
        seen.append(passed.head)
        return answer

    response = await TransformStage()(one, handler)
    return seen[0], response


async def test_the_origin_sees_the_changed_request() -> None:
    """Path and fields; for everybody outside, the request is what the client sent."""
    changes = Transformation(
        request=FieldRules(removed=frozenset((b"x",)), set=((b"y", b"2"),)),
        rewrite=pattern_of("/v2/{id}", "/items/{id}"),
    )
    one = exchange(rule(changes))
    asked = one.head
    seen, response = await through(one, Response(200, Headers([])))
    assert (seen.path, seen.query, seen.headers.raw) == (b"/v2/7", b"a=1", [(b"y", b"2")])
    assert one.head is asked
    assert response.status == 200


async def test_the_answer_is_changed_before_it_is_stored() -> None:
    """And what was made ready to be sent is made anew."""
    changes = Transformation(response=FieldRules(removed=frozenset((b"server",))))
    answer = Response(200, Headers([(b"server", b"x"), (b"a", b"1")]), ready_head=b"HTTP/1.1 200")
    _seen, response = await through(exchange(rule(changes)), answer)
    assert (response.headers.raw, response.ready_head) == ([(b"a", b"1")], None)


async def test_where_nothing_changes_nothing_is_touched() -> None:
    """The same head, the same fields."""
    answer = Response(200, Headers([(b"a", b"1")]), ready_head=b"HTTP/1.1 200")
    for one in (exchange(rule()), exchange(None)):
        seen, response = await through(one, answer)
        assert seen is one.head
        assert response.ready_head == b"HTTP/1.1 200"


async def test_the_cors_fields_of_the_origin_are_taken_off() -> None:
    """Where ours are put on; twice the same would be refused by browsers."""
    answer = Response(200, Headers([(b"access-control-allow-origin", b"https://x.test")]))
    _seen, response = await through(exchange(rule(cors=CORS)), answer)
    assert response.headers.raw == []


@pytest.mark.parametrize(("scheme", "told"), [("https", b"max-age=60"), ("http", None)])
async def test_rfc_6797_7_2_strict_transport_is_only_for_https(
    scheme: str, told: bytes | None
) -> None:
    """And what the origin says itself stays."""
    one = exchange(rule(Transformation(hsts=b"max-age=60")), scheme=scheme)
    _seen, response = await through(one, Response(200, Headers([])))
    assert response.headers.get(b"strict-transport-security") == told
    own = Response(200, Headers([(b"strict-transport-security", b"max-age=1")]))
    _seen, response = await through(one, own)
    assert response.headers.get_all(b"strict-transport-security") == [b"max-age=1"]


async def test_a_failure_leaves_the_request_as_it_was() -> None:
    """A stage outside may answer in place of the handler."""
    one = exchange(rule(Transformation(rewrite=pattern_of("/x", "/items/{id}"))))
    asked = one.head

    async def handler(_passed: Exchange) -> Response:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await TransformStage()(one, handler)
    assert one.head is asked


def test_a_redirect_answers() -> None:
    """With the parameters and the query."""
    to = Redirect(pattern_of("/v2/{id}", "/items/{id}"), 307)
    answer = RedirectStage().enter(exchange(rule(redirect=to)))
    assert answer is not None
    assert (answer.status, answer.headers.get(b"location")) == (307, b"/v2/7?a=1")
    assert RedirectStage().enter(exchange(rule())) is None
    assert RedirectStage().enter(exchange(None)) is None
