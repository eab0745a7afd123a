"""One limit over several workers, over a reload, and over several nodes, over real sockets."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest

from lukhas.testing.redis_server import RedisServer
from tests.integration.gateway.load import loaded
from tests.integration.gateway.process_kit import get, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LIMIT = ("--limit", "100/hour")


async def _ask(ports: tuple[int, ...], count: int) -> Counter[int]:
    """So many requests at once, each over a connection of its own, spread over the ports."""

    async def one(port: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return int(answer[9:12])

    asked = [one(ports[number % len(ports)]) for number in range(count)]
    return Counter(await asyncio.gather(*asked))


def test_four_workers_admit_what_one_would(tmp_path: Path) -> None:
    """Of 400 concurrent requests exactly 100 pass, and a reload hands out nothing new."""
    with loaded() as load:
        upstream = f"http://127.0.0.1:{load.origin_port}"
        flags = ("--upstream", upstream, "--workers", "4", *LIMIT)
        with serving(*flags, state_dir=tmp_path / "state") as served:
            before = served.workers()
            assert asyncio.run(_ask((served.port,), 400)) == {200: 100, 429: 300}
            served.tell(signal.SIGHUP, "reload done")
            until(lambda: len(served.workers()) == 4 and not served.workers() & before)
            assert get(served.port, "/x")[0] == 429


def test_two_nodes_admit_what_one_would(tmp_path: Path) -> None:
    """Two gateways that share nothing but a Valkey."""
    with RedisServer() as server, loaded() as load:
        config = tmp_path / "node.toml"
        config.write_text(
            f'upstream = "http://127.0.0.1:{load.origin_port}"\n'
            f'[counters]\nstore = "{server.url}"\ndeadline_s = 5.0\n'
        )
        flags = ("--config", str(config), *LIMIT)
        with (
            serving(*flags, state_dir=tmp_path / "one") as one,
            serving(*flags, state_dir=tmp_path / "two") as two,
        ):
            assert asyncio.run(_ask((one.port, two.port), 400)) == {200: 100, 429: 300}
