"""JSON bodies against a description: those of requests, and in shadow those of responses."""

import copy
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lukhas.errors import BodyAbortedError, HandlerError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from tests.integration.gateway.kit import until
from tests.unit.pipeline.stages.openapi_kit import GOOD, SHOP, Shop, shop

JSON = [(b"content-type", b"application/json; charset=utf-8")]


def only(problem: dict[str, Any]) -> tuple[object, ...]:
    (fault,) = problem["faults"]
    return fault["in"], fault.get("pointer"), fault["rule"], fault["expected"]


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 10):
        yield body[start : start + 10]


async def test_a_body_that_fits_reaches_the_handler(tmp_path: Path) -> None:
    """Unchanged, whole or in pieces; what is only read need not be there."""
    one = await shop(tmp_path)
    body = json.dumps(GOOD).encode()
    for sent in (body, pieces(body)):
        response, _ = await one.ask("POST", b"/v1/items", headers=JSON, body=sent)
        assert response.status == 200
    assert one.seen == [body, body]


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (
            {"name": "lamp", "price": 0},
            ("body", "/items/0/price", "exclusiveMinimum", "more than 0"),
        ),
        ({"name": "lamp"}, ("body", "/items/0", "required", "the property 'price'")),
        ({"name": 5, "price": 1}, ("body", "/items/0/name", "type", "string")),
        (
            {"name": "lamp", "price": 1, "x": 1},
            ("body", "/items/0/x", "additionalProperties", "no such property"),
        ),
        (
            {"name": "lamp", "price": 1, "tags": list("abcd")},
            ("body", "/items/0/tags", "maxItems", "at most 3 items"),
        ),
        (
            {"name": "LAMP", "price": 1},
            ("body", "/items/0/name", "pattern", "a text that fits ^[a-z ]+$"),
        ),
    ],
)
async def test_the_place_is_a_json_pointer(
    tmp_path: Path, item: object, fault: tuple[object, ...]
) -> None:
    """With the rule that failed, and what it asks for."""
    one = await shop(tmp_path)
    assert only(await one.post({"items": [item]})) == fault
    assert one.seen == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"{", ("body", "", "json", "valid JSON")),
        (b"\xff", ("body", "", "json", "valid JSON")),
        (b'{"items": NaN}', ("body", "", "json", "valid JSON")),
        (b"[" * 100_000, ("body", "", "json", "valid JSON")),
        (b'{"a": "\xd6"}', ("body", "", "json", "valid JSON")),
        (b"", ("body", "", "required", "a body")),
        (b"[]", ("body", "", "type", "object")),
    ],
)
async def test_what_is_no_such_json_is_refused(
    tmp_path: Path, body: bytes, fault: tuple[object, ...]
) -> None:
    """However it is broken."""
    assert only(await (await shop(tmp_path)).post(body)) == fault


async def test_the_media_type_has_to_be_described(tmp_path: Path) -> None:
    """415 for another; what is no JSON passes unseen; a coding would hide what is inside."""
    one = await shop(tmp_path)
    problem = await one.post(b"<x/>", b"text/xml")
    assert (problem["status"], only(problem)[2:]) == (
        415,
        ("content", "application/json, text/csv"),
    )
    assert await one.post(b"a,b", b"text/csv") == {}
    _, problem = await one.ask(
        "POST", b"/v1/items", headers=[*JSON, (b"content-encoding", b"gzip")], body=b"x"
    )
    assert (problem["status"], problem["faults"][0]["name"]) == (415, "content-encoding")


async def test_a_missing_body_is_a_fault_where_it_is_required(tmp_path: Path) -> None:
    """It is in the description of this operation."""
    one = await shop(tmp_path)
    _, problem = await one.ask("POST", b"/v1/items")
    assert only(problem)[2] == "required"


@pytest.mark.parametrize("stated", [True, False])
async def test_large_bodies_are_refused_or_pass_unseen(tmp_path: Path, *, stated: bool) -> None:
    """By the setting, whether their length is known before or not."""
    body = json.dumps({"items": [0] * 100}).encode()
    fields = [*JSON, (b"content-length", b"%d" % len(body))] if stated else JSON
    strict = await shop(tmp_path, body_bytes=50)
    response, problem = await strict.ask("POST", b"/v1/items", headers=fields, body=pieces(body))
    assert (response.status, problem["type"]) == (413, "urn:lukhas:problem:body-too-large")
    easy = await shop(tmp_path, body_bytes=50, large_bodies="allow")
    for sent in (pieces(body), body):
        response, _ = await easy.ask("POST", b"/v1/items", headers=fields, body=sent)
        assert (response.status, easy.seen[-1]) == (200, body)


async def test_a_client_that_goes_away_is_no_failure_of_the_stage(tmp_path: Path) -> None:
    """It is carried out as a failure of the handler is."""

    async def cut() -> AsyncIterator[bytes]:
        yield b"{"
        raise BodyAbortedError("gone")

    one = await shop(tmp_path)
    with pytest.raises(HandlerError):
        await one.ask("POST", b"/v1/items", headers=JSON, body=cut())


