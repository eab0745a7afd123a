"""A real Prometheus takes the metrics in protobuf, and its quantiles are ours."""

import http.client
import json
import random
import shutil
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.prometheus_protobuf import (
    PROTOBUF_TYPE,
    asks_for_protobuf,
    render_protobuf,
)
from lukhas.telemetry.totals import Totals
from lukhas.units import SECOND_NS
from tests.e2e.kit import Service, unused_port, wait_for

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="prometheus is not installed; scripts/install-system installs it as root",
    ),
]

CONFIG = """
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: lukhas
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


@contextmanager
def metrics_server(page: bytes, accepted: list[str]) -> Iterator[int]:
    """Serves a page of metrics, and notes what it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            accepted.append(self.headers.get("accept", ""))
            self.send_response(200)
            self.send_header("content-type", PROTOBUF_TYPE)
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def value_of(port: int, expression: str) -> float | None:
    """What Prometheus says an expression is now; None while it has no value."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        found = json.loads(connection.getresponse().read())["data"]["result"]
    except (OSError, ValueError):
        # It is still starting.
        return None
    finally:
        connection.close()
    return float(found[0]["value"][1]) if found else None


def test_prometheus_reads_native_histograms(tmp_path: Path) -> None:
    """It asks for protobuf, and from the sparse buckets gets the quantiles within their width."""
    draw = random.Random(38)
    values = sorted(round(draw.lognormvariate(17, 1.5)) + 1 for _ in range(5000))
    sketch = LatencySketch()
    sketch.add_many(values)
    counts = Delta(requests={("/a", "GET", "2xx", "free", "hit"): 5000}, latencies={"/a": sketch})
    accepted: list[str] = []
    with metrics_server(render_protobuf(Totals(counts, {}, 1)), accepted) as port:
        config = tmp_path / "prometheus.yml"
        config.write_text(CONFIG.format(port=port))
        own_port = unused_port()
        service = Service(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{own_port}",
                "--enable-feature=native-histograms",
            ],
            tmp_path / "out",
        )
        try:
            name = "lukhas_request_duration_seconds"
            count = wait_for(
                lambda: value_of(own_port, f"histogram_count({name})"), "sample", deadline_s=60
            )
            assert count == 5000
            assert asks_for_protobuf(accepted[-1].encode())
            total = value_of(own_port, f"histogram_sum({name})")
            assert total == pytest.approx(sum(values) / SECOND_NS)
            for q in (0.5, 0.9, 0.99):
                found = value_of(own_port, f"histogram_quantile({q}, {name})")
                assert found == pytest.approx(values[int(q * 5000)] / SECOND_NS, rel=0.055)
            assert value_of(own_port, "lukhas_requests_total") == 5000
        finally:
            service.kill()
