"""Several workers on one address, over real sockets."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.gateway.load import loaded
from tests.integration.gateway.process_kit import WAIT_S, get, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FREE = ("--limit", "1000000/second")


def figures(served: object) -> dict[str, object]:
    status, body = served.ask_admin("/api/v1/status")  # type: ignore[attr-defined]
    assert status == 200
    found: dict[str, object] = json.loads(body)
    return found


@pytest.mark.parametrize("workers", [2, 3])
def test_all_workers_serve_and_are_added_up(workers: int, tmp_path: Path) -> None:
    """Each takes its part of the connections; status and metrics show all of them as one."""
    with loaded() as load:
        upstream = f"http://127.0.0.1:{load.origin_port}"
        flags = ("--upstream", upstream, "--workers", str(workers), *FREE)
        with serving(*flags, state_dir=tmp_path / "state") as served:
            assert len(served.workers()) == workers
            answers = {get(served.port, f"/{number}") for number in range(120)}
            assert answers == {(200, b"ok")}
            until(lambda: figures(served)["traffic"]["requests_total"] == 120)  # type: ignore[index]
            seen = figures(served)
            names = [worker["name"] for worker in seen["workers"]]  # type: ignore[attr-defined]
            assert names == [f"worker-{number + 1}" for number in range(workers)]
            assert all(worker["requests_total"] for worker in seen["workers"])  # type: ignore[attr-defined]
            assert seen["health"]["status"] == "ok"  # type: ignore[index]
            metrics = served.ask_admin("/metrics")[1].decode()
            assert f"lukhas_workers_alive {workers}" in metrics
            assert "lukhas_request_duration_seconds_count" in metrics


def test_a_killed_worker_costs_the_others_nothing(tmp_path: Path) -> None:
    """New connections go to its siblings at once, and it is started again."""
    with loaded() as load:
        upstream = f"http://127.0.0.1:{load.origin_port}"
        flags = ("--upstream", upstream, "--workers", "2", *FREE)
        with serving(*flags, state_dir=tmp_path / "state") as served:
            load.port = served.port
            before = served.workers()
            killed = min(before)
            os.kill(killed, signal.SIGSTOP)
            # Stopped, it accepts nothing: whatever the kernel gives it waits at its socket. The
            # clients can only go on because its sibling takes that over.
            load.begin(kept=0, fresh=6, slow=0, streams=0)
            until(lambda: load.answered["fresh"] > 60)
            os.kill(killed, signal.SIGKILL)
            until(lambda: len(served.workers() - {killed}) == 2)
            seen = load.answered["fresh"]
            until(lambda: load.answered["fresh"] > seen + 60)
            load.end()
            assert load.failed == {}
            until(lambda: figures(served)["health"]["status"] == "ok")  # type: ignore[index]
            workers = figures(served)["workers"]
            assert len(workers) == 2  # type: ignore[arg-type]


def test_an_end_drains_all_workers_at_once(tmp_path: Path) -> None:
    """At SIGTERM every worker finishes what it has, and the whole ends with 0."""
    with loaded() as load:
        upstream = f"http://127.0.0.1:{load.origin_port}"
        flags = ("--upstream", upstream, "--workers", "3", *FREE)
        with serving(*flags, state_dir=tmp_path / "state") as served:
            replies = asyncio.run(_slow_while_ending(served.port, served.process))
            assert replies == [b"slow"] * 12
            assert served.process.wait(WAIT_S) == 0
            assert served.said("Traceback") == 0


async def _slow_while_ending(port: int, process: "subprocess.Popen[str]") -> list[bytes]:
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
    for reader, writer in connections:
        writer.write(b"GET /fine HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"ok")
    for _, writer in connections:
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.sleep(0)
    process.send_signal(signal.SIGTERM)
    wholes = await asyncio.gather(*(reader.read() for reader, _ in connections))
    for _, writer in connections:
        writer.close()
    return [answer.rpartition(b"\r\n\r\n")[2] for answer in wholes]


def test_a_key_made_while_they_run_works_at_every_worker(tmp_path: Path) -> None:
    """Keys live in a table that all workers read."""
    state = tmp_path / "state"
    with loaded() as load:
        upstream = f"http://127.0.0.1:{load.origin_port}"
        flags = ("--upstream", upstream, "--workers", "2", *FREE)
        with serving(*flags, state_dir=state) as served:
            assert get(served.port, "/fine")[0] == 200
            made = subprocess.run(
                [*LUKHAS, "keys", "create", "--tier", "premium", "--state-dir", str(state)],
                capture_output=True,
                text=True,
                check=True,
            )
            key = made.stdout.strip()
            for _ in range(40):
                status, _body = get(served.port, "/fine", **{"X-API-Key": key})
                assert status == 200
            until(lambda: _premium(figures(served)) == 40)
            workers = figures(served)["workers"]
            assert all(worker["requests_total"] for worker in workers)  # type: ignore[attr-defined]
            wrong = get(served.port, "/fine", **{"X-API-Key": key[:-4] + "AAAA"})
            assert wrong[0] == 401


def _premium(seen: dict[str, object]) -> int:
    tiers = {tier["tier"]: tier["requests_1m"] for tier in seen["tiers"]}  # type: ignore[attr-defined]
    count: int = tiers["premium"]
    return count


LUKHAS = [sys.executable, "-m", "lukhas"]
_ADOPT = """
import os, sys
for place, descriptor in enumerate(sys.argv[1].split(",")):
    os.dup2(int(descriptor), 3 + place)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_a_service_manager_is_told_and_hands_over_sockets(tmp_path: Path) -> None:
    """READY, RELOADING and STOPPING arrive; the sockets that were handed over are served."""
    with (
        loaded() as load,
        socket.create_server(("127.0.0.1", 0)) as data_plane,
        socket.create_server(("127.0.0.1", 0)) as admin_plane,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(WAIT_S)
        numbers = (data_plane.fileno(), admin_plane.fileno())
        # Above those that they are to become.
        high = [os.dup2(number, 60 + place) for place, number in enumerate(numbers)]
        with serving(
            *("--upstream", f"http://127.0.0.1:{load.origin_port}", "--workers", "2", *FREE),
            state_dir=tmp_path / "state",
            start=[sys.executable, "-c", _ADOPT, ",".join(map(str, high))],
            env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "LISTEN_FDS": "2"},
            pass_fds=high,
        ) as served:
            for number in high:
                os.close(number)
            assert manager.recv(4096) == b"READY=1"
            assert served.port == data_plane.getsockname()[1]
            assert served.admin_port == admin_plane.getsockname()[1]
            assert [get(served.port, "/fine")[0] for _ in range(20)] == [200] * 20
            assert served.ask_admin("/api/v1/status")[0] == 200
            served.process.send_signal(signal.SIGHUP)
            assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(4096) == b"READY=1"
            assert get(served.port, "/fine")[0] == 200
            served.process.terminate()
            assert manager.recv(4096) == b"STOPPING=1"


