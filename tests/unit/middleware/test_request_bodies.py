"""Request bodies between the server, the stages and the app."""

import pytest

from lukhas.errors import BodyAbortedError
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead
from lukhas.middleware.relay import Message
from lukhas.middleware.request_bodies import ReceivedBody, has_body, receiving


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("GET", [], False),
        ("GET", [(b"content-length", b"3")], True),
        ("POST", [(b"content-length", b"0")], False),
        ("GET", [(b"transfer-encoding", b"chunked")], True),
        ("PATCH", [], True),
    ],
)
def test_the_head_tells_of_a_body(method: str, fields: HeaderPairs, *, expected: bool) -> None:
    """By length or coding; over HTTP/2 there is neither, so by the method."""
    head = RequestHead(method, "http", b"a", b"/", b"", Headers(fields))
    assert has_body(head) is expected


class Server:
    """Hands out messages, and then that the client is gone."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)

    async def __call__(self) -> Message:
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}


async def test_pieces_come_until_the_last() -> None:
    """Empty ones are left out, and nothing is asked for behind the end."""
    server = Server(
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": True},
        {"type": "http.request", "body": b"b"},
    )
    body = ReceivedBody(server)
    assert [piece async for piece in body] == [b"a", b"b"]
    assert [piece async for piece in body] == []


async def test_a_client_that_goes_away_is_told_to_the_reader_and_to_the_app() -> None:
    """To the app in the words of ASGI."""
    body = ReceivedBody(Server({"type": "http.request", "body": b"a", "more_body": True}))
    receive = receiving(body, Server())
    assert (await receive())["body"] == b"a"
    assert (await receive())["type"] == "http.disconnect"
    with pytest.raises(BodyAbortedError):
        await anext(ReceivedBody(Server()))


async def test_behind_the_body_the_app_hears_the_server() -> None:
    """Such as that the client is gone."""
    receive = receiving(b"whole", Server())
    assert await receive() == {"type": "http.request", "body": b"whole", "more_body": False}
    assert (await receive())["type"] == "http.disconnect"
