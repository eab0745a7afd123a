"""Path, query, fields and cookies against a description."""

from pathlib import Path
from typing import Any

import pytest

from lukhas.http.headers import HeaderPairs
from lukhas.policy.verdicts import Outcome
from tests.unit.pipeline.stages.openapi_kit import shop


def only(problem: dict[str, Any]) -> tuple[object, ...]:
    (fault,) = problem["faults"]
    return fault["in"], fault.get("name"), fault.get("pointer"), fault["rule"]


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"limit=100",
        b"ids=1&ids=2&other=x",
        b"sizes=s,m",
        b"filter[min]=1.5",
        b"filter%5Bmin%5D=1",
        b"limit=-3",
    ],
)
async def test_what_fits_passes(tmp_path: Path, query: bytes) -> None:
    """Parameters are taken apart by their style and typed before they are checked."""
    one = await shop(tmp_path)
    fields = [(b"x-team", b"blue"), (b"cookie", b"a=1; theme=dark")]
    response, _ = await one.ask("GET", b"/v1/items", query=query, headers=fields)
    assert response.status == 200


@pytest.mark.parametrize(
    ("path", "query", "fields", "fault"),
    [
        (b"/v1/items", b"limit=101", [], ("query", "limit", None, "maximum")),
        (b"/v1/items", b"limit=1e2", [], ("query", "limit", None, "type")),
        (b"/v1/items", b"limit=", [], ("query", "limit", None, "type")),
        (b"/v1/items", b"limit=1&limit=2", [], ("query", "limit", None, "single")),
        (b"/v1/items", b"ids=1&ids=x", [], ("query", "ids", "/1", "type")),
        (b"/v1/items", b"sizes=s,xl", [], ("query", "sizes", "/1", "enum")),
        (b"/v1/items", b"filter[min]=a", [], ("query", "filter", "/min", "type")),
        (b"/v1/items", b"", [(b"x-team", b"secret")], ("header", "x-team", None, "maxLength")),
        (b"/v1/items", b"", [(b"cookie", b"theme=x")], ("cookie", "theme", None, "enum")),
        (b"/v1/items/0", b"", [], ("path", "id", None, "minimum")),
        (b"/v1/items/abc", b"", [], ("path", "id", None, "type")),
    ],
)
async def test_the_fault_is_named_at_its_place(
    tmp_path: Path, path: bytes, query: bytes, fields: HeaderPairs, fault: tuple[object, ...]
) -> None:
    """Place, name, pointer and rule; never a value that was sent."""
    one = await shop(tmp_path)
    response, problem = await one.ask("GET", path, query=query, headers=fields)
    assert (response.status, problem["type"]) == (400, "urn:lukhas:problem:request-not-valid")
    assert only(problem) == fault
    assert "secret" not in str(problem)
    assert one.seen == []


async def test_shadow_records_and_passes(tmp_path: Path) -> None:
    """The client sees nothing of it; the verdict and the count do."""
    one = await shop(tmp_path, requests="shadow", unknown="deny")
    response, _ = await one.ask("GET", b"/v1/items", query=b"limit=101")
    assert (response.status, one.seen) == (200, [None])
    verdict = next(v.verdict() for v in one.exchange.verdicts if v.verdict().stage == "openapi")
    assert verdict.outcome is Outcome.REFUSED
    assert dict(verdict.facts)["rule"] == "maximum"
    assert (await one.ask("GET", b"/nowhere"))[0].status == 200
    assert one.hub.recorder.gauges()["openapi_request_faults"] == 2


async def test_off_looks_at_nothing(tmp_path: Path) -> None:
    """Nor does it cost a stage."""
    one = await shop(tmp_path, requests="off")
    assert all(not stage.name.startswith("openapi") for stage in one.hub.pipeline.stages)


async def test_unknown_operations_pass_unless_denied(tmp_path: Path) -> None:
    """404 for a path, 405 with Allow for a method; preflights pass."""
    open_shop = await shop(tmp_path)
    assert (await open_shop.ask("GET", b"/nowhere"))[0].status == 200
    one = await shop(tmp_path, unknown="deny")
    response, problem = await one.ask("GET", b"/items")
    assert (response.status, problem["type"]) == (404, "urn:lukhas:problem:path-not-described")
    response, _ = await one.ask("DELETE", b"/v1/items")
    assert (response.status, response.headers.get(b"allow")) == (405, b"GET, POST")
    for method, path in (
        ("OPTIONS", b"/v1/items"),
        ("HEAD", b"/v1/items"),
        ("GET", b"/v1/items/new"),
    ):
        assert (await one.ask(method, path))[0].status == 200


async def test_status_and_number_of_faults_are_settings(tmp_path: Path) -> None:
    """As many faults as are allowed are listed."""
    one = await shop(tmp_path, status=422, faults=2)
    response, problem = await one.ask(
        "GET", b"/v1/items", query=b"limit=x&ids=a&ids=b", headers=[(b"x-team", b"secret")]
    )
    assert (response.status, len(problem["faults"])) == (422, 2)


async def test_a_base_path_replaces_that_of_the_server(tmp_path: Path) -> None:
    """For a gateway that serves the API somewhere else."""
    one = await shop(tmp_path, base_path="/shop", unknown="deny")
    assert (await one.ask("GET", b"/shop/items"))[0].status == 200
    assert (await one.ask("GET", b"/v1/items"))[0].status == 404


async def test_websocket_connections_are_left_out(tmp_path: Path) -> None:
    """A description cannot know of them: those of the middleware, and routes that allow them."""
    one = await shop(tmp_path, unknown="deny")
    assert (await one.ask("GET", b"/chat"))[0].status == 404
    assert (await one.ask("GET", b"/chat", scheme="ws"))[0].status == 200
    routes = [{"name": "chat", "path": "/chat", "websocket": True}]
    one = await shop(tmp_path, routes=routes, unknown="deny")
    assert (await one.ask("GET", b"/chat"))[0].status == 200
