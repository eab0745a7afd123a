"""The admin plane sends what `/metrics` shows."""

import asyncio

import pytest
from pydantic import SecretStr

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.metric_sending import metric_sending
from lukhas.admin.state import AdminState
from lukhas.config.telemetry import OtlpSettings
from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.totals import Frame, TotalsByWorker
from lukhas.testing.clock import ManualClock
from tests.unit.admin.conftest import TOKEN
from tests.unit.telemetry.otlp_receiver import OtlpReceiver, attributes_of


def admin_state() -> AdminState:
    state = AdminState(
        totals=TotalsByWorker(),
        clock=ManualClock(now_ns=7_000),
        started_ns=5_000,
        gateway_url="http://127.0.0.1:1",
    )
    counts = Delta(requests={("/a", "GET", "2xx", "free", "hit"): 3})
    state.totals.receive(Frame("worker-1", 1, 1, counts, {"load": 0.5}, []), 7_000)
    return state


async def test_metrics_are_sent_while_it_runs_and_at_its_end() -> None:
    """Counted since the figures began, under the name of the service, with the fields that are
    set; health tells how it goes.
    """
    receiver = OtlpReceiver()
    await receiver.start()
    settings = OtlpSettings(
        endpoint=receiver.url,
        headers={"api-key": SecretStr("otlp-key-1")},
        metrics_interval_s=0.02,
        service_name="shop",
        attributes={"service.namespace": "n"},
    )
    (sending,) = metric_sending(settings)
    state = admin_state()
    app = create_admin_app(state, token=AdminToken(TOKEN, "test"), lifespan=sending)
    async with sending(app):
        async with asyncio.timeout(20):
            while not receiver.metrics:  # noqa: ASYNC110 - sent over a real socket
                await asyncio.sleep(0.01)
        assert [part.name for part in state.own_parts()] == ["otlp-metrics"]
        before = len(receiver.heads)
    assert len(receiver.heads) > before
    (point,) = receiver.metrics["lukhas_requests"].sum.data_points
    assert (point.as_int, point.start_time_unix_nano, point.time_unix_nano) == (3, 5_000, 7_000)
    assert b"\r\napi-key: otlp-key-1\r\n" in receiver.heads[0]
    said = attributes_of(receiver.resources[0].attributes)
    assert said["service.name"] == "shop"
    assert said["service.namespace"] == "n"
    assert said["service.instance.id"] == said["host.name"]
    await receiver.stop()


@pytest.mark.parametrize(
    "settings", [OtlpSettings(), OtlpSettings(endpoint="http://127.0.0.1:9", metrics=False)]
)
def test_nothing_is_sent_unless_it_is_set(settings: OtlpSettings) -> None:
    """And nothing of the extra is needed then."""
    assert metric_sending(settings) == ()
