"""A headless Chromium, driven by the DevTools protocol over pipes."""

import contextlib
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.kit import wait_for

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Page:
    """One tab.

    Attributes:
        complaints: errors of scripts and of the console, and what a policy kept from loading.
    """

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._last_id = 0
        self._session = ""
        self._pending = b""
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Goes to an address."""
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        result = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return result["result"].get("value")

    def wait_for_text(self, text: str) -> str:
        """The whole text of the page, once it holds this one."""

        def look() -> str | None:
            shown = self.run("document.body ? document.body.innerText : ''") or ""
            return shown if text in shown else None

        return wait_for(look, f"page with {text!r}", deadline_s=20.0)

    def _call(self, method: str, **params: Any) -> Any:
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last_id:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        end_s = time.monotonic() + 30
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._from], [], [], end_s - time.monotonic())
            piece = os.read(self._from, 65536) if ready else b""
            assert piece, "the browser does not answer"
            self._pending += piece
        message, _, self._pending = self._pending.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded

    def _note(self, event: dict[str, Any]) -> None:
        if event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(event["params"]["exceptionDetails"]))
        elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            self.complaints.append(str(event["params"]["entry"]))


@contextlib.contextmanager
def run_chromium(program: str, folder: Path, *flags: str) -> Iterator[Page]:
    """A tab of a browser with an empty profile."""
    with contextlib.ExitStack() as stack:
        ends: list[int] = []
        for _ in range(2):
            for end in os.pipe():
                # High numbers, so that none is in the way of the 3 and 4 the browser talks on.
                ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20))
                stack.callback(os.close, ends[-1])
                os.close(end)
        browser_in, to_browser, from_browser, browser_out = ends
        own_flags = ("--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}")
        redirect = f'exec "$@" 3<&{browser_in} 4>&{browser_out}'
        with (folder / "chromium.log").open("wb") as log:
            browser = subprocess.Popen(
                ["bash", "-c", redirect, "bash", program, *FLAGS, *own_flags, *flags],
                pass_fds=(browser_in, browser_out),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield Page(to_browser, from_browser)
        finally:
            browser.terminate()
            try:
                browser.wait(10)
            except subprocess.TimeoutExpired:
                browser.kill()
                browser.wait()
