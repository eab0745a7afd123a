"""Health, metrics and the live figures over HTTP."""

import json
from collections.abc import Callable
from importlib import metadata
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Query

from lukhas.admin import api
from lukhas.admin.access import AdminToken
from lukhas.admin.app import _http_problem, _validation_problem, create_admin_app
from lukhas.admin.state import AdminState
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.prometheus_protobuf import PROTOBUF_TYPE
from lukhas.telemetry.recorder import Recorder
from lukhas.units import SECOND_NS
from tests.samples import sampled
from tests.unit.admin.conftest import TOKEN, ManualClock
from tests.unit.telemetry.prometheus_schema import decoded

Report = Callable[..., None]
SAMPLE = sampled("/a", "GET", 200, "free", "hit", 10, 2_000)


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
async def test_health_answers_503_until_a_worker_reports(
    stranger: httpx.AsyncClient, report: Report, clock: ManualClock, path: str
) -> None:
    """And again when all of them have been silent for more than 3 s; live all the time."""
    before = await stranger.get(path)
    assert (before.status_code, before.json()["ready"]) == (503, False)
    report()
    after = await stranger.get(path)
    assert (after.status_code, after.json()["ready"], after.json()["status"]) == (200, True, "ok")
    clock.time_ns += 3 * SECOND_NS
    assert (await stranger.get(path)).status_code == 503
    assert (await stranger.get("/health/live")).json() == {"live": True}


async def test_a_failed_part_leaves_the_node_ready(
    stranger: httpx.AsyncClient, report: Report
) -> None:
    """It fails open by default, so taking the node out would only make things worse."""
    report(Recorder(), PartHealth("limits", "failed", "no space left on /var/state"))
    answer = await stranger.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "failed"


async def test_only_the_authorised_are_told_why(
    stranger: httpx.AsyncClient, admin: httpx.AsyncClient, report: Report
) -> None:
    """Details name addresses and paths."""
    report(Recorder(), PartHealth("limits", "failed", "no space left on /var/state"))
    assert "/var/state" not in (await stranger.get("/health")).text
    assert "/var/state" in (await admin.get("/health")).text


async def test_metrics_are_prometheus_text(admin: httpx.AsyncClient, report: Report) -> None:
    """With the content type of version 0.0.4."""
    recorder = Recorder()
    recorder.record(SAMPLE)
    report(recorder)
    answer = await admin.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    labels = 'route="/a",method="GET",status_class="2xx",tier="free",cache="hit"'
    assert f"lukhas_requests_total{{{labels}}} 1" in answer.text.splitlines()


async def test_metrics_are_protobuf_for_those_who_prefer_it(
    admin: httpx.AsyncClient, report: Report
) -> None:
    """As Prometheus does where native histograms are switched on; caches must tell them apart."""
    recorder = Recorder()
    recorder.record(SAMPLE)
    report(recorder)
    answer = await admin.get("/metrics", headers={"accept": f"{PROTOBUF_TYPE},text/plain;q=0.5"})
    assert answer.headers["content-type"] == PROTOBUF_TYPE
    assert answer.headers["vary"] == "accept"
    page = decoded(answer.content)
    assert page["lukhas_requests_total"].metric[0].counter.value == 1
    (durations,) = page["lukhas_request_duration_seconds"].metric
    assert durations.histogram.sample_count == 1
    assert durations.histogram.positive_delta


async def test_status_gives_the_figures(admin: httpx.AsyncClient, report: Report) -> None:
    """As JSON."""
    recorder = Recorder()
    recorder.record(SAMPLE)
    report(recorder)
    figures = (await admin.get("/api/v1/status")).json()
    assert figures["traffic"]["requests_total"] == 1
    assert figures["uptime_s"] == 91
    assert figures["gateway_url"] == "http://127.0.0.1:8000"
    assert figures["version"] == metadata.version("lukhas-api-optimizer")
    assert figures["routes"][0]["route"] == "/a"
    assert figures["workers"][0]["name"] == "w1"


