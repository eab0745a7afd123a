"""How upstreams did, told to who chooses among them."""

import asyncio

import pytest

from lukhas.errors import UpstreamBusyError
from lukhas.gateway.measured_forwarding import MeasuredForwarding
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.routing.best_of import BestOf
from lukhas.policy.routing.upstream_race import UpstreamRace
from lukhas.testing.clock import ManualClock
from lukhas.units import MILLISECOND_NS


class Kit:
    """Forwarding that takes 20 ms, to what it is told to say."""

    def __init__(self, said: int | BaseException) -> None:
        self.clock = ManualClock()
        self.race = UpstreamRace(BestOf("r", ("a", "b"), (1, 1)), lambda _name: True)
        self.said = said
        self.forward = MeasuredForwarding(self._answer, self.clock.now_ns)
        head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers([]))
        self.exchange = Exchange(head, "192.0.2.1", self.clock.now_ns(), b"id")

    async def _answer(self, _exchange: Exchange) -> Response:
        self.clock.advance(ns=20 * MILLISECOND_NS)
        if isinstance(self.said, BaseException):
            raise self.said
        return Response(self.said, Headers([]), b"")

    def choose(self) -> tuple[int, ...]:
        """Sets its upstream; gives the requests in flight."""
        chosen = self.race.choose(
            (True, True), self.clock.now_ns(), place=0.0, glance=0.0, is_bound=False
        )
        self.exchange.best_of = chosen
        self.exchange.upstream = chosen.name
        return chosen.facts.in_flight

    def known(self) -> tuple[float, float, int]:
        a = self.race.figures(self.clock.now_ns())[0]
        return a.answers, a.failed, a.latency_ns // MILLISECOND_NS


@pytest.mark.parametrize(
    ("status", "known"), [(200, (1.0, 0.0, 20)), (499, (1.0, 0.0, 20)), (500, (1.0, 1.0, 0))]
)
async def test_answers_are_timed(status: int, known: tuple[float, float, int]) -> None:
    """One of 500 and more is a failure, and no figure of how long good ones take."""
    kit = Kit(status)
    kit.choose()
    assert (await kit.forward(kit.exchange)).status == status
    assert kit.known() == known
    assert kit.choose() == (0, 0)


async def test_no_answer_is_a_failure() -> None:
    """Also where none of the connections was free: who asks elsewhere gets one."""
    kit = Kit(UpstreamBusyError("a", "all connections are in use", sent=False))
    kit.choose()
    with pytest.raises(UpstreamBusyError):
        await kit.forward(kit.exchange)
    assert kit.known() == (1.0, 1.0, 0)


async def test_what_was_given_up_tells_nothing() -> None:
    """And is no longer in flight."""
    kit = Kit(asyncio.CancelledError())
    kit.choose()
    with pytest.raises(asyncio.CancelledError):
        await kit.forward(kit.exchange)
    assert kit.known() == (0.0, 0.0, 0)
    assert kit.choose() == (0, 0)


async def test_other_exchanges_are_not_timed() -> None:
    """Neither on other routes, nor where another upstream stands in."""
    kit = Kit(500)
    await kit.forward(kit.exchange)
    kit.choose()
    kit.exchange.upstream = "spare"
    await kit.forward(kit.exchange)
    assert kit.known() == (0.0, 0.0, 0)
