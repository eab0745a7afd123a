"""What the tests of the dashboard in a browser share: a browser, somebody logged in, axe-core."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect

from tests.e2e.kit import ROOT, Gateway

PAGES = (
    "/",
    "/routes",
    "/consumers",
    "/limits",
    "/cache",
    "/upstreams",
    "/alerts",
    "/alerts?tab=silences",
    "/alerts?tab=rules",
    "/alerts?tab=channels",
    "/alerts?tab=history",
    "/explain",
    "/insights",
    "/capacity",
    "/settings",
    "/settings?tab=history",
    "/settings?tab=audit",
)
SCREENSHOTS = ROOT / "build" / "screenshots"
DESK = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}

_AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"


def start_browser(playwright: Playwright, *flags: str) -> Browser:
    """Debian's Chromium; skips where it is not installed."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed; scripts/install-system installs it as root")
    # This machine may be slow; what is not seen by then is not there.
    expect.set_options(timeout=15_000)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=program, args=[*arguments, *flags])


def axe_source() -> str:
    """The script of axe-core, from the packages that the dashboard is built with."""
    if not _AXE.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("axe-core is not installed; it comes with `npm ci` in ui/")
        subprocess.run([npm, "ci", "--prefix", str(ROOT / "ui")], check=True, timeout=150)
    return _AXE.read_text(encoding="utf-8")


class Person:
    """Somebody who uses the dashboard, with a browser window of their own.

    Attributes:
        page: what they see.
        complaints: errors of scripts and of the console, and what a policy kept from loading.
    """

    def __init__(self, browser: Browser, gateway: Gateway, **window: Any) -> None:
        self._gateway = gateway
        self.complaints: list[str] = []
        self._context = browser.new_context(
            base_url=gateway.admin_url, **{"viewport": DESK, **window}
        )
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def log_in(self, path: str = "/") -> None:
        """Goes to a page by the login page."""
        self.page.goto(path)
        self.page.get_by_label("Admin token").fill(self._gateway.token)
        self.page.get_by_role("button", name="Sign in").click()
        self.settle()

    def go(self, path: str) -> None:
        """Goes to a page, and waits for what it shows."""
        self.page.goto(path)
        self.settle()

    def settle(self) -> None:
        """Waits until nothing is being loaded."""
        self.page.locator("h1").first.wait_for()
        expect(self.page.locator(".skeleton")).to_have_count(0)

    def see(self, text: str) -> None:
        """Waits for a text."""
        self.page.get_by_text(text).first.wait_for()

    def answer(self, path: str, answer: Callable[..., Any]) -> None:
        """Lets requests for a path of the admin API be answered otherwise."""
        self._context.route(lambda url: urlsplit(url).path == path, answer)

    def close(self) -> None:
        """Closes the window."""
        self._context.close()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


def violations(page: Page, axe: str) -> list[str]:
    """What axe-core finds wrong with a page."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document).then((result) => result.violations)")
    return [
        f"{each['id']}: {node['target']}: {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
    ]


def screenshot(page: Page, name: str) -> Path:
    """Writes what the whole page looks like."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
