"""The middleware follows limits that were changed through the admin API of its state directory."""

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from lukhas.config.runtime_limits import RuntimeLimits, write_runtime_limits
from lukhas.config.settings import Settings
from lukhas.errors import ConfigError
from lukhas.hub.hub import Hub
from lukhas.middleware import OptimizerMiddleware, limit
from lukhas.policy.rate_limiting.tiers import Tier
from tests.unit.middleware.kit import client


async def left(http: httpx.AsyncClient) -> tuple[int, str]:
    """The status of a request, and its RateLimit without the times."""
    answer = await http.get("/")
    parts = answer.headers["ratelimit"].split(", ")
    return answer.status_code, " ".join(part.rpartition(";")[0] for part in parts)


def make_app(hub: Hub, mark: str = "route") -> FastAPI:
    app = FastAPI()
    app.get("/")(limit("8/hour", name=mark)(lambda: "ok"))
    app.add_middleware(OptimizerMiddleware, pipeline=hub)
    return app


async def test_the_routes_of_the_app_follow_and_keep_their_counts(tmp_path: Path) -> None:
    """Those of the tier and those of the marks."""
    hub = Hub(Settings.model_validate({"state_dir": tmp_path, "tiers": {"free": "10/hour"}}))
    async with client(make_app(hub)) as http:
        assert await left(http) == (200, '"free-hour";r=9 "route-hour";r=7')
        write_runtime_limits(tmp_path, RuntimeLimits().with_tier(Tier.FREE, "2/hour"))
        hub.apply_limits()
        assert await left(http) == (200, '"free-hour";r=0 "route-hour";r=6')
        assert await left(http) == (429, '"free-hour";r=0 "route-hour";r=6')


async def test_a_limit_whose_name_is_taken_by_a_mark_is_not_taken_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The limits stay as they are, and requests go on."""
    hub = Hub(Settings.model_validate({"state_dir": tmp_path, "tiers": {"free": "10/minute"}}))
    async with client(make_app(hub, "free")) as http:
        assert (await left(http))[0] == 200
        write_runtime_limits(tmp_path, RuntimeLimits().with_tier(Tier.FREE, "2/hour"))
        hub.apply_limits()
        for tier, route in ((8, 6), (7, 5), (6, 4)):
            assert await left(http) == (200, f'"free-minute";r={tier} "free-hour";r={route}')
    (record,) = [each for each in caplog.records if each.name == "lukhas.middleware"]
    assert "free-hour" in record.getMessage()


async def test_such_a_name_in_the_settings_is_refused_at_once(tmp_path: Path) -> None:
    """Nothing is in effect yet that could stay."""
    hub = Hub(Settings.model_validate({"state_dir": tmp_path, "tiers": {"free": "10/hour"}}))
    async with client(make_app(hub, "free")) as http:
        with pytest.raises(ConfigError, match="free-hour"):
            await http.get("/")


async def test_a_hub_of_its_own_follows_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its start to its end."""
    events: list[str] = []

    async def follow(self: Hub) -> None:
        events.append("follows")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("ends")

    monkeypatch.setattr(Hub, "follow_clock", follow)
    app = FastAPI()
    app.get("/")(lambda: "ok")
    middleware = OptimizerMiddleware(app, settings=Settings(state_dir=tmp_path))
    async with client(middleware) as http:
        await http.get("/")
    assert events == ["follows"]
    await middleware._close()
    await asyncio.sleep(0)
    assert events == ["follows", "ends"]
