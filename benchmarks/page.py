"""The dashboard in a browser: what of a core its page takes while it draws 50 live series.

    .venv/bin/python -m benchmarks.page [--seconds 20] [--series 50]

A real gateway in front of a small server gets a few requests a second on each of 50 routes, and
its history already has such requests of the last minutes. Chromium opens a page of the dashboard,
to which each second comes by Server-Sent Events, and tells for how long its main thread was busy.
It needs Debian's Chromium (`scripts/install-system`) and playwright, which is in the environment
for development, not in that of the other benchmarks.
"""

import argparse
import asyncio
import contextlib
import http.client
import http.server
import os
import random
import shutil
import socketserver
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import CDPSession, Page, ViewportSize, sync_playwright

from benchmarks.measurement import Figure, Section
from benchmarks.report import text
from benchmarks.servers import await_answer, free_port, lukhas_command, running
from lukhas.analytics.history import History
from lukhas.clock import SystemClock
from lukhas.storage.sql import open_database
from lukhas.telemetry.recorder import Recorder
from lukhas.units import SECOND_NS

__all__ = ("main",)

# How many lines the legend names; it tells how many more there are.
_NAMED = 10
_ROUND_S = 0.5
_PAST_S = 300
_SETTLE_S = 5
_TARGET = 5
# The legends, with the latest values.
_SHOWN = "[...document.querySelectorAll('.legend')].map((each) => each.textContent).join()"
_WINDOW: ViewportSize = {"width": 1400, "height": 900}

_SETTINGS = """
upstream = "http://127.0.0.1:{origin}"
listen = "127.0.0.1:{port}"
admin.listen = "127.0.0.1:{admin}"
tiers.free = "1000000/minute"
"""
_ROUTE = """
[[routes]]
name = "r{number}"
path = "/r{number}/{{name}}"
"""


@dataclass(frozen=True, slots=True)
class _Busy:
    """For how long the main thread of a page was busy so far, in seconds.

    Attributes:
        tasks: with all that it did; more where others take the cores away.
        script: with scripts, of that.
        layout: with styles and layout, of that.
        running: for how long it had a core.
        at: by which clock of the browser.
    """

    tasks: float
    script: float
    layout: float
    running: float
    at: float


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers a request."""
        body = b'{"ok": true}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "max-age=2")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Keeps quiet."""


