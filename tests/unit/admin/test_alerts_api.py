"""Alerting over the admin API: from reports of a worker to a receiver with a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from lukhas.admin.access import AdminToken
from lukhas.admin.alert_desk import AlertDesk
from lukhas.admin.alert_routers import alert_routers
from lukhas.admin.app import create_admin_app
from lukhas.admin.state import AdminState
from lukhas.config.loading import load_settings
from lukhas.config.settings import Settings
from lukhas.telemetry.recorder import Recorder
from lukhas.units import MILLISECOND_NS, SECOND_NS
from tests.samples import sampled
from tests.unit.admin.conftest import TOKEN, ManualClock
from tests.unit.analytics.alerts.kit import receiver

API = "/api/v1/alerts"
CONFIG = """
state_dir = "{state}"
[alerts]
interval_s = 1
[alerts.route]
channels = ["hook"]
group_wait_s = 0
group_interval_s = 0
[[alerts.channels]]
name = "hook"
url = "{url}"
[[alerts.rules]]
name = "failing"
metric = "error_ratio"
above = 0.5
window_s = 10
severity = "critical"
summary = "Half of all requests fail"
"""


def read(path: Path, text: str) -> Settings:
    file = path / "lukhas.toml"
    file.write_text(text)
    return load_settings({}, file, {"HOME": str(path)}).settings


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://admin.test",
            headers={"authorization": f"Bearer {TOKEN}"},
        ) as client,
    ):
        yield client


@asynccontextmanager
async def opened(settings: Settings, state: AdminState) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an admin app whose desk is open."""
    desk = AlertDesk(settings, tick_s=0.01)
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=alert_routers(desk, state.clock),
        lifespan=desk.lifespan(),
    )
    async with client_of(app) as client:
        await eventually(lambda: not desk.failure)
        yield client


async def eventually(found: Callable[[], object]) -> None:
    """Waits until something is so; the test's own limit ends it else."""
    while not found():  # noqa: ASYNC110 - what is waited for is on the other side of an interface
        await asyncio.sleep(0.01)


async def until(client: httpx.AsyncClient, path: str, found: Callable[[Any], object]) -> Any:
    """Asks until the answer is as it should be; the test's own limit ends it else."""
    while not found(answer := (await client.get(API + path)).json()):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)
    return answer


@pytest.fixture
def traffic(report: Callable[..., None]) -> Callable[[int, int], None]:
    """Lets a worker report a request a second."""

    def traffic(seconds: int, status: int) -> None:
        for _ in range(seconds):
            recorder = Recorder()
            recorder.record(sampled("/a", "GET", status, "free", "miss", 1, 5 * MILLISECOND_NS))
            report(recorder)

    return traffic


async def test_from_a_failing_api_to_a_receiver_and_back(
    tmp_path: Path, state: AdminState, traffic: Callable[[int, int], None], clock: ManualClock
) -> None:
    """Fires, is told, is taken on, ends, is told, and stands in the history."""
    async with receiver() as hook:
        settings = read(tmp_path, CONFIG.format(state=tmp_path / "s", url=hook.url))
        async with opened(settings, state) as client:
            await until(client, "/rules", lambda found: found["rules"][-1]["breached"] is False)
            traffic(20, 503)
            (alert,) = (
                await until(
                    client,
                    "",
                    lambda found: [a for a in found["alerts"] if a["rule"] == "failing"],
                )
            )["alerts"]
            assert (alert["state"], alert["value"]) == ("firing", 1.0)
            await eventually(lambda: hook.bodies)
            path = f"{API}/{alert['id']}"
            clock.time_ns += SECOND_NS
            taken = await client.post(f"{path}/acknowledge", json={"by": "ada"})
            assert taken.json()["state"] == "acknowledged"
            again = await client.post(f"{path}/acknowledge", json={"by": "bob"})
            assert again.status_code == 409
            traffic(20, 200)
            history = await until(
                client, "/history", lambda found: found["alerts"][0]["state"] == "resolved"
            )
            assert history["mean_acknowledge_s"] == history["alerts"][0]["acknowledge_s"] > 0
            assert history["mean_resolve_s"] > 0
            await eventually(lambda: len(hook.bodies) == 2)
            assert [body["status"] for body in hook.bodies] == ["firing", "resolved"]
            one = (await client.get(path)).json()
            assert [event["kind"] for event in one["events"]] == [
                "fired",
                "acknowledged",
                "resolved",
            ]
            note = await client.post(f"{path}/notes", json={"by": "ada", "note": "a deploy"})
            assert (note.status_code, note.json()["events"][-1]["detail"]) == (201, "a deploy")


