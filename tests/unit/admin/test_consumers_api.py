"""Consumers and keys over the admin API, on a real database and a real key table."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.audit_api import audit_router
from lukhas.admin.consumers_api import consumers_router
from lukhas.admin.key_uses import KeyUses
from lukhas.admin.keys_api import keys_router
from lukhas.admin.records import AdminRecords
from lukhas.admin.state import AdminState
from lukhas.identity.credentials import CredentialCache
from lukhas.identity.key_registry import open_key_registry
from lukhas.identity.pepper import PEPPER_FILE, load_pepper
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import MINUTE_NS
from tests.unit.admin.conftest import TOKEN, ManualClock


@pytest.fixture
def records(state_dir: Path, clock: ManualClock) -> AdminRecords:
    return AdminRecords(state_dir, clock)


@pytest.fixture
def uses(state_dir: Path) -> KeyUses:
    return KeyUses(state_dir)


@pytest.fixture
async def http(
    state: AdminState, records: AdminRecords, uses: KeyUses
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=[
            consumers_router(records, uses),
            keys_router(records, uses),
            audit_router(records),
        ],
        trail=records,
    )
    async with (
        records.lifespan(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://admin.test/api/v1",
            headers={"authorization": f"Bearer {TOKEN}"},
        ) as client,
    ):
        yield client


async def caller(records: AdminRecords, text: str) -> Consumer | None:
    """Whom a worker takes the caller with a key for; None if it refuses the key."""
    cache = CredentialCache((await records.keys())._table, load_pepper(records.state_dir))
    found = cache.consumer_for(text.encode(), records.clock.now_ns())
    return found if isinstance(found, Consumer) else None


async def made(http: httpx.AsyncClient, **consumer: Any) -> Any:
    answer = await http.post("/consumers", json={"name": "acme", "tier": "basic", **consumer})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_consumer_is_made_with_a_key_that_works_at_once(
    http: httpx.AsyncClient, records: AdminRecords, clock: ManualClock
) -> None:
    """The key is shown once, and nowhere else."""
    consumer = await made(http)
    assert consumer["keys"] == []
    order = {"expires_in_s": 60, "scopes": ["read"], "environment": "test"}
    answer = await http.post(f"/consumers/{consumer['id']}/keys", json=order)
    assert answer.status_code == 201
    issued = answer.json()
    found = await caller(records, issued["key"])
    assert found is not None
    assert (found.name, found.tier) == ("acme", Tier.BASIC)
    (listed,) = (await http.get("/consumers")).json()["consumers"]
    assert listed["keys"] == [
        {
            "id": issued["id"],
            "prefix": f"lk_test_{issued['id']}",
            "tier": "basic",
            "scopes": ["read"],
            "created_at_ns": clock.time_ns,
            "expires_at_ns": clock.time_ns + MINUTE_NS,
            "last_used_at_ns": None,
            "state": "active",
        }
    ]
    assert issued["key"].startswith(listed["keys"][0]["prefix"])
    assert issued["key"] not in (await http.get("/consumers")).text
    assert issued["key"] not in (await http.get("/audit")).text
    clock.time_ns += MINUTE_NS
    shown = (await http.get(f"/consumers/{consumer['id']}")).json()
    assert shown["keys"][0]["state"] == "expired"


async def test_all_keys_follow_a_new_tier_and_name(
    http: httpx.AsyncClient, records: AdminRecords
) -> None:
    """A customer who pays more needs no new keys."""
    consumer = await made(http)
    path = f"/consumers/{consumer['id']}"
    keys = [(await http.post(f"{path}/keys", json={})).json()["key"] for _ in range(2)]
    changed = await http.put(path, json={"name": "acme-2", "tier": "premium"})
    assert changed.json()["tier"] == "premium"
    for key in keys:
        found = await caller(records, key)
        assert found is not None
        assert (found.name, found.tier) == ("acme-2", Tier.PREMIUM)


async def test_a_removed_consumer_has_no_key_that_works(
    http: httpx.AsyncClient, records: AdminRecords
) -> None:
    """What is left of it is in the audit."""
    consumer = await made(http)
    path = f"/consumers/{consumer['id']}"
    key = (await http.post(f"{path}/keys", json={})).json()["key"]
    gone = (await http.delete(path)).json()
    assert [each["state"] for each in gone["keys"]] == ["revoked"]
    assert await caller(records, key) is None
    assert (await http.get("/consumers")).json() == {"consumers": []}
    for answer in (
        await http.get(path),
        await http.delete(path),
        await http.post(f"{path}/keys", json={}),
    ):
        assert answer.status_code == 404
    entries = (await http.get("/audit")).json()["entries"]
    assert entries[2]["action"] == "consumer.delete"
    assert entries[2]["detail"] == "acme, 1 keys withdrawn"


async def test_keys_are_rotated_and_withdrawn(
    http: httpx.AsyncClient, records: AdminRecords
) -> None:
    """The secret before lasts as long as was asked for."""
    consumer = await made(http)
    first = (await http.post(f"/consumers/{consumer['id']}/keys", json={})).json()
    second = (await http.post(f"/keys/{first['id']}/rotate", json={"grace_s": 0})).json()
    assert second["id"] == first["id"]
    assert await caller(records, first["key"]) is None
    third = (await http.post(f"/keys/{first['id']}/rotate")).json()
    assert await caller(records, second["key"]) is not None
    assert (await http.delete(f"/keys/{first['id']}")).status_code == 204
    assert await caller(records, third["key"]) is None
    assert (await http.post(f"/keys/{first['id']}/rotate")).status_code == 409
    assert (await http.delete("/keys/none")).status_code == 404


async def test_the_last_use_of_a_key_is_told(http: httpx.AsyncClient, uses: KeyUses) -> None:
    """In every answer that shows the key, written to the registry or not yet."""
    consumer = await made(http)
    path = f"/consumers/{consumer['id']}"
    used, unused = [(await http.post(f"{path}/keys", json={})).json() for _ in range(2)]
    assert used["last_used_at_ns"] is None

    async def told() -> tuple[int | None, int | None]:
        (listed,) = (await http.get("/consumers")).json()["consumers"]
        one = (await http.get(path)).json()
        changed = (await http.put(path, json={"name": "acme", "tier": "basic"})).json()
        assert listed["keys"] == one["keys"] == changed["keys"]
        by_id = {each["id"]: each["last_used_at_ns"] for each in one["keys"]}
        return by_id[used["id"]], by_id[unused["id"]]

    uses.keep({used["id"]: 5})
    assert await told() == (5, None)
    async with uses.opened():
        await uses.write()
        await uses.write()
        assert await told() == (5, None)
        uses.keep({unused["id"]: 6, used["id"]: 7})
        assert await told() == (7, 6)
    assert (await http.post(f"/keys/{used['id']}/rotate")).json()["last_used_at_ns"] == 7
    gone = (await http.delete(path)).json()
    assert {each["last_used_at_ns"] for each in gone["keys"]} == {7, 6}


async def test_names_are_unique_within_a_tenant(http: httpx.AsyncClient) -> None:
    """Limits and metrics tell consumers apart by them."""
    consumer = await made(http)
    await made(http, tenant="other")
    again = await http.post("/consumers", json={"name": "acme", "tier": "free"})
    assert again.status_code == 409
    second = await made(http, name="second")
    clash = await http.put(f"/consumers/{second['id']}", json={"name": "acme", "tier": "free"})
    assert clash.status_code == 409
    assert (await http.get(f"/consumers/{second['id']}")).json()["name"] == "second"
    missing = await http.put("/consumers/none", json={"name": "x", "tier": "free"})
    assert missing.status_code == 404
    for wrong in ({"name": ""}, {"tier": "gold"}, {"tenant": "a b"}, {"limits": 1}):
        order = {"name": "x", "tier": "free", **wrong}
        assert (await http.post("/consumers", json=order)).status_code == 422
    bad = await http.put(f"/consumers/{consumer['id']}", json={"name": "\n", "tier": "free"})
    assert bad.status_code == 422
    wrong_key = await http.post(f"/consumers/{consumer['id']}/keys", json={"environment": "A"})
    assert wrong_key.status_code == 422


async def test_keys_of_the_command_line_have_consumers_too(
    http: httpx.AsyncClient, records: AdminRecords
) -> None:
    """One for each name, with the tier of its first key."""
    registry = await records.keys()
    await registry.create("cli", Tier.FREE)
    await registry.create("cli", Tier.PREMIUM)
    (listed,) = (await http.get("/consumers")).json()["consumers"]
    assert (listed["name"], listed["tier"], len(listed["keys"])) == ("cli", "free", 2)


async def test_pages_of_consumers_do_not_overlap(http: httpx.AsyncClient) -> None:
    """By name."""
    for name in ("c", "a", "b"):
        await made(http, name=name)
    pages = [await http.get(f"/consumers?limit=2&offset={at}") for at in (0, 2)]
    assert [[each["name"] for each in page.json()["consumers"]] for page in pages] == [
        ["a", "b"],
        ["c"],
    ]


async def test_a_registry_that_cannot_be_opened_is_told(
    http: httpx.AsyncClient, records: AdminRecords
) -> None:
    """As with another pepper; the rest of the admin plane goes on."""
    async with open_key_registry(records.state_dir, clock=records.clock) as registry:
        await registry.create("a", Tier.FREE)
    (records.state_dir / PEPPER_FILE).unlink()
    for _ in range(2):
        answer = await http.get("/consumers")
        assert answer.status_code == 503
        assert "another pepper" in answer.json()["detail"]
    assert (await http.get("/audit")).status_code == 200
