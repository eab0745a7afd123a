"""The audit in the admin database, and over the admin API."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.audit import AuditEntry
from lukhas.admin.audit_api import audit_router
from lukhas.admin.audit_log import AuditLog
from lukhas.admin.records import AdminRecords
from lukhas.admin.state import AdminState
from lukhas.storage.sql import Database, open_database
from tests.unit.admin.conftest import TOKEN, ManualClock


@pytest.fixture
async def database(state_dir: Path) -> AsyncIterator[Database]:
    opened = await open_database(state_dir)
    yield opened
    await opened.close()


def entry(action: str) -> AuditEntry:
    return AuditEntry(
        by="kim",
        role="operator",
        action=action,
        target="t",
        detail="",
        status=200,
        address="192.0.2.1",
    )


async def test_entries_have_times_of_their_own(database: Database, clock: ManualClock) -> None:
    """Also within one nanosecond and when the clock goes back, so that pages do not overlap."""
    log = AuditLog(database, clock)
    await log.append(entry("a"))
    await log.append(entry("b"))
    clock.time_ns -= 5
    await log.append(entry("c"))
    found = await log.entries(limit=10)
    assert [(each.action, each.at_ns - clock.time_ns) for each in found] == [
        ("c", 7),
        ("b", 6),
        ("a", 5),
    ]
    assert [each.action for each in await log.entries(limit=1, before_ns=found[0].at_ns)] == ["b"]


async def test_the_oldest_entries_go(database: Database, clock: ManualClock) -> None:
    """The audit takes bounded room."""
    log = AuditLog(database, clock, most=3)
    for number in range(6):
        # The first entry after a start makes room, and then every 256th.
        log = AuditLog(database, clock, most=3)
        await log.append(entry(f"n{number}"))
    await log.append(entry("n6"))
    found = await log.entries(limit=1000)
    assert [each.action for each in found] == ["n6", "n5", "n4", "n3"]


async def test_it_is_read_page_by_page(
    state: AdminState, state_dir: Path, clock: ManualClock
) -> None:
    """Changes are in it with all that is known of them; the guard wrote them."""
    records = AdminRecords(state_dir, clock)
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=[audit_router(records)],
        trail=records,
    )
    headers = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app, client=("192.0.2.9", 1))
    async with (
        records.lifespan(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://admin.test", headers=headers
        ) as http,
    ):
        for path in ("a", "b", "c"):
            assert (await http.post(f"/api/v1/{path}")).status_code == 404
        first = (await http.get("/api/v1/audit?limit=2")).json()["entries"]
        assert first[0] == {
            "at_ns": clock.time_ns + 2,
            "by": "admin",
            "role": "admin",
            "action": "post",
            "target": "/api/v1/c",
            "detail": "",
            "status": 404,
            "address": "192.0.2.9",
        }
        rest = await http.get(f"/api/v1/audit?before={first[-1]['at_ns']}")
        assert [each["target"] for each in rest.json()["entries"]] == ["/api/v1/a"]
        beyond = await http.get(f"/api/v1/audit?before={1 << 63}")
        assert beyond.status_code == 422
        assert "query.before" in beyond.json()["detail"]


async def test_a_database_that_cannot_be_opened_is_told(
    state: AdminState, tmp_path: Path, clock: ManualClock
) -> None:
    """Reading is a 503, and changes are refused; the rest goes on."""
    (tmp_path / "admin.sqlite").mkdir()
    records = AdminRecords(tmp_path, clock)
    app = create_admin_app(
        state, token=AdminToken(TOKEN, "settings"), routers=[audit_router(records)], trail=records
    )
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://admin.test", headers=headers
    ) as http:
        assert (await http.get("/api/v1/audit")).status_code == 503
        assert (await http.post("/api/v1/reload")).status_code == 503
        assert (await http.get("/api/v1/session")).status_code == 200
