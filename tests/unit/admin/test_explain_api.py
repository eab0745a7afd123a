"""Records over the admin API."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.explain_api import ExplainAccess, explain_router
from lukhas.admin.state import AdminState
from lukhas.config.explain import ExplainSettings
from lukhas.policy.explain.records import DecisionRecord, SplitFacts
from tests.unit.admin.conftest import TOKEN
from tests.unit.policy.explain.test_reevaluation import RECORD


def reported(access: ExplainAccess, *records: DecisionRecord) -> None:
    access.keep([msgspec.msgpack.encode(record) for record in records])


@pytest.fixture
def access(tmp_path: Path) -> ExplainAccess:
    return ExplainAccess(tmp_path, ExplainSettings())


@pytest.fixture
async def client(access: ExplainAccess, state: AdminState) -> AsyncIterator[httpx.AsyncClient]:
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=[explain_router(access)],
    )
    headers = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://admin", headers=headers
    ) as opened:
        yield opened
    access.close()


async def test_a_record_is_told_by_its_id(access: ExplainAccess, client: httpx.AsyncClient) -> None:
    """Only to who has the token; what is not kept is 404 with the reason."""
    reported(access, RECORD)
    answer = await client.get("/api/v1/explain/id-1")
    assert msgspec.convert(answer.json(), DecisionRecord) == RECORD
    unknown = await client.get("/api/v1/explain/id-2")
    assert unknown.status_code == 404
    assert "was not sampled" in unknown.json()["detail"]
    without = await client.get("/api/v1/explain/id-1", headers={"authorization": ""})
    assert without.status_code == 401


async def test_records_come_in_pages(access: ExplainAccess, client: httpx.AsyncClient) -> None:
    """The newest first; `next` leads on, and is null on the last page."""
    reported(access, *(replace(RECORD, request_id=f"id-{number}") for number in range(5)))
    seen: list[str] = []
    before: dict[str, int] = {}
    while True:
        page = (await client.get("/api/v1/explain", params={"most": 2, **before})).json()
        seen += [record["request_id"] for record in page["records"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert seen == ["id-4", "id-3", "id-2", "id-1", "id-0"]


async def test_a_place_that_no_page_has_is_a_mistake(client: httpx.AsyncClient) -> None:
    """It is told at once, and not when the file cannot take it."""
    answer = await client.get("/api/v1/explain", params={"before": 1 << 63})
    assert answer.status_code == 422
    assert "query.before" in answer.json()["detail"]


async def test_a_record_that_comes_out_otherwise_is_told(
    access: ExplainAccess, client: httpx.AsyncClient
) -> None:
    """As one that a later version decides differently would."""
    split = SplitFacts(("default", "canary"), (50, 50), 0.7, "default")
    reported(access, replace(RECORD, split=split))
    answer = (await client.post("/api/v1/explain/id-1/reevaluate")).json()
    assert answer == {
        "request_id": "id-1",
        "same": False,
        "decisions": [
            {"stage": "split", "recorded": "default", "evaluated": "canary", "same": False}
        ],
    }


async def test_a_broken_file_is_told_and_nothing_else_fails(
    access: ExplainAccess, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """503 to who asks, and in health."""
    (tmp_path / "explain.sqlite").write_bytes(b"x" * 4096)
    reported(access, RECORD)
    reported(access, RECORD)
    assert [part.state for part in access.parts()] == ["degraded"]
    assert (await client.get("/api/v1/explain/id-1")).status_code == 503
    assert (await client.get("/api/v1/explain")).status_code == 503
    (tmp_path / "explain.sqlite").unlink()
    reported(access, RECORD)
    assert [part.state for part in access.parts()] == ["ok"]
    assert (await client.get("/api/v1/explain/id-1")).status_code == 200


async def test_what_is_no_record_is_not_kept(access: ExplainAccess) -> None:
    """It shows in health."""
    access.keep([b"\xc1"])
    assert [part.state for part in access.parts()] == ["degraded"]
    access.close()