async def test_the_stream_sends_events_until_the_process_ends(
    admin: httpx.AsyncClient, state: AdminState, report: Report
) -> None:
    """Server-Sent Events: the first at once, none after the end was asked for."""
    report()
    state.closing.set()
    answer = await admin.get("/api/v1/stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    retry, event, rest = answer.text.split("\n\n")
    assert (retry, rest) == ("retry: 2000", "")
    name, data = event.split("\n")
    assert name == "event: status"
    assert json.loads(data.removeprefix("data: "))["health"]["ready"] is True


async def test_the_stream_goes_on(
    state: AdminState, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event an interval, each with the figures of its second."""
    monkeypatch.setattr(api, "_INTERVAL_S", 0.001)
    events = api._events(state, api._LatestStatus(state))
    assert await anext(events) == b"retry: 2000\n\n"
    first = await anext(events)
    clock.time_ns += SECOND_NS
    second = await anext(events)
    assert b'"uptime_s":90.0' in first
    assert b'"uptime_s":91.0' in second
    state.closing.set()
    with pytest.raises(StopAsyncIteration):
        await anext(events)


def test_figures_are_made_once_a_second(state: AdminState, clock: ManualClock) -> None:
    """However many people watch."""
    latest = api._LatestStatus(state)
    first = latest.now()
    assert latest.now() is first
    clock.time_ns += SECOND_NS
    assert latest.now() is not first


async def test_errors_are_problems(admin: httpx.AsyncClient) -> None:
    """RFC 9457, also for what the framework refuses; values are not repeated."""
    missing = await admin.get("/nope")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json() == {
        "type": "urn:lukhas:problem:not-found",
        "title": "Not Found",
        "status": 404,
    }
    assert (await admin.post("/metrics")).status_code == 405


async def test_what_the_framework_refuses_is_a_problem(state: AdminState) -> None:
    """It says where, and does not repeat what may be a secret."""
    router = APIRouter()

    @router.get("/api/v1/number")
    async def number(number: int) -> int:
        return number

    app = create_admin_app(state, token=AdminToken(TOKEN, "settings"), routers=[router])
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://admin", headers=headers
    ) as client:
        wrong = await client.get("/api/v1/number?number=s3cret")
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    assert "query.number" in wrong.json()["detail"]
    assert "s3cret" not in wrong.text


async def test_further_routers_are_protected_too(state: AdminState) -> None:
    """Whoever adds to the admin API cannot forget the token."""
    router = APIRouter(prefix="/api/v1/keys")

    @router.get("")
    async def keys(limit: Annotated[int, Query()] = 5) -> list[str]:
        if limit > 10:
            raise HTTPException(409, "too many")
        return ["k1"]

    app = create_admin_app(state, token=AdminToken(TOKEN, "settings"), routers=[router])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://admin.test") as client:
        assert (await client.get("/api/v1/keys")).status_code == 401
        client.headers["authorization"] = f"Bearer {TOKEN}"
        assert (await client.get("/api/v1/keys")).json() == ["k1"]
        assert (await client.get("/api/v1/keys?limit=11")).json()["detail"] == "too many"


def test_the_description_has_its_title_version_and_scheme(app: FastAPI) -> None:
    """Clients are generated from it: pages are no part of it."""
    description = app.openapi()
    assert description["info"]["title"] == "LUKHAS admin API"
    assert description["info"]["version"] == metadata.version("lukhas-api-optimizer")
    assert sorted(description["paths"]) == [
        "/api/v1/session", "/api/v1/status", "/api/v1/stream", "/api/v1/upstreams",
        "/health", "/health/live", "/health/ready", "/metrics",
    ]  # fmt: skip
    assert description["paths"]["/metrics"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in description["paths"]["/health"]["get"]


@pytest.mark.parametrize("handler", [_http_problem, _validation_problem])
async def test_a_handler_passes_on_what_is_not_its_own(
    handler: Callable[..., object], state: AdminState
) -> None:
    """They are registered for one kind of error each."""
    result = handler(None, KeyError("x"))
    with pytest.raises(KeyError):
        await result  # type: ignore[misc]
