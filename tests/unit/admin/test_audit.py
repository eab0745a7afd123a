"""The audit: what is kept of requests that change something."""

import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, Request

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.audit import AuditEntry, changed_nothing, note_change
from lukhas.admin.operators import Operators, operators_of
from lukhas.admin.state import AdminState
from lukhas.config.operators import OperatorSettings
from lukhas.errors import StoreError
from tests.unit.admin.conftest import TOKEN

TOKENS = {role: f"the token of a {role}" for role in ("viewer", "operator")} | {"admin": TOKEN}


class ListTrail:
    """Keeps entries in a list, or fails."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.failure = ""
        self.lost = ""

    async def prepare(self) -> None:
        if self.failure:
            raise StoreError(self.failure)

    async def append(self, entry: AuditEntry) -> None:
        if self.lost:
            raise StoreError(self.lost)
        self.entries.append(entry)


def people() -> Operators:
    settings = [
        OperatorSettings.model_validate({"name": f"a-{role}", "role": role, "token": TOKENS[role]})
        for role in ("viewer", "operator")
    ]
    return operators_of(AdminToken(TOKEN, "settings"), settings)


@pytest.fixture
def trail() -> ListTrail:
    return ListTrail()


@pytest.fixture
async def http(state: AdminState, trail: ListTrail) -> AsyncIterator[httpx.AsyncClient]:
    router = APIRouter(prefix="/api/v1")

    @router.post("/cache/purge")
    async def purge(request: Request, *, dry_run: bool = False) -> int:
        if dry_run:
            changed_nothing(request.scope)
        note_change(request.scope, detail="tag=red" * 1000, target="all")
        return len(trail.entries)

    @router.post("/fails")
    async def fails() -> None:
        raise RuntimeError("it broke")

    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        routers=[router],
        operators=people(),
        trail=trail,
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin.test") as client:
        yield client


def bearer(role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS[role]}"}


async def test_a_change_is_kept_with_who_did_it(http: httpx.AsyncClient, trail: ListTrail) -> None:
    """What the endpoint says about it too, as far as there is room."""
    answer = await http.post("/api/v1/cache/purge", headers=bearer("operator"))
    assert answer.status_code == 200
    (entry,) = trail.entries
    assert (entry.by, entry.role, entry.action) == ("a-operator", "operator", "cache.purge")
    assert (entry.target, entry.status, entry.address) == ("all", 200, "192.0.2.7")
    assert len(entry.detail) == 2000


async def test_an_entry_is_kept_before_the_answer_goes_out(
    http: httpx.AsyncClient, trail: ListTrail
) -> None:
    """So nobody knows of a change that is not in it."""
    seen = []

    async def append(entry: AuditEntry) -> None:
        seen.append(entry)

    trail.append = append  # type: ignore[method-assign]
    async with http.stream("POST", "/api/v1/cache/purge", headers=bearer("admin")) as answer:
        assert answer.status_code == 200
        assert len(seen) == 1


async def test_questions_are_not_kept(http: httpx.AsyncClient, trail: ListTrail) -> None:
    """Neither reading nor a dry run changes anything."""
    await http.get("/api/v1/session", headers=bearer("viewer"))
    await http.post("/api/v1/cache/purge?dry_run=true", headers=bearer("admin"))
    await http.post("/api/v1/cache/purge")
    assert trail.entries == []


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("viewer", "/api/v1/status", 200),
        ("viewer", "/api/v1/cache/purge", 403),
        ("operator", "/api/v1/fails", 403),
    ],
)
async def test_a_role_that_is_too_low_is_refused_and_kept(
    http: httpx.AsyncClient, trail: ListTrail, role: str, path: str, status: int
) -> None:
    """Whoever tries may do so again."""
    method = "GET" if status == 200 else "POST"
    answer = await http.request(method, path, headers=bearer(role))
    assert answer.status_code == status
    assert [entry.status for entry in trail.entries] == [403] * (status == 403)
    if status == 403:
        problem = answer.json()
        assert problem["type"] == "urn:lukhas:problem:role-too-low"
        assert problem["role"] == role


async def test_a_failure_is_kept_too(http: httpx.AsyncClient, trail: ListTrail) -> None:
    """It may have changed something before it failed."""
    await http.post("/api/v1/fails", headers=bearer("admin"))
    assert [(entry.action, entry.status) for entry in trail.entries] == [("post", 500)]


async def test_a_failure_is_a_problem_too(http: httpx.AsyncClient) -> None:
    """Whoever asks reads the same kind of answer, and nothing of the error itself."""
    answer = await http.post("/api/v1/fails", headers=bearer("admin"))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:lukhas:problem:admin-failed"
    assert "it broke" not in answer.text


async def test_what_cannot_be_recorded_is_not_done(
    http: httpx.AsyncClient, trail: ListTrail
) -> None:
    """As with the audit of a vault; reading goes on."""
    trail.failure = "the disk is full"
    answer = await http.post("/api/v1/cache/purge", headers=bearer("admin"))
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:lukhas:problem:audit-unavailable"
    assert "the disk is full" in answer.json()["detail"]
    assert (await http.get("/api/v1/session", headers=bearer("viewer"))).status_code == 200


async def test_an_entry_that_is_lost_is_in_the_log(
    http: httpx.AsyncClient, trail: ListTrail, caplog: pytest.LogCaptureFixture
) -> None:
    """What was done cannot be taken back."""
    trail.lost = "the disk is full"
    with caplog.at_level(logging.ERROR, "lukhas.audit"):
        await http.post("/api/v1/cache/purge", headers=bearer("admin"))
    assert "an entry of the audit is lost: the disk is full" in caplog.text
    assert "cache.purge" in caplog.text


async def test_a_session_has_the_role_of_who_logged_in(http: httpx.AsyncClient) -> None:
    """By a cookie as by a token; another site can use neither."""
    await http.post("/login", data={"token": TOKENS["operator"]})
    assert (await http.get("/api/v1/session")).json() == {"name": "a-operator", "role": "operator"}
    assert (await http.post("/api/v1/cache/purge")).status_code == 200
    assert (await http.post("/api/v1/fails")).status_code == 403
    foreign = {"origin": "http://evil.test"}
    assert (await http.post("/api/v1/cache/purge", headers=foreign)).status_code == 403
