"""The pages."""

import re
from pathlib import Path

import httpx
import pytest

import lukhas.admin
from lukhas.admin.pages.api_docs import api_docs_page
from tests.unit.admin.conftest import TOKEN


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
    [
        ("admin.css", "text/css"),
        ("app/app.css", "text/css"),
        ("app/app.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ],
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
    named = {name for text in texts for name in re.findall(r"/assets/([\w./]+\w)", text)}
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
