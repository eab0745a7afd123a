"""The pages."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import lukhas.admin
from lukhas.admin.pages.api_docs import api_docs_page
from lukhas.admin.pages.layout import (
    MISSING,
    amount,
    byte_size,
    duration,
    latency,
    rate,
    share,
)
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.recorder import UNPLACED, Recorder
from tests.unit.admin.conftest import TOKEN

Report = Callable[..., None]


def traffic(route: str = "/orders/{id}", *, max_routes: int = 500) -> Recorder:
    recorder = Recorder(max_routes=max_routes)
    recorder.record((route, "GET", 200, "premium", "hit", 10, 2_500_000, *UNPLACED))
    recorder.record((route, "GET", 500, "premium", "miss", 10, 2_500_000, *UNPLACED))
    return recorder


async def test_the_overview_without_traffic_shows_how_to_make_some(
    admin: httpx.AsyncClient,
) -> None:
    """A command to copy, and no empty table."""
    page = (await admin.get("/")).text
    assert "No traffic yet" in page
    assert "curl http://127.0.0.1:8000/" in page
    assert "Routes, last minute" not in page
    assert "No worker reports" in page


async def test_the_overview_shows_figures_with_their_units(
    admin: httpx.AsyncClient, report: Report
) -> None:
    """Formatted, never as raw JSON."""
    recorder = traffic()
    recorder.watch("cache_entries", lambda: 12)
    recorder.watch("cache_bytes", lambda: 2048)
    recorder.watch("connections_open", lambda: 3)
    recorder.limited("burst", "premium", "shadow")
    report(recorder, PartHealth("cache", "degraded", "evicting"))
    page = (await admin.get("/")).text
    for expected in (
        "No traffic yet",
        "{&quot;",
    ):
        assert expected not in page
    for expected in (
        "<code>/orders/{id}</code>",
        "2.50 ms",
        "50.0 %",
        "12 entries, 2.0 KiB",
        "3 connections open",
        "1 more in shadow mode",
        "Degraded",
        "evicting",
        "w1",
        "<small>/s</small>",
        'aria-label="Requests in each second of the last minute; the most were 2"',
    ):
        assert expected in page


async def test_what_clients_and_settings_chose_is_escaped(
    admin: httpx.AsyncClient, report: Report
) -> None:
    """Route templates and details are text, never markup."""
    report(traffic("/<script>alert(1)</script>"), PartHealth("<b>", "failed", '"><img src=x>'))
    page = (await admin.get("/")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "<img src=x" not in page


async def test_the_overview_says_when_routes_share_a_label(
    admin: httpx.AsyncClient, report: Report
) -> None:
    """A bound on cardinality must not look like a fact about traffic."""
    recorder = traffic(max_routes=1)
    recorder.record(("/b", "GET", 200, "free", "hit", 1, 1, *UNPLACED))
    report(recorder)
    assert "1 requests are counted under <code>other</code>" in (await admin.get("/")).text


async def test_the_overview_says_when_the_last_minute_was_quiet(
    admin: httpx.AsyncClient, report: Report
) -> None:
    """There was traffic, so it is not the first visit."""
    report(traffic())
    for _ in range(61):
        report()
    page = (await admin.get("/")).text
    assert "No requests in the last minute." in page
    assert "No traffic yet" not in page


@pytest.mark.parametrize("path", ["/", "/docs", "/login", "/nope"])
async def test_no_page_holds_inline_script_or_style(admin: httpx.AsyncClient, path: str) -> None:
    """The content security policy would block them."""
    page = (await admin.get(path, headers={"accept": "text/html"})).text
    assert page.startswith("<!doctype html>")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


@pytest.mark.parametrize(
    ("file", "kind"),
    [("admin.css", "text/css"), ("overview.js", "text/javascript"), ("icon.svg", "image/svg+xml")],
)
async def test_assets_are_served_to_all(stranger: httpx.AsyncClient, file: str, kind: str) -> None:
    """The login page needs them."""
    answer = await stranger.get(f"/assets/{file}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)


def test_every_asset_that_a_page_names_exists() -> None:
    """Templates and pages name files of the package."""
    folder = Path(lukhas.admin.__file__).parent
    texts = [path.read_text() for path in [*folder.rglob("*.html"), *folder.rglob("*.py")]]
    named = {name for text in texts for name in re.findall(r"/assets/([\w.]+\w)", text)}
    assert named
    assert {name for name in named if not (folder / "assets" / name).exists()} == set()


async def test_a_path_that_does_not_exist_shows_the_way_back(admin: httpx.AsyncClient) -> None:
    """To a browser; programs get a problem."""
    answer = await admin.get("/nope", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


async def test_the_login_page_asks_for_the_token(stranger: httpx.AsyncClient) -> None:
    """And keeps where to go."""
    answer = await stranger.get('/login?next=/docs"')
    assert answer.status_code == 200
    assert 'type="password"' in answer.text
    assert 'value="/docs&quot;"' in answer.text
    assert 'role="alert"' not in answer.text


async def test_a_wrong_token_is_told_clearly(stranger: httpx.AsyncClient) -> None:
    """On the login page itself, and it does not repeat the token."""
    answer = await stranger.post("/login", data={"token": "s3cret-guess", "next": "/docs"})
    assert answer.status_code == 401
    assert "This is not the admin token." in answer.text
    assert 'role="alert"' in answer.text
    assert "s3cret-guess" not in answer.text
    assert 'value="/docs"' in answer.text


async def test_a_locked_out_address_is_told_how_long(stranger: httpx.AsyncClient) -> None:
    """Even with the right token."""
    for _ in range(10):
        assert (await stranger.post("/login", data={"token": "wrong"})).status_code == 401
    answer = await stranger.post("/login", data={"token": TOKEN})
    assert answer.status_code == 429
    assert "Wait 60 s" in answer.text


@pytest.mark.parametrize(
    "target", ["//evil.test", "https://evil.test", "/\\evil.test", "", "/a\r\nset-cookie: x=y"]
)
async def test_a_login_never_leads_to_another_site(
    stranger: httpx.AsyncClient, target: str
) -> None:
    """The way back is a path of our own."""
    answer = await stranger.post("/login", data={"token": TOKEN, "next": target})
    assert answer.headers["location"] == "/"


async def test_a_form_that_is_too_long_is_not_read(stranger: httpx.AsyncClient) -> None:
    """A token is short."""
    answer = await stranger.post("/login", data={"token": TOKEN, "x": "y" * 9000})
    assert answer.status_code == 401


async def test_the_docs_show_every_operation_and_type(admin: httpx.AsyncClient) -> None:
    """From the description itself."""
    description = (await admin.get("/openapi.json")).json()
    page = (await admin.get("/docs")).text
    for path in description["paths"]:
        assert f"<code>{path}</code>" in page
    for name in description["components"]["schemas"]:
        assert f'id="type-{name}"' in page


def test_the_docs_show_request_bodies_and_escape_what_they_show() -> None:
    """Other parts of the admin API have operations that change something."""
    description = {
        "openapi": "3.1.0",
        "info": {"title": "<T>", "version": "1"},
        "paths": {
            "/keys": {
                "post": {
                    "summary": "Make <one>",
                    "requestBody": {
                        "content": {"application/json": {"schema": {"$ref": "#/x/KeyCreate"}}}
                    },
                }
            }
        },
    }
    page = api_docs_page(description, version="1")
    assert '<a href="#type-KeyCreate">KeyCreate</a>' in page
    assert "Make &lt;one&gt;" in page
    assert "<one>" not in page


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (amount(None), MISSING), (amount(0), "0"), (amount(9999), "9,999"), (amount(10_000),
        "10.0 k"),
        (amount(12_345), "12.3 k"), (amount(999_400), "999 k"), (amount(999_600), "1.00 M"),
        (amount(5_000_000_000), "5.00 G"),
        (rate(0), "0"), (rate(0.5), "0.50"), (rate(12.34), "12.3"), (rate(1234.4), "1,234"),
        (latency(None), MISSING), (latency(0.25), "250 µs"), (latency(0.9996), "1.00 ms"),
        (latency(12.34), "12.3 ms"), (latency(123.4), "123 ms"), (latency(1500), "1.50 s"),
        (share(None), MISSING), (share(0), "0.0 %"), (share(0.0004), "< 0.1 %"), (share(1),
        "100.0 %"),
        (byte_size(None), MISSING), (byte_size(1023), "1023 B"), (byte_size(1536), "1.5 KiB"),
        (byte_size(2**20), "1.0 MiB"), (byte_size(2**41), "2.0 TiB"),
        (duration(5), "5 s"), (duration(125), "2 min 5 s"), (duration(7260), "2 h 1 min"),
        (duration(90_000), "1 d 1 h"),
    ],
)  # fmt: skip
def test_figures_are_written_for_people(shown: str, expected: str) -> None:
    """Three digits and a unit; a missing figure is a dash."""
    assert shown == expected
