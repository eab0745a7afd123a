"""When API keys were used last, told by a real gateway with two workers."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.gateway.load import loaded
from tests.integration.gateway.process_kit import Served, get, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# A worker's clock is put in step with the system's once a second.
SLACK_NS = 50_000_000


def keys(state_dir: Path, *words: str) -> str:
    """What `lukhas keys` says."""
    command = [sys.executable, "-m", "lukhas", "keys", *words, "--state-dir", str(state_dir)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def last_uses(served: Served) -> dict[str, int | None]:
    """What the admin API tells, by consumer."""
    consumers = json.loads(served.ask_admin("/api/v1/consumers")[1])["consumers"]
    return {each["name"]: each["keys"][0]["last_used_at_ns"] for each in consumers}


def registry(state_dir: Path, query: str) -> int:
    with closing(sqlite3.connect(state_dir / "admin.sqlite")) as database:
        return int(database.execute(query).fetchone()[0])


def use(served: Served, key: str) -> tuple[int, int]:
    """Uses a key with every worker; gives the time before and after the last use."""
    seen: set[str] = set()
    while len(seen) < 2:
        assert get(served.port, "/", **{"X-API-Key": key})[0] == 200
        workers = json.loads(served.ask_admin("/api/v1/status")[1])["workers"]
        seen = {each["name"] for each in workers if each["requests_total"]}
    before_ns = time.time_ns()
    assert get(served.port, "/", **{"X-API-Key": key})[0] == 200
    return before_ns, time.time_ns()


def test_the_last_use_of_a_key_is_told_and_kept(tmp_path: Path) -> None:
    """About a second after it, over a reload and a restart, without a change for the workers."""
    state = tmp_path / "state"
    used, idle = (
        keys(state, "create", "--tier", "internal", "--name", name).strip()
        for name in ("used", "idle")
    )
    with loaded() as load:
        flags = ("--upstream", f"http://127.0.0.1:{load.origin_port}", "--workers", "2")
        with serving(*flags, state_dir=state) as served:
            assert last_uses(served) == {"used": None, "idle": None}
            revision = registry(state, "SELECT revision FROM key_registry")
            before_ns, after_ns = use(served, used)
            until(lambda: (last_uses(served)["used"] or 0) >= before_ns - SLACK_NS)
            # A refused key is not used, whatever stands in it.
            assert get(served.port, "/", **{"X-API-Key": idle[:-1] + "~"})[0] == 401
            # The admin process before writes at its end what it had not written yet.
            served.tell(signal.SIGHUP, "reload done")
            until(lambda: (last_uses(served)["used"] or 0) >= before_ns - SLACK_NS)
            assert last_uses(served)["idle"] is None
        kept = "SELECT last_used_ns FROM api_keys WHERE consumer = "
        last_ns = registry(state, kept + "'used'")
        assert before_ns - SLACK_NS <= last_ns <= after_ns + SLACK_NS
        with serving(*flags, state_dir=state) as served:
            assert last_uses(served) == {"used": last_ns, "idle": None}
            before_ns = time.time_ns()
            assert get(served.port, "/", **{"X-API-Key": idle})[0] == 200
        # It ended before anything had to be written: the end has written it.
        assert registry(state, kept + "'idle'") >= before_ns - SLACK_NS
        assert registry(state, kept + "'used'") == last_ns
        assert registry(state, "SELECT revision FROM key_registry") == revision
    head, *lines = keys(state, "list").splitlines()
    (line,) = [line for line in lines if " used " in line]
    shown = time.strftime("%Y-%m-%d %H:%M", time.gmtime(last_ns / 1e9))
    assert line[head.index("LAST USED") :].split("  ")[0] == shown
