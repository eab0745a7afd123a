"""A gateway in front of a scriptable origin, on uvloop and on asyncio."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.integration.gateway.kit import Gateway, gateway


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that the gateway runs on."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with default limits on what clients send, and no rate limits."""
    async with gateway(tmp_path) as running:
        yield running
        assert running.state.unhandled == 0
