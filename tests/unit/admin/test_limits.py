"""The limits in effect, and changes of those of the tiers, over HTTP."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.limits import limits_router
from lukhas.admin.state import AdminState
from lukhas.config.runtime_limits import RuntimeLimits, read_runtime_limits
from lukhas.config.settings import Settings
from lukhas.policy.rate_limiting.tiers import Tier
from tests.unit.admin.conftest import TOKEN

FREE = "/api/v1/limits/tiers/free"


def make_settings(state_dir: Path, **more: Any) -> Settings:
    return Settings.model_validate(
        {
            "state_dir": state_dir,
            "tiers": {"free": "9/minute; 99/hour"},
            "limits": [{"name": "chat", "limits": "5/second", "cost": "messages"}],
            **more,
        }
    )


def client_of(state: AdminState, settings: Settings, *, token: str = TOKEN) -> httpx.AsyncClient:
    app = create_admin_app(
        state, token=AdminToken(TOKEN, "settings"), routers=[limits_router(settings)]
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=("192.0.2.9", 40000)),
        base_url="http://admin.test",
        headers={"authorization": f"Bearer {token}"},
    )


@pytest.fixture
async def http(state: AdminState, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an admin app over an empty state directory."""
    async with client_of(state, make_settings(tmp_path)) as client:
        yield client


async def test_all_limits_in_effect_are_listed(http: httpx.AsyncClient) -> None:
    """Tiers with their source, and policies with what they count."""
    found = (await http.get("/api/v1/limits")).json()
    assert (found["version"], found["mode"]) == (0, "enforce")
    assert found["tiers"][0] == {
        "tier": "free",
        "limits": "9/minute; 99/hour",
        "source": "settings",
        "settings": "9/minute; 99/hour",
        "names": ["free-minute", "free-hour"],
    }
    assert [tier["tier"] for tier in found["tiers"]] == [tier.value for tier in Tier]
    assert found["tiers"][-1]["limits"] is None
    (policy,) = found["policies"]
    assert (policy["name"], policy["limits"], policy["cost"]) == ("chat", ["5/second"], "messages")
    assert policy["tiers"] == ["free", "basic", "premium", "enterprise"]


async def test_a_change_is_kept_and_told(
    http: httpx.AsyncClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was before and what is after; in the answer, the file and the log."""
    caplog.set_level(logging.INFO, "lukhas.audit")
    answer = await http.put(FREE, json={"limits": "5/minute"})
    assert answer.status_code == 200
    change = answer.json()
    assert (change["version"], change["applied"]) == (1, True)
    assert (change["before"]["limits"], change["before"]["source"]) == (
        "9/minute; 99/hour",
        "settings",
    )
    assert (change["after"]["limits"], change["after"]["source"]) == ("5/minute", "admin API")
    assert read_runtime_limits(tmp_path) == RuntimeLimits(1, {Tier.FREE: "5/minute"})
    assert caplog.records[0].getMessage() == (
        "limits of tier free changed by admin from 192.0.2.9: '9/minute; 99/hour' (settings) -> "
        "'5/minute' (admin API), version 1"
    )
    assert (await http.get("/api/v1/limits")).json()["tiers"][0]["limits"] == "5/minute"

    same = (await http.put(FREE, json={"limits": "5/minute"})).json()
    assert (same["version"], same["applied"]) == (1, False)
    free = (await http.put(FREE, json={"limits": None})).json()
    assert (free["version"], free["after"]["limits"], free["after"]["names"]) == (2, None, [])
    back = (await http.delete(FREE)).json()
    assert (back["version"], back["after"]["source"]) == (3, "settings")
    assert (await http.delete(FREE)).json()["applied"] is False
    assert read_runtime_limits(tmp_path) == RuntimeLimits(3)
    assert "no limit (admin API)" in caplog.records[-1].getMessage()
    assert len(caplog.records) == 3


async def test_a_dry_run_changes_nothing(
    http: httpx.AsyncClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It only tells what would be."""
    caplog.set_level(logging.INFO, "lukhas.audit")
    change = (await http.put(f"{FREE}?dry_run=true", json={"limits": "5/minute"})).json()
    assert (change["version"], change["applied"]) == (1, False)
    assert change["after"]["limits"] == "5/minute"
    assert read_runtime_limits(tmp_path) == RuntimeLimits()
    assert not caplog.records
    wrong = await http.put(f"{FREE}?dry_run=true", json={"limits": "often"})
    assert wrong.status_code == 422


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("often", "'often' is not a limit"),
        ("", "'' holds no limit"),
        ("5/minute; 3/hour", "3/hour can never let 5/minute be reached"),
        ("5 concurrent", "limits on requests in flight cannot be added while workers run"),
    ],
)
async def test_limits_that_cannot_be_are_refused_with_their_place(
    http: httpx.AsyncClient, tmp_path: Path, text: str, reason: str
) -> None:
    """As a problem: what, where, what to do."""
    answer = await http.put(FREE, json={"limits": text})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert problem["type"] == "urn:lukhas:problem:invalid-limits"
    assert (problem["place"], problem["reason"]) == ("tiers.free", reason)
    assert problem["hint"]
    assert problem["detail"].startswith(f"tiers.free: {reason}")
    assert read_runtime_limits(tmp_path) == RuntimeLimits()


async def test_requests_in_flight_can_be_limited_where_they_are_already(
    state: AdminState, tmp_path: Path
) -> None:
    """The workers then have the stage for it."""
    settings = make_settings(tmp_path, tiers={"basic": "20 concurrent"})
    async with client_of(state, settings) as http:
        answer = await http.put(FREE, json={"limits": "5 concurrent"})
    assert answer.json()["after"]["names"] == ["free-concurrent"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/v1/limits/tiers/gold", {"limits": "1/minute"}), (FREE, {}), (FREE, {"limit": "x"})],
)
async def test_requests_that_mean_nothing_are_refused(
    http: httpx.AsyncClient, path: str, body: Any
) -> None:
    """An unknown tier, a body without limits, an unknown member."""
    answer = await http.put(path, json=body)
    assert (answer.status_code, answer.json()["status"]) == (422, 422)


async def test_a_file_that_cannot_be_used_is_a_503(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """And stays as it is."""
    (tmp_path / "limits.json").write_text("mine", encoding="utf-8")
    for answer in (
        await http.get("/api/v1/limits"),
        await http.put(FREE, json={"limits": "5/minute"}),
    ):
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:lukhas:problem:limits-unavailable"
    assert (tmp_path / "limits.json").read_text(encoding="utf-8") == "mine"


async def test_nobody_else_may_see_or_change_them(state: AdminState, tmp_path: Path) -> None:
    """Like the rest of the admin API."""
    async with client_of(state, make_settings(tmp_path), token="a wrong token") as http:
        assert (await http.get("/api/v1/limits")).status_code == 401
        assert (await http.put(FREE, json={"limits": "5/minute"})).status_code == 401
    assert read_runtime_limits(tmp_path) == RuntimeLimits()
