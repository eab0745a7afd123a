"""The product as a stranger uses it: real processes, real sockets, the command line."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from tests.e2e.kit import Gateway, Service, run_gateway

FREELY = ("--limit", "1000000/minute")
"""A limit that no test reaches by accident."""


class StartGateway(Protocol):
    """Starts a gateway that ends with the test."""

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> Gateway:
        """See `kit.run_gateway`."""
        ...


class Origin:
    """The small origin, as tests see it.

    Attributes:
        url: where it answers.
    """

    def __init__(self, url: str, control: httpx.Client) -> None:
        self.url = url
        self._control = control

    def counts(self) -> dict[str, int]:
        """How many requests each path has had, and other counters."""
        answer: dict[str, int] = self._control.get("/control/counts").json()
        return answer

    def count(self, path: str) -> int:
        """How many requests a path has had."""
        return self.counts().get(path, 0)

    def signal(self, name: str) -> None:
        """Lets what waits under this name go on by one step."""
        self._control.get(f"/control/signal/{name}")


@contextlib.contextmanager
def _program(name: str, folder: Path) -> Iterator[str]:
    service = Service([sys.executable, "-m", f"tests.e2e.{name}"], folder)
    try:
        port = service.wait_for_output(r"port (\d+)\n")[1]
        yield f"http://127.0.0.1:{port}"
        service.end()
    finally:
        service.kill()


@pytest.fixture(scope="session")
def httpbin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of httpbin."""
    with _program("httpbin_server", tmp_path_factory.mktemp("httpbin")) as url:
        yield url


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """The origin that counts; paths should hold a name of the test, because all tests share it."""
    with (
        _program("origin", tmp_path_factory.mktemp("origin")) as url,
        httpx.Client(base_url=url) as control,
    ):
        yield Origin(url, control)


@pytest.fixture(scope="session")
def rude_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the origin that breaks the rules."""
    with _program("rude_origin", tmp_path_factory.mktemp("rude")) as url:
        yield url


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[StartGateway]:
    """Starts gateways; each must end cleanly after the test."""
    with contextlib.ExitStack() as stack:
        number = 0

        def start(*arguments: str, env: Mapping[str, str] | None = None) -> Gateway:
            nonlocal number
            number += 1
            folder = tmp_path / f"gateway-{number}"
            return stack.enter_context(run_gateway(folder, *arguments, env=env))

        yield start


@pytest.fixture(scope="session")
def before_httpbin(httpbin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of httpbin that nothing is too much for."""
    folder = tmp_path_factory.mktemp("before-httpbin")
    with run_gateway(folder, "--upstream", httpbin, *FREELY) as running:
        yield running


@pytest.fixture(scope="session")
def before_origin(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of the origin that counts, which nothing is too much for."""
    folder = tmp_path_factory.mktemp("before-origin")
    with run_gateway(folder, "--upstream", origin.url, *FREELY) as running:
        yield running


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that reads no proxy settings and follows no redirects."""
    with httpx.Client(trust_env=False, timeout=20.0) as client:
        # It is of the connection, and an origin that echoes it would not get it.
        del client.headers["connection"]
        yield client
