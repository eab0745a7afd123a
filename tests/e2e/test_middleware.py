"""The middleware in a FastAPI app under a uvicorn of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.kit import Service


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app."""
    folder: Path = tmp_path_factory.mktemp("middleware")
    command = [sys.executable, "-m", "uvicorn", "tests.e2e.middleware_app:app"]
    service = Service(
        [*command, "--host", "127.0.0.1", "--port", "0"],
        folder,
        {"LUKHAS_STATE_DIR": str(folder / "state"), "XDG_STATE_HOME": str(folder)},
    )
    try:
        yield service.wait_for_output(r"running on (http://\S+)")[1]
        service.end()
        said = service.stderr
        assert "Application shutdown complete" in said
        # The failure that one route has on purpose is reported; nothing else is.
        assert said.count("Traceback") == said.count("RuntimeError: on purpose")
    finally:
        service.kill()


def test_limits_and_cache_hold(url: str, http: httpx.Client) -> None:
    """Marks on an included router and the tier's limit work under a real server."""
    answers = [http.get(f"{url}/v1/cached") for _ in range(3)]
    assert [answer.json() for answer in answers] == [{"calls": 1}] * 3
    assert answers[2].headers["cache-status"].startswith("lukhas; hit")

    answers = [http.get(f"{url}/v1/limited") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["content-type"] == "application/problem+json"
    assert int(answers[2].headers["retry-after"]) > 0

    assert http.post(f"{url}/v1/echo", content=b"x" * 300_000).json() == {"length": 300_000}
    # uvicorn ends the connection after a failure, so it is not one that is used again.
    assert httpx.get(f"{url}/v1/broken", trust_env=False).status_code == 500
    assert http.get(f"{url}/v1/nothing").status_code == 404

    # Eight were charged so far: a refused request costs nothing.
    statuses = [http.get(f"{url}/v1/nothing").status_code for _ in range(35)]
    assert statuses == [404] * 32 + [429] * 3