def test_commands_find_the_gateway_by_its_state_directory(tmp_path: Path) -> None:
    """Reload and upgrade reach the first gateway on a state directory; a second one says so."""
    state = tmp_path / "state"
    with loaded() as load:
        flags = ("--upstream", f"http://127.0.0.1:{load.origin_port}")
        with serving(*flags, state_dir=state, env={"LUKHAS_LOG__LEVEL": "info"}) as served:
            for command in ("reload", "upgrade"):
                told = _lukhas(command, "--state-dir", str(state))
                assert told.returncode == 0
                assert f"{command} done: generation " in told.stderr
                assert served.said(f"{command} done")
            with serving(*flags, state_dir=state) as second:
                assert second.said(f"another gateway (pid {served.process.pid})")
                assert get(second.port, "/fine")[0] == 200
    ended = _lukhas("reload", "--state-dir", str(state))
    assert ended.returncode == 2
    assert "no gateway runs on this state directory" in ended.stderr


def _lukhas(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*LUKHAS, *words], capture_output=True, text=True, check=False)


def test_it_ends_with_its_terminal(tmp_path: Path) -> None:
    """A terminal that closes ends the gateway, and is no order to reload."""
    master, terminal = os.openpty()
    attach = (
        "import fcntl, os, signal, sys, termios; os.setsid();"
        # Who runs the tests with nohup ignores it, and whoever is started inherits that.
        " signal.signal(signal.SIGHUP, signal.SIG_DFL);"
        f" fcntl.ioctl({terminal}, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    with (
        loaded() as load,
        serving(
            *("--upstream", f"http://127.0.0.1:{load.origin_port}"),
            state_dir=tmp_path / "state",
            start=[sys.executable, "-c", attach],
            pass_fds=[terminal],
        ) as served,
    ):
        os.close(terminal)
        os.close(master)
        assert served.process.wait(WAIT_S) == 0
        assert served.said("reload") == 0
