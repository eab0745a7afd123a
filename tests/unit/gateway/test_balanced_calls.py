"""Calls to one of several targets: what is known of these is kept up without a coroutine."""

import asyncio
from typing import Any, cast

import pytest

from lukhas.errors import UpstreamBusyError
from lukhas.gateway.balanced_forwarding import BalancedForwarding
from lukhas.gateway.dialling import Dial
from lukhas.gateway.direct_call import DirectCall
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.target_selection import Target, TargetSelection
from lukhas.gateway.upstream_connection import UpstreamConnection, UpstreamTimeouts
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Waiting, start
from lukhas.policy.balancing.balancer import Candidate
from lukhas.policy.balancing.loads import Load
from lukhas.policy.balancing.round_robin import RoundRobin
from lukhas.policy.breaker import BreakerSettings
from lukhas.policy.resilience.hedging import HedgeSettings
from lukhas.policy.resilience.retries import RetrySettings
from lukhas.testing.clock import ManualClock
from lukhas.units import SECOND_NS
from tests.unit.gateway.test_direct_call import PLAIN, Waits
from tests.unit.gateway.transport_kit import Transport
from tests.unit.pipeline.kit import NOW_NS, exchange

FAULT = PLAIN.replace(b"200 OK", b"503 X")
RETRIES = RetrySettings(tries=2, least_a_second=1000, first_pause_ns=0, longest_pause_ns=0)


class Balanced:
    """Two targets in turn, with an idle connection to each, whose other ends are a test."""

    def __init__(self, **options: Any) -> None:
        self.connections: list[UpstreamConnection] = []
        self.pools: list[UpstreamPool] = []
        self.loads = [Load(), Load()]
        targets = [
            Target(Candidate(f"t{number}", load), Forwarding(self._pool()))
            for number, load in enumerate(self.loads)
        ]
        selection = TargetSelection(targets, balancer=RoundRobin(), draw=lambda: 0.5)
        self.clock = ManualClock(NOW_NS)
        self.forwarding = BalancedForwarding(
            "shop",
            selection,
            clock=self.clock,
            draw=lambda: 0.5,
            retries=options.pop("retries", RETRIES),
            **options,
        )

    def _pool(self) -> UpstreamPool:
        async def dial(make: Any) -> Any:
            connection = make()
            connection.connection_made(Transport())
            self.connections.append(connection)
            return None, connection

        pool = UpstreamPool("shop", cast("Dial", dial), timeouts=UpstreamTimeouts())
        self.pools.append(pool)
        return pool

    async def __aenter__(self) -> "Balanced":
        for pool in self.pools:
            pool._freed(await pool.open())
        return self

    async def __aexit__(self, *_: object) -> None:
        for pool in self.pools:
            pool.close()
        assert [load.in_flight for load in self.loads] == [0, 0]

    def asks(self, waits: Waits | None) -> DirectCall:
        call = self.forwarding(exchange())
        assert type(call) is DirectCall
        call.taker = waits
        return call

    def says(self, data: bytes) -> None:
        """The target that was asked says this."""
        for connection in self.connections:
            if connection._call is not None:
                connection.data_received(data)
                return
        raise AssertionError("nobody was asked")


@pytest.mark.parametrize("hedges", [None, HedgeSettings()])
async def test_a_whole_answer_of_a_target_needs_no_coroutine(hedges: HedgeSettings | None) -> None:
    """The target is in work meanwhile, and its latency is known afterwards."""
    async with Balanced(hedges=hedges) as balanced:
        for number in range(2):
            waits = Waits()
            balanced.asks(waits)
            assert balanced.loads[number].in_flight == 1
            balanced.clock.advance(seconds=1)
            balanced.says(PLAIN)
            assert [status for _, status, _ in waits.answers] == [200]
            assert balanced.loads[number].latency_ns == SECOND_NS
            assert (waits.resumed, balanced.loads[number].in_flight) == (0, 0)


async def test_an_answer_that_is_not_taken_is_asked_for_again() -> None:
    """At the other target, by the coroutine that is made then."""
    async with Balanced() as balanced:
        waits = Waits()
        call = balanced.asks(waits)
        balanced.says(FAULT)
        assert (waits.answers, waits.resumed) == ([], 1)
        assert isinstance(start(call), Waiting)
        assert [load.in_flight for load in balanced.loads] == [0, 1]
        balanced.says(PLAIN)
        response = start(call)
        assert isinstance(response, Response)
        assert response.status == 200
        outcomes = [each.verdict().reason for each in call.exchange.verdicts]
        assert outcomes == [
            "an answer that is not taken: asked again",
            "answered when asked again",
        ]


async def test_a_target_that_breaks_off_is_passed_over() -> None:
    """Its request goes to the other one."""
    async with Balanced() as balanced:
        waits = Waits()
        call = balanced.asks(waits)
        balanced.says(b"nonsense\r\n\r\n")
        assert waits.resumed == 1
        assert isinstance(start(call), Waiting)
        balanced.says(PLAIN)
        assert isinstance(start(call), Response)


async def test_a_call_that_is_given_up_leaves_its_target() -> None:
    """It tells nothing about that."""
    async with Balanced(breaker=BreakerSettings()) as balanced:
        call = balanced.asks(Waits())
        with pytest.raises(asyncio.CancelledError):
            call.throw(asyncio.CancelledError())
        assert balanced.loads[0].latency_ns == 0


async def test_the_breaker_hears_of_answers_that_pass() -> None:
    """Of faults, until it opens; then nobody is asked; and of the trial that closes it."""
    breaker = BreakerSettings(failures=2, pause_ns=SECOND_NS)
    taken = RetrySettings(statuses=frozenset())
    async with Balanced(breaker=breaker, retries=taken) as balanced:
        for _ in range(2):
            waits = Waits()
            balanced.asks(waits)
            balanced.says(FAULT)
            assert [status for _, status, _ in waits.answers] == [503]
        with pytest.raises(UpstreamBusyError, match="left alone"):
            await balanced.forwarding(exchange())
        balanced.clock.advance(seconds=1)
        for _ in range(2):
            balanced.asks(Waits())
            balanced.says(PLAIN)
