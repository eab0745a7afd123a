"""The ETags that cached routes get, and what is not held back for them."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from lukhas.middleware import cache
from tests.unit.middleware.kit import Wire, add, call, http_scope
from tests.unit.middleware.stages import body, start


def cached(*messages: Any, fails: bool = False) -> Starlette:
    """An app with a cached route that sends these messages."""

    class Endpoint:
        async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
            for message in messages:
                await send(message)
            if fails:
                raise LookupError("the app's own")

    app = Starlette(routes=[Route("/", cache(ttl_s=60)(Endpoint()))])
    add(app)
    return app


def tags(wire: Wire) -> list[bytes]:
    return [value for name, value in wire.headers if name == b"etag"]


async def test_a_whole_body_gets_an_etag() -> None:
    """The same body has the same weak tag, another body another one."""
    one, same, other = [
        await call(cached(start(), body(content))) for content in (b"a", b"a", b"b")
    ]
    assert tags(one) == tags(same) != tags(other)
    assert tags(one)[0].startswith(b'W/"')
    assert (one.kinds, one.body) == (["start", "body"], b"a")


@pytest.mark.parametrize(
    "head",
    [
        start(200, (b"etag", b'"own"')),
        start(201),
        start(200, (b"content-type", b"text/event-stream; charset=utf-8")),
    ],
)
async def test_others_get_none(head: Any) -> None:
    """An answer that has a tag keeps it; what is no 200, or a stream of events, gets none."""
    wire = await call(cached(head, body(b"a")))
    assert tags(wire) in ([], [b'"own"'])


async def test_head_requests_get_none() -> None:
    """There is no body to make the tag of."""
    assert tags(await call(cached(start(), body(b"")), http_scope(method="HEAD"))) == []


async def test_a_body_in_pieces_gets_none_and_is_stored() -> None:
    """A stream passes as it comes, and is answered from the store afterwards."""
    app = cached(start(), body(b"a", more=True), body(b"b"))
    first, second = await call(app), await call(app)
    assert (tags(first), first.body, second.body) == ([], b"ab", b"ab")
    assert first.kinds == ["start", "body", "body"]
    assert dict(second.headers)[b"cache-status"].startswith(b"lukhas; hit")


async def test_a_body_that_the_server_sends_gets_none() -> None:
    """The head of a file goes out when the file does."""
    wire = await call(cached(start(), {"type": "http.response.pathsend", "path": "/file"}))
    assert (tags(wire), wire.kinds) == ([], ["start", "pathsend"])
    assert wire.sent[1] == {"type": "http.response.pathsend", "path": "/file"}


@pytest.mark.parametrize("messages", [(), (start(),)])
async def test_an_app_that_fails_while_its_head_is_held(messages: Any) -> None:
    """Nothing has gone out, so the error can still become a 500."""
    wire = Wire()
    with pytest.raises(LookupError):
        await cached(*messages, fails=True)(http_scope(), wire.receive, wire.send)
    assert wire.status == 500


async def test_an_app_that_returns_while_its_head_is_held() -> None:
    """A head without a body is no response."""
    assert (await call(cached(start()))).sent == []


async def test_messages_out_of_order_reach_the_server() -> None:
    """What the app does wrong is the server's to judge."""
    file = {"type": "http.response.pathsend", "path": "/file"}
    wire = await call(cached(body(b"early"), file, start(201), start(202), body(b"x"), body(b"y")))
    assert wire.kinds == ["body", "pathsend", "start", "start", "body", "body"]
