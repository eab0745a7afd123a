"""The admit stage around a wrapped app."""

import asyncio
from typing import Any

from lukhas.pipeline.stages.admit import AdmitSettings, AdmitStage
from lukhas.policy.overload.gradient import GradientSettings
from lukhas.policy.overload.shedding import TierShare
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.telemetry.recorder import Recorder
from tests.unit.middleware.kit import HandClock, client, optimized


def admit() -> AdmitStage:
    shares = tuple(TierShare(tier, 20, number) for number, tier in enumerate(Tier))
    settings = AdmitSettings(shares, GradientSettings(1, 1, 1))
    return AdmitStage(settings, HandClock(), Recorder())


async def test_an_app_gets_no_more_than_it_can_do() -> None:
    """While it works on one request the next is refused; a stream is work until its end."""
    stage = admit()
    go, begun = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        if scope["path"] == "/slow":
            begun.set()
            await go.wait()
        if scope["path"] == "/broken":
            raise RuntimeError("broken")
        await send({"type": "http.response.body", "body": b"b"})

    wrapped = optimized(app, inner=[stage])
    async with client(wrapped, raises=False) as http:
        slow = asyncio.ensure_future(http.get("/slow"))
        await begun.wait()
        assert (await http.get("/other")).status_code == 503
        go.set()
        assert (await slow).text == "ab"
        assert (await http.get("/broken")).status_code == 200
        assert (await http.get("/other")).text == "ab"
    assert stage.doors[0].gate.standing.total == 0


async def test_an_app_that_fails_holds_nothing() -> None:
    """Before its response head, too."""
    stage = admit()

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("broken")

    async with client(optimized(app, inner=[stage]), raises=False) as http:
        assert [(await http.get("/")).status_code for _ in range(2)] == [500, 500]
    assert stage.doors[0].gate.standing.total == 0
