"""The cache over the admin API."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.cache_api import CacheAccess, cache_router
from lukhas.admin.state import AdminState
from lukhas.config.settings import Settings
from lukhas.hub.cache_purges import CachePurges
from tests.unit.admin.conftest import TOKEN
from tests.unit.cli.test_purge import fill


async def client(state: AdminState, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    access = CacheAccess(CachePurges(settings))
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=(cache_router(access),),
        lifespan=access.lifespan(),
    )
    transport = httpx.ASGITransport(app)
    async with (
        access.lifespan()(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001") as http,
    ):
        yield http


@pytest.fixture
async def http(state: AdminState, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The admin plane of a node with four responses."""
    fill(tmp_path)
    async for opened in client(state, Settings(state_dir=tmp_path)):
        yield opened


BEARER = {"authorization": f"Bearer {TOKEN}"}


async def test_it_tells_what_is_stored_and_purges_it(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Each purge is in the audit log, with what it took."""
    caplog.set_level(logging.INFO, "lukhas.audit")
    before = (await http.get("/api/v1/cache", headers=BEARER)).json()
    assert before["node"]["entries"] == 4
    assert before["cluster"] is None
    answer = await http.post("/api/v1/cache/purge", headers=BEARER, json={"tag": "red"})
    assert answer.json() == {"purged": 2, "cluster": False}
    after = (await http.get("/api/v1/cache", headers=BEARER)).json()
    assert after["node"]["entries"] == 2
    assert "{'tag': 'red', 'all': False, 'soft': False}: 2 met" in caplog.text


async def test_the_largest_entries_are_told(http: httpx.AsyncClient) -> None:
    """With what a person wants to know of them; how many is up to the caller."""
    answer = (await http.get("/api/v1/cache/entries", headers=BEARER)).json()
    assert answer["looked_at_most"] == 20_000
    assert sorted(entry["path"] for entry in answer["entries"]) == ["/a/1", "/a/2", "/b", "/c"]
    one = next(entry for entry in answer["entries"] if entry["path"] == "/b")
    assert (one["scheme"], one["host"], one["status"]) == ("http", "a.example", 200)
    assert (one["has_query"], one["content_type"], one["tags"]) == (False, "", ["red"])
    assert one["taken_bytes"] > 0
    # They were stored as of 1970.
    assert one["fresh_s"] < 0 < one["age_s"]
    few = (await http.get("/api/v1/cache/entries?most=2", headers=BEARER)).json()
    assert len(few["entries"]) == 2
    assert (await http.get("/api/v1/cache/entries?most=0", headers=BEARER)).status_code == 422


async def test_it_needs_the_token(http: httpx.AsyncClient) -> None:
    """Like everything that changes something."""
    assert (await http.post("/api/v1/cache/purge", json={"all": True})).status_code == 401
    assert (await http.get("/api/v1/cache")).status_code == 401
    assert (await http.get("/api/v1/cache/entries")).status_code == 401


@pytest.mark.parametrize("order", [{}, {"tag": "a", "all": True}, {"url": "x"}, {"tags": "a"}])
async def test_what_is_no_order_is_refused(http: httpx.AsyncClient, order: object) -> None:
    """With a problem that says what is wrong."""
    answer = await http.post("/api/v1/cache/purge", headers=BEARER, json=order)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_cache_of_workers_alone_is_told(state: AdminState, tmp_path: Path) -> None:
    """503, and what to do."""
    settings = Settings.model_validate({"state_dir": tmp_path, "cache": {"disk_bytes": 0}})
    async for http in client(state, settings):
        answer = await http.post("/api/v1/cache/purge", headers=BEARER, json={"all": True})
        assert answer.status_code == 503
        assert "cache.disk_bytes" in answer.json()["detail"]
