"""The dashboard as it is served, and whether its build belongs to its sources."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

import lukhas.admin
from lukhas.admin.pages.dashboard import DASHBOARD_PATHS, DEEP_PATHS, dashboard_page

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "ui"
BUILT = Path(lukhas.admin.__file__).parent / "assets" / "app"
HTML = {"accept": "text/html,*/*"}
MOST_SCRIPT_BYTES = 60 * 1024


def manifest() -> dict[str, str | dict[str, str]]:
    read: dict[str, str | dict[str, str]] = json.loads((BUILT / "manifest.json").read_text())
    return read


def sources_digest() -> str:
    """The same as `sourcesDigest` in `ui/sources.ts`."""
    digest = hashlib.sha256()
    for name in sorted(
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*")
        if path.is_file() and not {"node_modules", ".vite"} & set(path.parts)
    ):
        content = (SOURCES / name).read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def test_the_build_belongs_to_the_sources() -> None:
    """Whoever changes `ui/` runs `make ui` and commits what comes out of it."""
    assert manifest()["sources_sha256"] == sources_digest(), "run `make ui`"


def test_the_build_is_as_it_came_out() -> None:
    """Nobody edits built files, and none is left out."""
    built = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in BUILT.iterdir()
        if path.name != "manifest.json"
    }
    assert manifest()["files"] == built


def test_the_script_is_small() -> None:
    """At most 60 KiB of JavaScript go to the browser of somebody far away."""
    scripts = [path.read_bytes() for path in BUILT.rglob("*.js")]
    assert 0 < sum(len(gzip.compress(script)) for script in scripts) <= MOST_SCRIPT_BYTES


def test_the_lock_holds_no_addresses() -> None:
    """Which registry somebody uses is their own affair."""
    lock = (SOURCES / "package-lock.json").read_text()
    assert "://" not in re.sub(r'"(?:url|funding)": "[^"]*"', "", lock)
    assert "resolved" not in lock


def test_server_and_script_know_the_same_pages() -> None:
    """Else a page would open by a click, and not by its address."""
    frame = (SOURCES / "src" / "app.tsx").read_text()
    entries = re.findall(r'\{ path: "(/\w*)", title: [^}]*\}', frame)
    deep = re.findall(r'\{ path: "(/\w*)", [^}]*deep: true[^}]*\}', frame)
    assert sorted(entries) == sorted(DASHBOARD_PATHS)
    assert sorted(deep) == sorted(DEEP_PATHS)


@pytest.mark.parametrize("path", [*DASHBOARD_PATHS, "/alerts/slow-1%2F2", "/explain/id-1"])
async def test_every_page_is_the_same_shell(admin: httpx.AsyncClient, path: str) -> None:
    """The script finds out by the address what to show."""
    answer = await admin.get(path, headers=HTML)
    assert answer.status_code == 200
    assert answer.text == dashboard_page()
    assert answer.headers["cache-control"] == "no-store"


async def test_the_shell_runs_nothing_but_its_script(admin: httpx.AsyncClient) -> None:
    """A strict content security policy, and nothing inline that would need a hole in it."""
    answer = await admin.get("/", headers=HTML)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>", answer.text) == [
        '<script type="module" crossorigin src="/assets/app/app.js">'
    ]


@pytest.mark.parametrize("path", ["/nope", "/routes/1", "/overview", "/requests"])
async def test_only_pages_that_exist_are_answered(admin: httpx.AsyncClient, path: str) -> None:
    """Everything else is a 404 of the server."""
    answer = await admin.get(path, headers=HTML)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


async def test_a_script_that_the_browser_has_is_not_sent_again(
    stranger: httpx.AsyncClient,
) -> None:
    """File names stay the same from build to build, so the browser has to ask; it is told 304."""
    first = await stranger.get("/assets/app/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await stranger.get(
        "/assets/app/app.js", headers={"if-none-match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_the_way_back_after_the_login_keeps_the_filters(stranger: httpx.AsyncClient) -> None:
    """They are in the query of the address."""
    answer = await stranger.get("/routes?range=1h&status=5xx", headers=HTML)
    assert answer.headers["location"] == "/login?next=/routes%3Frange%3D1h%26status%3D5xx"
