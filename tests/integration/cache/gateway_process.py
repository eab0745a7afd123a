"""A gateway in a process of its own: `python -m tests.integration.cache.gateway_process JSON`.

It prints its port, and ends when its standard input does.
"""

import asyncio
import json
import sys
from pathlib import Path

import uvloop

from lukhas.ending import end_process
from tests.integration.gateway.kit import gateway


async def main() -> None:
    """Serves as the argument says."""
    task = json.loads(sys.argv[1])
    async with gateway(
        Path(task["folder"]), upstream_port=task["upstream_port"], **task["settings"]
    ) as running:
        await running.hub.start()
        sys.stdout.write(f"{running.port}\n")
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.buffer.read)
        await running.hub.close()


if __name__ == "__main__":
    uvloop.run(main())
    end_process()
