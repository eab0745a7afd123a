"""An origin that counts, and gateways in processes of their own in front of it."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.gateway.kit import Client, Origin, Reply

__all__ = ("GatewayProcess", "cache_status", "gateway_process", "gateway_processes", "origin")

_ROOT = Path(__file__).resolve().parents[3]


def cache_status(reply: Reply) -> bytes:
    """What the cache says that it did."""
    (line,) = reply.values(b"cache-status")
    return line


@dataclass
class GatewayProcess:
    """A running gateway."""

    process: asyncio.subprocess.Process
    port: int

    async def ask(self, data: bytes) -> Reply:
        """One request on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            return await Client(reader, writer).ask(data)
        finally:
            writer.close()

    async def get(self, path: bytes, *lines: bytes) -> Reply:
        """A GET on a connection of its own."""
        more = b"".join(line + b"\r\n" for line in lines)
        return await self.ask(b"GET %b HTTP/1.1\r\nHost: a.example\r\n%b\r\n" % (path, more))

    async def put(self, path: bytes) -> Reply:
        """A request that changes what it names."""
        return await self.ask(
            b"PUT %b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n" % path
        )


@contextlib.asynccontextmanager
async def origin() -> AsyncIterator[Origin]:
    """A scriptable origin."""
    running = Origin()
    await running.start()
    try:
        yield running
    finally:
        await running.close()


@contextlib.asynccontextmanager
async def gateway_process(
    folder: Path, upstream_port: int, **settings: object
) -> AsyncIterator[GatewayProcess]:
    """A gateway in a process of its own.

    Args:
        folder: for its state; gateways with the same folder are workers of one node.
        upstream_port: where to forward.
        settings: fields of `Settings`.
    """
    task = {"folder": str(folder), "upstream_port": upstream_port, "settings": settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.cache.gateway_process", json.dumps(task),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            port = int(await process.stdout.readline())
        yield GatewayProcess(process, port)
    finally:
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                try:
                    async with asyncio.timeout(10):
                        await process.wait()
                except TimeoutError:
                    process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def gateway_processes(
    *folders: Path, upstream_port: int, **settings: object
) -> AsyncIterator[list[GatewayProcess]]:
    """Several gateways, one for each folder, started at the same time; see `gateway_process`."""
    async with contextlib.AsyncExitStack() as stack:
        starting = [
            stack.enter_async_context(gateway_process(folder, upstream_port, **settings))
            for folder in folders
        ]
        yield await asyncio.gather(*starting)
