"""Reload and upgrade of a running gateway, over real sockets."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.gateway.load import Load, loaded
from tests.integration.gateway.process_kit import get, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def write_config(file: Path, load: Load, *more: str, workers: int = 2) -> None:
    lines = (
        f'upstream = "http://127.0.0.1:{load.origin_port}"',
        f"workers = {workers}",
        "log.level = 'info'",
        "[tiers]",
        "free = '1000000/second'",
        *more,
    )
    file.write_text("\n".join(lines))


def test_three_reloads_and_three_upgrades_lose_nothing(tmp_path: Path) -> None:
    """Under load of every kind, nothing fails while the workers are renewed six times."""
    file = tmp_path / "gateway.toml"
    with loaded() as load:
        write_config(file, load)
        with serving("--config", str(file), state_dir=tmp_path / "state") as served:
            load.port = served.port
            load.begin(kept=3, fresh=3, slow=2, streams=2)
            for workers in (3, 2, 1):
                write_config(file, load, workers=workers)
                served.tell(signal.SIGHUP, "reload done")
            for _ in range(3):
                served.tell(signal.SIGUSR2, "upgrade done")
            load.end()
            assert load.failed == {}
            assert min(load.answered[kind] for kind in ("kept", "fresh", "slow", "streams")) > 4
            until(lambda: _requests_seen(served.ask_admin("/api/v1/status")) >= _all(load))
            # Counted in seven generations, shown by the seventh admin process: each once.
            assert _requests_seen(served.ask_admin("/api/v1/status")) == _all(load)
            until(lambda: len(served.workers()) == 1)


def _all(load: Load) -> int:
    return sum(load.answered.values())


def _requests_seen(answer: tuple[int, bytes]) -> int:
    seen: int = json.loads(answer[1])["traffic"]["requests_total"]
    return seen


def test_a_reload_with_a_mistake_changes_nothing(tmp_path: Path) -> None:
    """One line says why, and the workers stay those they were; a good one is taken up after it."""
    file = tmp_path / "gateway.toml"
    with loaded() as load:
        write_config(file, load, workers=1)
        with serving("--config", str(file), state_dir=tmp_path / "state") as served:
            before = served.workers()
            write_config(file, load, "fre = 5", workers=1)
            served.tell(signal.SIGHUP, "reload refused, nothing has changed")
            (line,) = [line for line in served.lines if "refused" in line]
            assert f"{file}:6: unknown key 'tiers.fre': did you mean 'free'?" in line
            assert served.workers() == before
            assert get(served.port, "/fine")[0] == 200

            # The same by command, over the admin API, and in health.
            mistake = f"{file}:6: unknown key 'tiers.fre': did you mean 'free'?"
            command = [
                sys.executable,
                "-m",
                "lukhas",
                "reload",
                "--state-dir",
                str(served.state_dir),
            ]
            told = subprocess.run(command, capture_output=True, text=True, check=False)
            assert told.returncode == 2
            assert f"reload refused, nothing has changed: {mistake}" in told.stderr
            status, body = served.ask_admin("/api/v1/reload", method="POST")
            assert (status, json.loads(body)["faults"]) == (422, [mistake])
            parts = json.loads(served.ask_admin("/health")[1])["parts"]
            (settings,) = [part for part in parts if part["name"] == "settings"]
            assert settings["state"] == "degraded"
            assert mistake in settings["detail"]
            assert served.workers() == before

            write_config(file, load, "internal = '7/minute'", workers=1)
            served.tell(signal.SIGHUP, "reload done: generation 2, 1 workers")
            until(lambda: len(served.workers()) == 1)
            assert not served.workers() & before
            until(lambda: json.loads(served.ask_admin("/health")[1])["status"] == "ok")


def test_new_settings_are_those_of_the_new_workers(tmp_path: Path) -> None:
    """After a reload a request meets the new limits; addresses stay, and that is said."""
    file = tmp_path / "gateway.toml"
    with loaded() as load:
        write_config(file, load, workers=1)
        with serving("--config", str(file), state_dir=tmp_path / "state") as served:
            before = served.workers()
            assert [get(served.port, "/fine")[0] for _ in range(3)] == [200] * 3
            text = file.read_text().replace("1000000/second", "2/day")
            file.write_text(f"listen = '127.0.0.1:1'\n{text}")
            served.tell(signal.SIGHUP, "reload done")
            until(lambda: not served.workers() & before)
            assert [get(served.port, "/fine")[0] for _ in range(3)] == [200, 200, 429]
            # The flag --listen of this run wins over the file, so nothing is to be said of it.
            assert served.said("only a restart") == 0


def test_a_new_generation_that_cannot_start_changes_nothing(tmp_path: Path) -> None:
    """The old workers go on, the sockets of the new ones are gone again."""
    state = tmp_path / "state"
    with loaded() as load:
        file = tmp_path / "gateway.toml"
        write_config(file, load, workers=1)
        with serving("--config", str(file), state_dir=state) as served:
            before = served.workers()
            (state / "keys.lmdb").rename(tmp_path / "aside")
            (state / "keys.lmdb").write_bytes(b"no table" * 1000)
            write_config(file, load, workers=2)
            served.tell(signal.SIGUSR2, "upgrade refused, nothing has changed")
            assert served.workers() == before
            assert [get(served.port, "/fine")[0] for _ in range(20)] == [200] * 20
