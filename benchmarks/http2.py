"""HTTP/2 beside HTTP/1.1: the gateway under load, and what reading and writing frames costs."""

import importlib.util
import os
import re
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from benchmarks.measurement import Figure, Section, interleaved_us
from benchmarks.servers import (
    BODY,
    LOAD_CPU,
    await_answer,
    child_running,
    cpu_s,
    free_port,
    lukhas_command,
    nginx,
    running,
)
from lukhas.gateway.http2_input import FrameReader
from lukhas.http.hpack import HpackDecoder, encoded_field, encoded_status
from lukhas.http.http2_frames import (
    PREFACE,
    FrameType,
    data_frames,
    frame,
    header_frames,
    settings_frame,
)

__all__ = ("run",)

_REPEATS = 3
_REQUESTS = 20_000
# 64 requests at a time, both ways.
_WAYS = {"HTTP/1.1": ("--h1", "-c", "64"), "HTTP/2": ("-c", "16", "-m", "4")}
_PATHS = {"hit": "/cached", "proxied": "/plain"}
_RATE = re.compile(r"([\d.]+) req/s")
_DONE = re.compile(r"(\d+) succeeded, 0 failed")
_CONFIG = """
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[upstream]
url = "http://127.0.0.1:{origin}"
[http2]
cleartext = true
[tiers]
free = "100000000/minute"
[log]
level = "warning"
"""
_FIELDS = [
    (b":status", b"200"),
    (b"content-type", b"application/json"),
    (b"content-length", b"508"),
    (b"date", b"Wed, 25 Nov 2026 07:21:52 GMT"),
    (b"x-request-id", b"131d1802e8211852-27101"),
]
# A request as HPACK has it from the second one on: each field stands in a table.
_FIRST = (
    b"\x82\x86\x84\x41\x09a.example\x40\x0auser-agent\x09bench/1.0"
    b"\x40\x06accept\x10application/json\x40\x09x-api-key\x05abcde"
)
_AGAIN = b"\x82\x86\x84\xc1\xc0\xbf\xbe"


def run() -> Section:
    """Runs the comparison; without TLS, so that only the protocol differs."""
    section = Section(
        "HTTP/2",
        f"One core for the server, the other for h2load, 64 requests at a time, {_REQUESTS} "
        f"requests, {_REPEATS} interleaved runs, medians. CPU is user and system time of the "
        "worker for one request. Frames: reading a request and writing its answer, in process.",
    )
    _frames(section)
    for tool in ("nginx", "h2load", "taskset"):
        if shutil.which(tool) is None:
            section.skipped.append(f"the load: {tool} is not installed (make test-system has it)")
            return section
    origin, port, admin = free_port(), free_port(), free_port()
    answer = (
        "default_type application/json; "
        'location /cached { add_header Cache-Control "public, max-age=3600"; '
        f"return 200 '{BODY.decode()}'; }} "
        f"location / {{ return 200 '{BODY.decode()}'; }}"
    )
    with tempfile.TemporaryDirectory(prefix="bench-http2-") as folder:
        config = Path(folder) / "gateway.toml"
        config.write_text(_CONFIG.format(port=port, admin=admin, origin=origin))
        command = lukhas_command(config, Path(folder) / "state")
        with nginx(answer, origin, cpu=LOAD_CPU), running(command, port) as gateway:
            url = f"http://127.0.0.1:{port}"
            await_answer(url)
            _compare(section, url, child_running(gateway.pid, "lukhas.gateway"))
    return section


