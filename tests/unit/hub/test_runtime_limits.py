"""A hub follows limits that were changed at run time."""

import asyncio
from pathlib import Path

import pytest

from lukhas.config.runtime_limits import RuntimeLimits, write_runtime_limits
from lukhas.config.settings import Settings
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.hub import Hub
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.rate_limiting.tiers import Tier


def make_hub(state_dir: Path, free: str = "10/hour") -> Hub:
    return Hub(Settings.model_validate({"state_dir": state_dir, "tiers": {"free": free}}))


async def ask(hub: Hub) -> tuple[int, str]:
    """The status of a request, and what the limit's field says is left."""

    async def fine(_exchange: Exchange) -> Response:
        return Response(200, Headers([]), b"fine")

    head = RequestHead("GET", "http", b"a.example", b"/", b"", Headers([]))
    exchange = hub.intake.exchange(head, "192.0.2.1")
    response = await hub.pipeline.around(fine)(exchange)
    field = dict(exchange.added).get(b"ratelimit", b";;").decode()
    return response.status, field.split(";")[1]


async def test_what_was_used_stays_counted(tmp_path: Path) -> None:
    """A smaller quota counts it, and so does a larger one."""
    hub = make_hub(tmp_path)
    assert [await ask(hub) for _ in range(3)] == [(200, "r=9"), (200, "r=8"), (200, "r=7")]
    limits = RuntimeLimits().with_tier(Tier.FREE, "4/hour")
    write_runtime_limits(tmp_path, limits)
    hub.apply_limits()
    assert [await ask(hub) for _ in range(2)] == [(200, "r=0"), (429, "r=0")]
    limits = limits.with_tier(Tier.FREE, "6/hour; 100/day")
    write_runtime_limits(tmp_path, limits)
    hub.apply_limits()
    assert (await ask(hub)) == (200, "r=1")
    write_runtime_limits(tmp_path, limits.with_tier(Tier.FREE, None))
    hub.apply_limits()
    assert (await ask(hub)) == (200, "")
    write_runtime_limits(tmp_path, limits.without_tier(Tier.FREE))
    hub.apply_limits()
    assert (await ask(hub)) == (200, "r=4")


async def test_they_survive_a_restart(tmp_path: Path) -> None:
    """A new hub starts with them."""
    write_runtime_limits(tmp_path, RuntimeLimits().with_tier(Tier.FREE, "4/hour"))
    hub = make_hub(tmp_path)
    await hub.start(with_keys=False)
    assert await ask(hub) == (200, "r=3")
    await hub.close()


async def test_they_are_followed_with_the_clock(tmp_path: Path) -> None:
    """Once a second."""
    write_runtime_limits(tmp_path, RuntimeLimits().with_tier(Tier.FREE, "4/hour"))
    hub = make_hub(tmp_path)
    following = asyncio.create_task(hub.follow_clock())
    await asyncio.sleep(0)
    assert await ask(hub) == (200, "r=3")
    following.cancel()


async def test_what_cannot_be_taken_up_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken file, and limits that need a stage that is not there; told once."""
    hub = make_hub(tmp_path)
    (tmp_path / "limits.json").write_text("broken", encoding="utf-8")
    hub.apply_limits()
    hub.apply_limits()
    write_runtime_limits(tmp_path, RuntimeLimits().with_tier(Tier.FREE, "4 concurrent"))
    hub.apply_limits()
    assert await ask(hub) == (200, "r=9")
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


async def test_a_change_that_makes_no_difference_keeps_the_plans(tmp_path: Path) -> None:
    """Nothing is worked out again."""
    hub = make_hub(tmp_path)
    rules = hub._limits.rules
    write_runtime_limits(tmp_path, RuntimeLimits().with_tier(Tier.FREE, "10/hour"))
    hub.apply_limits()
    assert hub._limits.rules is rules