async def test_people_put_off_and_end_alerts(
    tmp_path: Path, state: AdminState, traffic: Callable[[int, int], None]
) -> None:
    """Snooze, unsnooze, resolve; what is not there is 404."""
    settings = read(tmp_path, CONFIG.format(state=tmp_path / "s", url="http://127.0.0.1:1/"))
    async with opened(settings, state) as client:
        await until(client, "/rules", lambda found: found["rules"][-1]["breached"] is False)
        traffic(20, 503)
        found = await until(client, "", lambda found: found["alerts"])
        path = f"{API}/{found['alerts'][0]['id']}"
        snoozed = await client.post(f"{path}/snooze", json={"by": "ada", "seconds": 600})
        assert snoozed.json()["state"] == "snoozed"
        assert snoozed.json()["snoozed_until"]
        fires = await client.post(f"{path}/unsnooze", json={"by": "ada"})
        assert fires.json()["state"] == "firing"
        over = await client.post(f"{path}/resolve", json={"by": "ada", "note": "known"})
        assert over.json()["state"] == "resolved"
        gone = await client.post(f"{API}/none/resolve", json={"by": "ada", "note": "?"})
        assert gone.status_code == 404
        assert (await client.get(f"{API}/none")).status_code == 404
        await until(client, "/channels", lambda found: found["channels"][0]["failure"] != "")
        health = (await client.get("/health")).json()
        part = next(part for part in health["parts"] if part["name"] == "alerts")
        assert part["state"] == "degraded"
        waiting = (await client.get(f"{API}/messages?state=pending")).json()["messages"]
        assert {each["channel"] for each in waiting} == {"hook"}