def _compare(section: Section, url: str, worker: int) -> None:
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(_REPEATS):
        for kind, path in _PATHS.items():
            for way, options in _WAYS.items():
                taken.setdefault((kind, way), []).append(_load(url + path, options, worker))
    rates = {key: statistics.median(rate for rate, _ in values) for key, values in taken.items()}
    costs = {key: statistics.median(cost for _, cost in values) for key, values in taken.items()}
    for kind, way in taken:
        ratio = costs[kind, "HTTP/1.1"] / costs[kind, way]
        values = (
            ("req/s", round(rates[kind, way])),
            ("CPU us/req", round(costs[kind, way], 1)),
            ("HTTP/1.1 / this, by CPU", round(ratio, 2)),
        )
        section.figures.append(Figure(f"{kind}, {way}", values, ours=True))


def _load(url: str, options: tuple[str, ...], worker: int) -> tuple[float, float]:
    """Requests a second, and CPU time of the worker for one, in microseconds."""
    before = cpu_s([worker])
    command = ["taskset", "-c", LOAD_CPU, "h2load", "-n", str(_REQUESTS), *options, url]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=120, env=dict(os.environ)
    )
    rate, whole = _RATE.search(done.stdout), _DONE.search(done.stdout)
    if rate is None or whole is None or int(whole[1]) != _REQUESTS:
        raise RuntimeError(f"h2load: {done.stdout}")
    return float(rate[1]), (cpu_s([worker]) - before) / _REQUESTS * 1e6


class _Sink:
    """Answers each request, as the gateway does, without a gateway."""

    def __init__(self) -> None:
        self.decoder = HpackDecoder(32 * 1024)
        self.out: list[bytes] = []

    def on_headers(self, stream: int, block: bytes, *, end_stream: bool) -> None:
        self.decoder.decode(block)
        head = encoded_status(200) + b"".join(encoded_field(*field) for field in _FIELDS[1:])
        self.out = [
            header_frames(stream, head, end_stream=not end_stream),
            data_frames(stream, BODY, end_stream=True),
        ]

    def on_data(self, stream: int, data: bytes, size: int, *, end_stream: bool) -> None:
        raise NotImplementedError

    def on_reset(self, stream: int) -> None:
        raise NotImplementedError

    def on_window(self, stream: int, increment: int) -> None:
        raise NotImplementedError

    def on_settings(self, pairs: list[tuple[int, int]]) -> None:
        pass

    def on_ping(self, payload: bytes) -> None:
        raise NotImplementedError

    def on_goaway(self) -> None:
        raise NotImplementedError

    def on_trifle(self) -> None:
        raise NotImplementedError


def _frames(section: Section) -> None:
    """Our frames beside those of `h2`, the usual library in Python."""
    cases = [("own frames", _own)]
    if importlib.util.find_spec("h2") is None:
        section.skipped.append("frames of h2: it is not installed (the dev environment has it)")
    else:
        cases.append(("h2", _library))
    figures = interleaved_us(cases, loops=3000, rounds=5, pick=min)
    for name, cost_us in figures.items():
        values = (("us a request", round(cost_us, 1)),)
        section.figures.append(Figure(f"frames: {name}", values, ours=name == "own frames"))


def _requests(loops: int) -> list[bytes]:
    blocks = [_FIRST, *[_AGAIN] * (loops - 1)]
    return [frame(FrameType.HEADERS, 0x5, 2 * n + 1, block) for n, block in enumerate(blocks)]


def _own(loops: int) -> None:
    sink = _Sink()
    reader = FrameReader(sink, 32 * 1024)
    reader.feed(PREFACE + settings_frame({}))
    for request in _requests(loops):
        reader.feed(request)


def _library(loops: int) -> None:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import RequestReceived

    connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    connection.initiate_connection()
    connection.receive_data(PREFACE + settings_frame({4: 2**31 - 1}))
    connection.receive_data(frame(FrameType.WINDOW_UPDATE, 0, 0, (2**30).to_bytes(4, "big")))
    for request in _requests(loops):
        for event in connection.receive_data(request):
            if isinstance(event, RequestReceived):
                connection.send_headers(event.stream_id, _FIELDS)
                connection.send_data(event.stream_id, BODY, end_stream=True)
        connection.data_to_send()
