"""The request as the upstream gets it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lukhas.gateway.body_stream import StreamedBody
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.exchange import Exchange

POOL = cast("UpstreamPool", SimpleNamespace(take_idle=None))


def asked(head: RequestHead, peer: str, number: int, client: str = "") -> Exchange:
    exchange = Exchange(head, peer, 0, b"id-%d" % number)
    exchange.client = client or peer
    return exchange


def get(*fields: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead("GET", "http", b"a.example", b"/x", b"", Headers(list(fields)))


def test_requests_with_one_head_differ_in_who_asks_and_in_their_ids() -> None:
    """What is kept of a head says nothing of the others that it came from."""
    forwarding, head = Forwarding(POOL), get((b"accept", b"*/*"))
    for number, peer in enumerate(["192.0.2.1", "192.0.2.1", "192.0.2.2", "unix", "192.0.2.1"]):
        sent = forwarding.head_of(asked(head, peer, number)).decode()
        assert sent == (
            "GET /x HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\nx-forwarded-host: a.example\r\n"
            f"x-forwarded-proto: http\r\nvia: 1.1 lukhas\r\nx-forwarded-for: {peer}\r\n"
            f"x-request-id: id-{number}\r\n\r\n"
        )


def test_what_a_trusted_peer_said_of_its_client_is_sent_on() -> None:
    """With the peer behind it; and what is kept of the head is that of the peer alone."""
    forwarding = Forwarding(POOL)
    head = get((b"x-forwarded-for", b"203.0.113.9"))
    sent = forwarding.head_of(asked(head, "192.0.2.1", 1, "203.0.113.9"))
    assert b"x-forwarded-for: 203.0.113.9, 192.0.2.1\r\n" in sent
    assert b"x-forwarded-for: 192.0.2.1\r\n" in forwarding.head_of(asked(head, "192.0.2.1", 2))


def test_one_head_may_go_to_several_servers() -> None:
    """Each with its own prefix and host."""
    head = get()
    one, other = Forwarding(POOL, prefix=b"/v1"), Forwarding(POOL, host=b"b.example")
    for _ in range(2):
        sent = one.head_of(asked(head, "192.0.2.1", 1))
        assert sent.startswith(b"GET /v1/x HTTP/1.1\r\nhost: a.example\r\n")
        sent = other.head_of(asked(head, "192.0.2.1", 1))
        assert sent.startswith(b"GET /x HTTP/1.1\r\nhost: b.example\r\n")


@pytest.mark.parametrize(
    ("payload", "framing"),
    [
        (None, b""),
        (b"", b"content-length: 0\r\n"),
        (b"abc", b"content-length: 3\r\n"),
        (cast("StreamedBody", SimpleNamespace(length=7)), b"content-length: 7\r\n"),
        (cast("StreamedBody", SimpleNamespace(length=None)), b"transfer-encoding: chunked\r\n"),
    ],
)
def test_the_body_is_framed_anew(payload: Any, framing: bytes) -> None:
    """By what is known of it."""
    sent = Forwarding(POOL)._head(asked(get(), "192.0.2.1", 1), payload)
    assert sent.endswith(b"\r\nx-request-id: id-1\r\n%b\r\n" % framing)
