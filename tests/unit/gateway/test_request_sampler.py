"""Requests that are looked at closely."""

import asyncio
from typing import Any, cast

import pytest

from lukhas.gateway.front_state import FrontState
from lukhas.gateway.request_sampler import RequestSampler
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from tests.unit.pipeline.kit import known


class State:
    """What the sampler needs of a front state."""

    def __init__(self) -> None:
        self.ways: list[str] = []
        self.take: Any = self.plain
        self.known: Any = "known"

    def plain(self, _exchange: Exchange) -> Response:
        self.ways.append("plain")
        return Response(200, Headers([]), b"")

    def timed(self, _exchange: Exchange) -> Response:
        self.ways.append("timed")
        return Response(200, Headers([]), b"")


def sampler_of(state: State, *, per_second: float = 1.0) -> RequestSampler:
    front = cast("FrontState", state)
    return RequestSampler(front, state.timed, per_second=per_second, draw=lambda: 0.5)


def test_one_request_goes_the_other_way() -> None:
    """And the next one as before."""
    state = State()
    sampler = sampler_of(state)
    state.take(known())
    sampler.arm()
    sampler.arm()
    assert state.known is None  # Nor is it answered as one before.
    state.take(known())
    assert state.known == "known"
    state.take(known())
    assert state.ways == ["plain", "timed", "plain"]


async def test_it_arms_itself_until_it_is_cancelled() -> None:
    """Again and again."""
    state = State()
    plain = state.take
    running = asyncio.create_task(sampler_of(state, per_second=100_000.0).run())
    for _ in range(2):
        async with asyncio.timeout(5):
            while state.take == plain:  # noqa: ASYNC110 - what is waited for knows of no event
                await asyncio.sleep(0)
        state.take(known())
        assert state.take == plain
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
