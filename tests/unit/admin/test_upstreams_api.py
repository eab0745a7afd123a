"""The servers of the upstreams over the admin API."""

import httpx

from lukhas.admin.state import AdminState
from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.targets import TargetReport
from lukhas.telemetry.totals import Frame
from lukhas.units import SECOND_NS
from tests.unit.admin.conftest import ManualClock

A = "http://10.0.0.1:9000"
B = "http://10.0.0.2:9000"


def reported(
    state: AdminState, clock: ManualClock, worker: str, *targets: TargetReport, generation: int = 1
) -> None:
    frame = Frame(worker, generation, 1, Delta(), {}, [], generation, targets=list(targets))
    state.totals.receive(frame, clock.time_ns)


async def test_each_server_is_told_over_all_workers(
    admin: httpx.AsyncClient, state: AdminState, clock: ManualClock
) -> None:
    """How it stands, what it does, and what it failed to do."""
    until_ns = clock.time_ns + 30 * SECOND_NS
    reported(
        state,
        clock,
        "w1",
        TargetReport("shop", A, "ejected", 2, 1, 4, 8e6, 9, 3, 2, until_ns),
        TargetReport("bills", B, "healthy", in_flight=1, connections=2),
    )
    reported(state, clock, "w2", TargetReport("shop", A, "healthy", 2, 1, 1, 8e6, 1))
    found = (await admin.get("/api/v1/upstreams")).json()
    shop, bills = found["upstreams"]
    assert found["workers"] == 2
    assert shop == {
        "name": "shop",
        "targets": [
            {
                "address": A,
                "state": "ejected",
                "states": {"healthy": 1, "ejected": 1},
                "out_until": "1970-01-12T13:47:10Z",
                "weight": 2,
                "in_flight": 2,
                "connections": 5,
                "latency_ms": 8.0,
                "answers": 10,
                "errors": 3,
                "failures": 2,
            }
        ],
    }
    (target,) = bills["targets"]
    assert (target["latency_ms"], target["out_until"]) == (None, None)


async def test_a_worker_that_is_gone_or_of_before_says_nothing(
    admin: httpx.AsyncClient, state: AdminState, clock: ManualClock
) -> None:
    """After a reload the servers are those of the new settings."""
    reported(state, clock, "w1", TargetReport("shop", A, "healthy"))
    reported(state, clock, "w1", TargetReport("shop", B, "healthy"), generation=2)
    (shop,) = (await admin.get("/api/v1/upstreams")).json()["upstreams"]
    assert [target["address"] for target in shop["targets"]] == [B]
    clock.time_ns += 4 * SECOND_NS
    assert (await admin.get("/api/v1/upstreams")).json() == {"workers": 0, "upstreams": []}


async def test_a_stranger_is_told_nothing(stranger: httpx.AsyncClient) -> None:
    """Addresses of servers are nobody's business."""
    assert (await stranger.get("/api/v1/upstreams")).status_code == 401
