"""The hub: its parts, their health, and settings turned into policies."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from lukhas.clock import SystemClock
from lukhas.config.settings import Settings
from lukhas.errors import StoreError
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.hub import Hub
from lukhas.hub.policies import limit_policies, route_table
from lukhas.identity.key_registry import open_key_registry
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.rate_limiting.tiers import Tier


class Failing:
    """A stage that fails as often as it is told to."""

    name = "failing"
    on_failure = FailureMode.OPEN

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        if self.errors:
            raise self.errors.pop()
        return await call_next(exchange)


async def fine(_exchange: Exchange) -> Response:
    return Response(200, Headers([]), b"fine")


def exchange(hub: Hub) -> Exchange:
    head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers([]))
    return hub.intake.exchange(head, "192.0.2.1")


async def test_a_contained_stage_is_degraded_until_it_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Health shows a failing stage, with what it raised, for as long as it fails."""
    stage = Failing(ValueError("v"), StoreError("s"))
    hub = Hub(Settings(state_dir=tmp_path), under_observe=(stage,))
    handler = hub.pipeline.around(fine)

    def part() -> tuple[str, str]:
        (found,) = [part for part in hub.parts() if part.name == "failing"]
        return found.state, found.detail

    assert part() == ("ok", "")
    assert (await handler(exchange(hub))).status == 200
    assert part() == ("degraded", "StoreError, 1 times")
    assert (await handler(exchange(hub))).status == 200
    assert part() == ("degraded", "ValueError, 2 times")
    assert (await handler(exchange(hub))).status == 200
    assert part() == ("ok", "")
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


async def test_two_hubs_share_nothing(tmp_path: Path) -> None:
    """Counters and entries belong to one hub."""
    settings = Settings.model_validate({"state_dir": tmp_path, "tiers": {"free": "1/hour"}})
    one, two = Hub(settings), Hub(settings)
    for hub in (one, two):
        handler = hub.pipeline.around(fine)
        assert (await handler(exchange(hub))).status == 200
        assert (await handler(exchange(hub))).status == 429


async def test_the_clock_is_followed(tmp_path: Path) -> None:
    """A system clock is kept in step with the wall clock; another is left alone."""
    following = asyncio.create_task(Hub(Settings(state_dir=tmp_path)).follow_clock())
    await asyncio.sleep(0)
    assert not following.done()
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following

    class Fixed:
        def now_ns(self) -> int:
            return SystemClock().now_ns()

    await Hub(Settings(state_dir=tmp_path), clock=Fixed()).follow_clock()


def test_limits_of_settings_and_routes() -> None:
    """General limits hold for all tiers but internal unless they name some; routes add theirs."""
    settings = Settings.model_validate(
        {
            "limits": [
                {"name": "all", "limits": "5/minute", "mode": "shadow", "by": "address"},
                {"name": "some", "limits": "5/minute", "tiers": ["internal"], "routes": ["r"]},
            ],
            "routes": [
                {"name": "r", "path": "/r", "limits": "1/s"},
                {"name": "s", "path": "/s", "hosts": ["S.example"], "body_bytes": 5},
            ],
        }
    )
    everybody, some, route = limit_policies(settings)
    assert everybody.mode is Mode.SHADOW
    assert Tier.INTERNAL not in everybody.tiers
    assert some.tiers == {Tier.INTERNAL}
    assert some.routes == {"r"}
    assert (route.name, route.routes) == ("r", frozenset(("r",)))
    match = route_table(settings).match("GET", b"s.example", b"/s")
    assert (match.rule.name, match.rule.body_bytes) == ("s", 5)


async def use(hub: Hub, key: str) -> Exchange:
    """A request with an API key."""
    fields = Headers([(b"x-api-key", key.encode())])
    head = RequestHead("GET", "http", b"a", b"/", b"", fields)
    exchange = hub.intake.exchange(head, "127.0.0.1")
    assert (await hub.pipeline.around(fine)(exchange)).status == 200
    return exchange


async def test_a_lost_key_table_is_made_again_from_the_registry(tmp_path: Path) -> None:
    """The LMDB table is a projection: without it, keys that exist must not be refused."""
    async with open_key_registry(tmp_path, clock=SystemClock()) as registry:
        issued = await registry.create("shop", Tier.PREMIUM)
    for file in tmp_path.glob("keys.lmdb*"):  # noqa: ASYNC240 - a test
        file.unlink()
    hub = Hub(Settings(state_dir=tmp_path))
    await hub.start()
    try:
        exchange = await use(hub, issued.text)
        assert exchange.consumer is not None
        assert exchange.consumer.tier is Tier.PREMIUM
    finally:
        await hub.close()


@pytest.mark.parametrize("outlived", [True, False])
async def test_uses_of_keys_are_noted_for_an_admin_process(
    tmp_path: Path, *, outlived: bool
) -> None:
    """And for nobody else: they would pile up."""
    async with open_key_registry(tmp_path, clock=SystemClock()) as registry:
        issued = await registry.create("shop", Tier.PREMIUM)
    hub = Hub(Settings(state_dir=tmp_path), outlived=outlived)
    assert hub.key_uses() == {}
    await hub.start()
    try:
        exchange = await use(hub, issued.text)
        noted = {issued.record.key_id: exchange.now_ns} if outlived else {}
        assert hub.key_uses() == noted
        assert hub.key_uses() == {}
    finally:
        await hub.close()
    assert hub.key_uses() == {}
