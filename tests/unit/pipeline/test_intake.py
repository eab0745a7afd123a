"""Where exchanges begin."""

from collections.abc import AsyncIterator

import pytest

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.pipeline.intake import Intake
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.testing.clock import ManualClock


def head(*fields: tuple[str, str]) -> RequestHead:
    return RequestHead("GET", "http", b"api.test", b"/a", b"", Headers.of(fields))


def test_an_exchange_gets_the_time_of_its_arrival() -> None:
    """From the clock, each its own."""
    clock = ManualClock(now_ns=5)
    intake = Intake(clock, "w1")
    assert intake.exchange(head(), "192.0.2.1").now_ns == 5
    clock.advance(ns=2)
    assert intake.exchange(head(), "192.0.2.1").now_ns == 7


def test_ids_are_made_from_the_prefix_and_a_number() -> None:
    """Hexadecimal, from 1, and never twice in a process."""
    intake = Intake(ManualClock(), "w1")
    ids = [intake.exchange(head(), "192.0.2.1").request_id for _ in range(17)]
    assert ids[0] == b"w1-1"
    assert ids[9] == b"w1-a"
    assert ids[16] == b"w1-11"
    assert len(set(ids)) == 17


def test_the_clients_id_is_kept() -> None:
    """And no number is used up for it."""
    intake = Intake(ManualClock(), "w1")
    assert intake.exchange(head(("X-Request-ID", "abc-1")), "").request_id == b"abc-1"
    assert intake.exchange(head(), "").request_id == b"w1-1"


@pytest.mark.parametrize("sent", ["", "a b", 'a"b', "<x>", "a" * 129, "é"])
def test_an_id_that_is_none_is_replaced(sent: str) -> None:
    """It would end up in logs and headers."""
    one = Intake(ManualClock(), "w1").exchange(head(("X-Request-ID", sent)), "")
    assert one.request_id == b"w1-1"
    assert one.added == [(b"x-request-id", b"w1-1")]


def test_body_and_consumer_are_handed_on() -> None:
    """With head and peer."""
    consumer = Consumer("user:1", Tier.BASIC)
    intake = Intake(ManualClock(), "w1")
    one = head()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    body = pieces()
    made = intake.exchange(one, "192.0.2.7", body=body, asserted=consumer)
    assert (made.head, made.peer, made.client) == (one, "192.0.2.7", "192.0.2.7")
    assert made.body is body
    assert made.asserted is consumer
    plain = intake.exchange(one, "192.0.2.7")
    assert (plain.body, plain.asserted) == (None, None)