@pytest.fixture
async def client(tmp_path: Path, state: AdminState) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a desk with a channel that nobody listens to."""
    settings = read(tmp_path, CONFIG.format(state=tmp_path / "s", url="http://127.0.0.1:1/"))
    async with opened(settings, state) as found:
        yield found


async def test_silences_are_made_changed_and_ended(client: httpx.AsyncClient) -> None:
    """With author, reason and end."""
    order = {"matchers": ["rule=fail*"], "author": "ada", "comment": "works", "seconds": 60}
    made = await client.post(f"{API}/silences", json=order)
    assert made.status_code == 201
    assert made.json()["active"] is True
    path = f"{API}/silences/{made.json()['id']}"
    changed = await client.put(path, json=order | {"comment": "more works", "starts_in_s": 60})
    assert changed.json()["active"] is False
    assert (await client.get(path)).json()["comment"] == "more works"
    await client.put(path, json=order)
    assert (await client.delete(path)).json()["active"] is False
    listed = (await client.get(f"{API}/silences")).json()["silences"]
    assert [each["active"] for each in listed] == [False]
    for answer in (
        await client.get(f"{API}/silences/none"),
        await client.put(f"{API}/silences/none", json=order),
        await client.delete(f"{API}/silences/none"),
    ):
        assert answer.status_code == 404
    wrong = await client.post(f"{API}/silences", json=order | {"matchers": ["fail"]})
    assert wrong.status_code == 422
    assert "is no matcher" in wrong.json()["detail"]


async def test_a_channel_can_be_tried(tmp_path: Path, state: AdminState) -> None:
    """And tells what went wrong, without its URL."""
    async with receiver() as hook:
        settings = read(tmp_path, CONFIG.format(state=tmp_path / "s", url=hook.url))
        async with opened(settings, state) as client:
            tried = await client.post(f"{API}/channels/hook/test")
            assert tried.json() == {"delivered": True, "failure": ""}
            assert hook.bodies[0]["reason"] == "test"
            hook.statuses = [404]
            failed = await client.post(f"{API}/channels/hook/test")
            assert failed.json() == {"delivered": False, "failure": "the receiver answered 404"}
            assert (await client.post(f"{API}/channels/none/test")).status_code == 404
            (channel,) = (await client.get(f"{API}/channels")).json()["channels"]
            assert (channel["name"], channel["kind"]) == ("hook", "webhook")
            assert "s3cret" not in (await client.get(f"{API}/channels")).text


async def test_dead_letters_can_be_tried_anew(
    tmp_path: Path, state: AdminState, traffic: Callable[[int, int], None]
) -> None:
    """A refusal for good makes one."""
    async with receiver() as hook:
        hook.statuses = [400]
        settings = read(tmp_path, CONFIG.format(state=tmp_path / "s", url=hook.url))
        async with opened(settings, state) as client:
            await until(client, "/rules", lambda found: found["rules"][-1]["breached"] is False)
            traffic(20, 503)
            (dead,) = (await until(client, "/messages", lambda found: found["messages"]))[
                "messages"
            ]
            assert (dead["state"], dead["failure"]) == ("dead", "the receiver answered 400")
            retry = f"{API}/messages/{dead['id']}/retry"
            assert (await client.post(retry)).status_code == 204
            await until(client, "/messages?state=sent", lambda found: found["messages"])
            assert (await client.post(retry)).status_code == 404


async def test_a_rule_can_be_tried_on_the_past(client: httpx.AsyncClient) -> None:
    """One that holds on what is remembered, or any on given values."""
    known = await client.post(f"{API}/back-test", json={"name": "failing", "last_s": 600})
    assert (known.json()["looks"], known.json()["alerts"]) == (11, [])
    rule = {"name": "new", "metric": "p99_ms", "above": 100, "window_s": 60, "for_s": 120}
    series = {"start_s": 0, "step_s": 60, "values": {"p99_ms": [10] * 5 + [500] * 5 + [10] * 5}}
    order = {"rule": rule, "series": series, "every_s": 60}
    found = (await client.post(f"{API}/back-test", json=order)).json()
    (alert,) = found["alerts"]
    assert (found["breached"], alert["resolve_s"]) == (5, 180)
    assert alert["fired"] == "1970-01-01T00:08:00Z"


@pytest.mark.parametrize(
    ("order", "status", "what"),
    [
        ({}, 422, "give either name or rule"),
        ({"name": "none"}, 404, "there is no rule"),
        ({"name": "failing", "last_s": 10_000_000, "every_s": 1}, 422, "raise every_s"),
        ({"rule": {"name": "x", "metric": "p99"}}, 422, "is no metric"),
        (
            {"name": "failing", "series": {"start_s": 0, "step_s": 1, "values": {"x": [1]}}},
            422,
            "is no metric",
        ),
    ],
)
async def test_a_back_test_that_cannot_be_is_told(
    client: httpx.AsyncClient, order: dict[str, Any], status: int, what: str
) -> None:
    """With what to do about it."""
    answer = await client.post(f"{API}/back-test", json=order)
    assert answer.status_code == status
    assert what in answer.text


async def test_rules_tell_what_they_say(client: httpx.AsyncClient) -> None:
    """Defaults and own ones; one that has no history says so."""
    found = await until(
        client, "/rules", lambda found: all(rule["breached"] is not None for rule in found["rules"])
    )
    rules = {rule["name"]: rule for rule in found["rules"]}
    assert rules["failing"]["kind"] == "Threshold"
    assert rules["unusual-traffic"]["why"] in {
        "no value",
        "not enough history to know what is normal",
    }
    assert rules["disk-nearly-full"]["state"] in {"ok", "pending"}


@pytest.mark.parametrize("before", ["nan", "inf", "1e30", "-1"])
async def test_a_time_that_none_has_is_a_mistake(client: httpx.AsyncClient, before: str) -> None:
    """It is told, and fails nothing."""
    answer = await client.get("/api/v1/alerts/history", params={"before_s": before})
    assert answer.status_code == 422
    assert "query.before_s" in answer.json()["detail"]


async def test_alerts_that_are_off_say_so(tmp_path: Path, state: AdminState) -> None:
    """And cost nothing."""
    settings = read(tmp_path, "[alerts]\nenabled = false\n")
    desk = AlertDesk(settings, tick_s=0.01)
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=alert_routers(desk),
        lifespan=desk.lifespan(),
    )
    async with client_of(app) as client:
        for path in ("", "/channels", "/messages", "/silences", "/history"):
            answer = await client.get(API + path)
            assert (answer.status_code, answer.json()["detail"]) == (503, "alerts are off")
        assert "alerts" not in str((await client.get("/health")).json())


async def test_a_database_that_cannot_be_opened_shows_in_health(
    tmp_path: Path, state: AdminState
) -> None:
    """The admin plane serves all the same."""
    (tmp_path / "file").write_text("")
    settings = read(tmp_path, f'state_dir = "{tmp_path}/file"\n')
    desk = AlertDesk(settings, tick_s=0.01)
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=alert_routers(desk),
        lifespan=desk.lifespan(),
    )
    async with client_of(app) as client:
        assert desk.part().state == "ok"
        await eventually(lambda: desk.part().state != "ok")
        answer = await client.get(API)
        assert answer.status_code == 503
        assert "alerting cannot be opened" in answer.json()["detail"]
