"""A real Prometheus, a real Alertmanager, and somebody who hears of alerts."""

import contextlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.kit import Service, unused_port, wait_for

__all__ = (
    "Alertmanager",
    "Hook",
    "Prometheus",
    "hook",
    "program",
    "run_alertmanager",
    "run_prometheus",
)


def program(name: str) -> str:
    """Where a program is; skips the test where it is not."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed; scripts/install-system installs it as root")
    return path


class Hook:
    """A webhook receiver.

    Attributes:
        url: where it listens.
        bodies: the JSON that it was sent and has taken.
        refused: how many it has refused.
        statuses: what it answers next; then 200 for ever.
    """

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.refused = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = outer.statuses.pop(0) if outer.statuses else 200
                if status == 200:
                    outer.bodies.append(body)
                else:
                    outer.refused += 1
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """The messages in which there is an alert of this name, in the order in which they came."""
        return [
            body
            for body in self.bodies
            if any(alert["labels"]["alertname"] == name for alert in body["alerts"])
        ]


@contextlib.contextmanager
def hook() -> Iterator[Hook]:
    """A receiver on a free port."""
    found = Hook()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        thread.join()
        found.server.server_close()


class _Asked:
    """Something with an HTTP API."""

    def __init__(self, url: str, service: Service) -> None:
        self.url = url
        self.service = service
        self.client = httpx.Client(base_url=url, trust_env=False, timeout=10.0)

    def get(self, path: str, **params: str) -> Any:
        """The JSON of an answer, which must be 200."""
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def is_ready(self) -> bool:
        """Whether it answers."""
        assert self.service.process.poll() is None, self.service.stderr
        try:
            return self.client.get("/-/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Ends the connections and the process."""
        self.client.close()
        self.service.end()


class Prometheus(_Asked):
    """A running Prometheus."""

    def query(self, expr: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The present values of an expression, by labels without the name."""
        found = self.get("/api/v1/query", query=expr)["data"]["result"]
        return {
            tuple(sorted((k, v) for k, v in each["metric"].items() if k != "__name__")): float(
                each["value"][1]
            )
            for each in found
        }

    def value(self, expr: str) -> float | None:
        """The only present value of an expression; None if there is none."""
        found = list(self.query(expr).values())
        assert len(found) < 2, found
        return found[0] if found else None

    def notifications_sent(self) -> float:
        """How often it has told an Alertmanager of alerts."""
        text = self.client.get("/metrics").text
        found = re.findall(r"(?m)^prometheus_notifications_sent_total\{.*\} (\S+)$", text)
        return sum(map(float, found))


class Alertmanager(_Asked):
    """A running Alertmanager."""

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that it knows to fire."""
        found: list[dict[str, Any]] = self.get("/api/v2/alerts")
        return found


@contextlib.contextmanager
def _running(
    command: list[str], folder: Path, make: Callable[[str, Service], Any], port: int
) -> Iterator[Any]:
    service = Service(command, folder)
    try:
        asked = make(f"http://127.0.0.1:{port}", service)
        wait_for(asked.is_ready, f"answer of {Path(command[0]).name}")
        yield asked
        asked.close()
    finally:
        service.kill()


@contextlib.contextmanager
def run_prometheus(config: Path, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with its data in a folder; it sends alerts anew each second."""
    port = unused_port()
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--rules.alert.resend-delay=1s",
    ]
    with _running(command, folder, Prometheus, port) as found:
        yield found


@contextlib.contextmanager
def run_alertmanager(config: Path, folder: Path, port: int | None = None) -> Iterator[Alertmanager]:
    """An Alertmanager that has no peers."""
    port = port or unused_port()
    command = [
        program("prometheus-alertmanager"),
        f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.path={folder / 'data'}",
        "--cluster.listen-address=",
    ]
    with _running(command, folder, Alertmanager, port) as found:
        yield found