class _Origin(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def run(series: int, seconds: float) -> Section:
    """Opens the pages one after the other."""
    section = Section(
        "Page",
        f"Chromium without a window, {seconds:g} s of each page of the dashboard, {series} routes "
        "with requests in each second, five minutes by the second. What of a core the main thread "
        "of the page was busy, waiting for a core included, and what of one it had.",
    )
    chromium = shutil.which("chromium")
    if chromium is None:
        section.skipped.append("chromium is not installed: scripts/install-system")
        return section
    with _served(series) as (admin_url, token), sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport=_WINDOW, color_scheme="dark", base_url=admin_url)
        page.goto("/login")
        page.get_by_label("Admin token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.locator("h1").first.wait_for()
        name = f"routes, {series} lines"
        _watch(section, page, name, path="/routes", seconds=seconds, lines=series)
        _watch(section, page, "overview, four charts", path="/", seconds=seconds)
        browser.close()
    return section


def _watch(
    section: Section,
    page: Page,
    name: str,
    *,
    path: str,
    seconds: float,
    lines: int | None = None,
) -> None:
    """Adds what a page takes up; it has to change meanwhile, and to have so many lines."""
    page.goto(path)
    page.locator(".chart canvas").first.wait_for()
    if lines is not None:
        page.get_by_text(f"and {lines - _NAMED} more", exact=True).wait_for()
    page.wait_for_timeout(_SETTLE_S * 1000)
    shown = page.evaluate(_SHOWN)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before = _busy(session)
    page.wait_for_timeout(seconds * 1000)
    after = _busy(session)
    if page.evaluate(_SHOWN) == shown:
        raise RuntimeError(f"{path} shows the same as {seconds:g} s ago: nothing comes live")
    whole_s = (after.at - before.at) / 100
    running = round((after.running - before.running) / whole_s, 1)
    values = (
        ("busy %", round((after.tasks - before.tasks) / whole_s, 1)),
        ("running %", running),
        ("scripts %", round((after.script - before.script) / whole_s, 1)),
        ("styles and layout %", round((after.layout - before.layout) / whole_s, 1)),
    )
    section.figures.append(Figure(name, values, ours=True))
    section.at_most(f"main thread, {name}", running, _TARGET, " %")


def _busy(session: CDPSession) -> _Busy:
    metrics = session.send("Performance.getMetrics")["metrics"]
    by_name = {metric["name"]: float(metric["value"]) for metric in metrics}
    return _Busy(
        by_name["TaskDuration"],
        by_name["ScriptDuration"],
        by_name["LayoutDuration"] + by_name["RecalcStyleDuration"],
        by_name["ThreadTime"],
        by_name["Timestamp"],
    )


@contextlib.contextmanager
def _served(series: int) -> Iterator[tuple[str, str]]:
    """A gateway with traffic; gives where its admin plane answers, and the admin token."""
    origin, port, admin = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="bench-page-") as name:
        folder = Path(name)
        settings = folder / "lukhas.toml"
        settings.write_text(
            _SETTINGS.format(origin=origin, port=port, admin=admin)
            + "".join(_ROUTE.format(number=number) for number in range(series))
        )
        state_dir = folder / "state"
        state_dir.mkdir(mode=0o700)
        asyncio.run(_fill(state_dir, series))
        server = _Origin(("127.0.0.1", origin), _Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ended = threading.Event()
        with running(lukhas_command(settings, state_dir), port, cpu=None):
            load = threading.Thread(target=_load, args=(port, series, ended))
            load.start()
            try:
                token = _token(state_dir / "admin.token")
                await_answer(f"http://127.0.0.1:{admin}/login", ())
                yield f"http://127.0.0.1:{admin}", token
            finally:
                ended.set()
                load.join()
                server.shutdown()
                server.server_close()


def _token(file: Path) -> str:
    """The admin token, which the admin process makes a moment after the gateway listens."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(FileNotFoundError):
            if token := file.read_text(encoding="ascii").strip():
                return token
        time.sleep(0.05)
    raise RuntimeError("the admin process made no token")


async def _fill(state_dir: Path, series: int) -> None:
    """Writes a history of the last minutes, so that lines reach over the whole chart."""
    clock = SystemClock()
    rng = random.Random(3)
    now_s = clock.now_ns() // SECOND_NS
    database = await open_database(state_dir, url=f"sqlite:///{state_dir / 'history.sqlite'}")
    try:
        history = History(database, clock)
        await history.load()
        for time_s in range(now_s - _PAST_S, now_s):
            recorder = Recorder()
            for number in range(series):
                route = f"/r{number}/{{name}}"
                labels = (route, "GET", 200, "free", "", "default", "miss", "passed")
                for _ in range(rng.randrange(1, 5)):
                    took_ns = int(rng.lognormvariate(14, 0.6))
                    recorder.record((labels, 100, took_ns, "ip:127.0.0.1", b"bench"))
            await history.write(time_s, recorder.drain_history())
    finally:
        await database.close()


def _load(port: int, series: int, ended: threading.Event) -> None:
    """Asks for each route a few times a second, until the end."""
    rng = random.Random(4)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    while not ended.is_set():
        began = time.monotonic()
        for number in range(series):
            for _ in range(rng.randrange(1, 3)):
                client.request("GET", f"/r{number}/{rng.randrange(50)}")
                client.getresponse().read()
        ended.wait(max(0.0, _ROUND_S - (time.monotonic() - began)))
    client.close()


def main() -> int:
    """Reads the command line.

    Returns:
        1 if the page takes up more than it may.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--series", type=int, default=50, help="more than 10")
    options = parser.parse_args()
    section = run(options.series, options.seconds)
    sys.stdout.write(text(section) + "\n")
    return 0 if all(target.met for target in section.targets) else 1


if __name__ == "__main__":
    sys.exit(main())
