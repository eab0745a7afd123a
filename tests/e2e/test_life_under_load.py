"""The life of a gateway under load: renewed, and with a worker killed, it loses no request.

The clients never try again. Six kinds of them run at once: see `tests.integration.gateway.load`.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.e2e.kit import Gateway, run_cli, run_gateway, state_of, wait_for
from tests.integration.gateway.load import KINDS, Load, loaded

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

CONFIG = """
upstream = "http://127.0.0.1:{port}"
listen = "127.0.0.1:0"
state_dir = "{folder}/state"
workers = 2
log.level = "info"
[admin]
listen = "127.0.0.1:0"
[tiers]
free = "1000000/second"
[[routes]]
name = "socket"
path = "/ws"
websocket = true
"""
_SIGNALS = {"reload": signal.SIGHUP, "upgrade": signal.SIGUSR2}
_ESTABLISHED = "01"


def _written(folder: Path, load: Load) -> Path:
    path = folder / "gateway.toml"
    path.write_text(CONFIG.format(port=load.origin_port, folder=folder))
    return path


def _begin(load: Load, running: Gateway) -> None:
    load.port = running.address[1]
    load.begin(kept=4, fresh=3, slow=3, uploads=2, streams=2, sockets=2)
    _all_kinds_are_answered(load)


def _all_kinds_are_answered(load: Load) -> None:
    """Waits until clients of each kind have been answered once more."""
    seen = dict(load.answered)
    wait_for(
        lambda: all(load.answered[kind] > seen.get(kind, 0) for kind in KINDS) or None,
        "answer of each kind",
        deadline_s=30.0,
    )


def _renew(running: Gateway, what: str, *, by: str) -> None:
    """Renews the gateway, and waits until the new workers serve."""
    done = f"{what} done"
    before = running.service.stderr.count(done)
    if by == "signal":
        running.service.process.send_signal(_SIGNALS[what])
    elif by == "api":
        url = f"{running.admin_url}/api/v1/{what}"
        headers = {"authorization": f"Bearer {running.token}"}
        answer = httpx.post(url, headers=headers, trust_env=False, timeout=30.0)
        assert answer.status_code == 200, answer.text
    else:
        told = run_cli(what, "--state-dir", str(running.state_dir))
        assert told.returncode == 0, told.stderr
    wait_for(
        lambda: running.service.stderr.count(done) > before or None,
        f"end of a {what} by {by}: {running.service.stderr}",
        deadline_s=30.0,
    )


def test_three_upgrades_and_three_reloads_lose_nothing(tmp_path: Path) -> None:
    """However the renewal is asked for, every request gets its whole answer."""
    with loaded() as load:
        config = _written(tmp_path, load)
        with run_gateway(tmp_path, "--config", str(config)) as running:
            _begin(load, running)
            for what, by in (
                ("upgrade", "signal"),
                ("reload", "signal"),
                ("upgrade", "command"),
                ("reload", "command"),
                ("upgrade", "api"),
                ("reload", "api"),
            ):
                _renew(running, what, by=by)
                _all_kinds_are_answered(load)
            load.end()
            assert load.failed == {}


def test_a_killed_worker_loses_only_what_it_held(tmp_path: Path) -> None:
    """The connections that it had accepted are lost; the kernel's and its sibling's are not."""
    with loaded() as load:
        config = _written(tmp_path, load)
        with run_gateway(tmp_path, "--config", str(config)) as running:
            _begin(load, running)
            port = running.address[1]
            killed = max(running.worker_pids, key=lambda pid: len(_clients_of(pid, port)))
            # Stopped first, so that what it holds stays what it is while it is written down.
            os.kill(killed, signal.SIGSTOP)
            wait_for(lambda: state_of(killed) == "T", "stop of the worker")
            held = _clients_of(killed, port)
            os.kill(killed, signal.SIGKILL)
            _all_kinds_are_answered(load)
            wait_for(
                lambda: (pids := running.worker_pids) and killed not in pids and len(pids) == 2,
                "new worker",
            )
            _all_kinds_are_answered(load)
            load.end()
            assert held
            assert {failure.port for failure in load.failures} <= held, load.failures
            assert len(load.failures) <= len(held)


def test_busy_workers_get_help_and_say_why(tmp_path: Path) -> None:
    """With a range of workers, one that has all hands full gets another one beside it."""
    wrk = shutil.which("wrk")
    if wrk is None:
        pytest.skip("wrk is not installed; scripts/install-system installs it as root")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("a second worker would need a second CPU")
    with loaded() as load:
        flags = ("--upstream", f"http://127.0.0.1:{load.origin_port}", "--limit", "1/day")
        with run_gateway(tmp_path, *flags, "--workers", "auto:1-2") as running:
            assert len(running.worker_pids) == 1
            headers = {"authorization": f"Bearer {running.token}"}
            with httpx.Client(base_url=running.admin_url, headers=headers, timeout=20) as admin:
                # Refusals: all the work is that of the worker.
                command = [wrk, "-t1", "-c16", "-d40s", running.url]
                with subprocess.Popen(command, stdout=subprocess.DEVNULL) as pressing:
                    (move,) = wait_for(
                        lambda: admin.get("/api/v1/workers").json()["moves"] or None,
                        "second worker",
                        deadline_s=35.0,
                    )
                    pressing.terminate()
                assert (move["before"], move["after"]) == (1, 2)
                assert admin.get("/api/v1/workers").json()["wanted"] == 2
                assert len(running.worker_pids) == 2
                assert f"1 -> 2 workers: {move['why']}" in running.service.stderr
                parts = {part["name"]: part for part in admin.get("/health").json()["parts"]}
                assert move["why"] in parts["scaling"]["detail"]
                page = admin.get("/metrics").text
                assert "lukhas_workers_wanted 2\n" in page
                assert 'lukhas_worker_changes_total{direction="up"} 1\n' in page


def _clients_of(pid: int, port: int) -> set[int]:
    """The client ports of the connections to a port that a process has accepted."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        # A connection may end while it is looked at.
        with contextlib.suppress(FileNotFoundError):
            target = str(entry.readlink())
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    clients = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        local, remote, state, inode = *words[1:4], words[9]
        if state == _ESTABLISHED and inode in inodes and int(local.partition(":")[2], 16) == port:
            clients.add(int(remote.partition(":")[2], 16))
    return clients
