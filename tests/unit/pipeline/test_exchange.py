"""Exchanges."""

from collections.abc import AsyncIterator

from lukhas.pipeline.exchange import Exchange
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier
from tests.unit.pipeline.kit import NOW_NS, exchange


def test_a_new_exchange_knows_only_what_came_in() -> None:
    """The client is the peer until somebody finds out more; the id goes back to the client."""
    one = exchange()
    assert (one.client, one.peer, one.now_ns) == ("192.0.2.1", "192.0.2.1", NOW_NS)
    assert one.added == [(b"x-request-id", b"id-1")]
    assert (one.body, one.asserted, one.consumer, one.route) == (None, None, None, None)
    assert (one.limit, one.response, one.cache_result, one.depth) == (None, None, "", 0)
    assert one.verdicts == []


def test_exchanges_share_nothing() -> None:
    """What is added to one does not appear in another."""
    one, other = exchange(), exchange()
    one.added.append((b"a", b"b"))
    one.verdicts.append(None)  # type: ignore[arg-type]
    assert len(other.added) == 1
    assert other.verdicts == []


def test_an_exchange_keeps_body_and_asserted_consumer() -> None:
    """As they are given."""
    consumer = Consumer("user:1", Tier.BASIC)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    body = pieces()
    one = Exchange(exchange().head, "192.0.2.9", 5, b"id", body, consumer)
    assert one.body is body
    assert one.asserted is consumer