async def answered(one: Shop, body: object, kind: bytes = b"application/json") -> None:
    one.answer = Response(200, Headers([(b"content-type", kind)]), body)  # type: ignore[arg-type]
    response, _ = await one.ask("GET", b"/v1/items")
    if not isinstance(response.body, bytes):
        taps = response.taps or []
        async for piece in response.body:  # type: ignore[union-attr]
            for tap in taps:
                assert tap.feed(piece, last=False) == piece
        for tap in taps:
            tap.feed(b"", last=True)
    checked = one.hub.recorder.gauges
    before = checked()["openapi_responses_checked"]
    await until(lambda: checked()["openapi_responses_checked"] > before)


async def test_responses_are_looked_at_in_shadow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After they were sent; a kind of fault is logged once, and all are counted."""
    one = await shop(tmp_path, responses="shadow", response_share=1)
    good = json.dumps([{"id": 1, "name": "lamp", "price": 1}]).encode()
    bad = json.dumps([{"name": "lamp", "price": 1}]).encode()
    with caplog.at_level(logging.WARNING, "lukhas.openapi"):
        for body in (good, bad, bad, pieces(good), pieces(bad), b"{"):
            await answered(one, body)
        await answered(one, b"<x/>", b"text/xml")
    gauges = one.hub.recorder.gauges()
    assert (gauges["openapi_responses_checked"], gauges["openapi_response_faults"]) == (7, 5)
    assert len(caplog.records) == 3
    assert "GET /items, status 200, body /*: required" in caplog.text


async def test_a_share_of_the_responses_is_looked_at(tmp_path: Path) -> None:
    """Of four, one."""
    one = await shop(tmp_path, responses="shadow", requests="off", response_share=0.25)
    one.answer = Response(200, Headers([(b"content-type", b"application/json")]), b"[]")
    for _ in range(3):
        await one.ask("GET", b"/v1/items")
    await answered(one, b"[]")
    assert one.hub.recorder.gauges()["openapi_responses_checked"] == 1


async def test_bodies_that_nobody_describes_pass(tmp_path: Path) -> None:
    """Neither the path is known, nor that of an operation without a body, nor an empty one."""
    one = await shop(tmp_path, responses="shadow")
    for path, body in ((b"/nowhere", b"{"), (b"/v1/items/new", b"{")):
        response, _ = await one.ask("GET", path, headers=JSON, body=body)
        assert response.status == 200


async def test_a_body_that_may_be_missing(tmp_path: Path) -> None:
    """Nothing is checked where nothing was sent."""
    document = copy.deepcopy(SHOP)
    document["paths"]["/items"]["post"]["requestBody"]["required"] = False
    one = await shop(tmp_path, document)
    for body in (None, b"", pieces(b"")):
        response, _ = await one.ask("POST", b"/v1/items", headers=JSON, body=body)
        assert response.status == 200
    assert (await one.post({"items": 5}))["status"] == 400


async def test_responses_that_cannot_be_looked_at(tmp_path: Path) -> None:
    """Encoded ones, parts, those that are too large, and those that break off."""
    one = await shop(tmp_path, responses="shadow", response_share=1, body_bytes=10)
    kind = (b"content-type", b"application/json")
    for status, fields, body in (
        (200, [kind, (b"content-encoding", b"gzip")], b"x"),
        (206, [kind], b"x"),
        (200, [kind], b"x" * 11),
    ):
        one.answer = Response(status, Headers(fields), body)
        await one.ask("GET", b"/v1/items")
        assert one.answer.taps is None
    for pieces_sent, broken in (([b"x" * 11, b"y"], False), ([b"x"], True)):
        one.answer = Response(200, Headers([kind]), pieces(b""))
        response, _ = await one.ask("GET", b"/v1/items")
        for tap in response.taps or ():
            for piece in pieces_sent:
                tap.feed(piece, last=False)
            if broken:
                tap.abort()
            else:
                tap.feed(b"", last=True)
    await answered(one, b"[]")
    assert one.hub.recorder.gauges()["openapi_responses_checked"] == 1


async def test_a_status_that_is_not_described_is_a_fault(tmp_path: Path) -> None:
    """One without a body to look at is none."""
    one = await shop(tmp_path, responses="shadow", response_share=1)
    for path, status in ((b"/v1/items", 500), (b"/v1/items/7", 204)):
        one.answer = Response(status, Headers([(b"content-type", b"application/json")]), b"")
        await one.ask("GET", path)
    await until(lambda: one.hub.recorder.gauges()["openapi_responses_checked"] == 2)
    assert one.hub.recorder.gauges()["openapi_response_faults"] == 1


async def test_a_description_that_was_not_opened_fails_closed(tmp_path: Path) -> None:
    """Where requests are enforced, none passes without it; in shadow all do."""
    for mode, status in (("enforce", 503), ("shadow", 200)):
        one = await shop(tmp_path, requests=mode)
        one.hub.openapi.rules.description = None
        assert (await one.ask("GET", b"/v1/items"))[0].status == status


async def test_a_number_beyond_all_bounds_is_a_fault_or_none(tmp_path: Path) -> None:
    """What the library cannot take is told as too deep, and is no failure."""
    one = await shop(tmp_path)
    body = b'{"items": [], "x": ' + b"[" * 300 + b"]" * 300 + b"}"
    problem = await one.post(body)
    assert not problem or problem["faults"][0]["rule"] == "depth"
