"""What a worker tells its parent once a second: how late its event loop is.

It goes down the pipe on which it has said that it is ready: a line for each second, with a whole
number of nanoseconds. The end of the pipe tells nothing; a child that has no more to say closes it.
"""

import asyncio
import contextlib
import os
import time

from lukhas.units import SECOND_NS

__all__ = ("Pulse", "PulseSender")

_MOST_BYTES = 65_536
_LOOK_S = 0.1
_LOOKS = 10


class Pulse:
    """The parent's end.

    Args:
        descriptor: what can be read from; closed by `close`.

    Attributes:
        late_ns: how late the loop of the child was on average in its last second; None before the
            first.
    """

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._rest = b""
        self._ready: asyncio.Future[bool] = self._loop.create_future()
        self.late_ns: int | None = None
        self._loop.add_reader(descriptor, self._read)

    async def ready(self) -> bool:
        """Waits until the child is ready; False when it ends without a word."""
        return await asyncio.shield(self._ready)

    def close(self) -> None:
        """Hears no more."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> None:
        data = os.read(self._descriptor, _MOST_BYTES)
        if not self._ready.done():
            self._ready.set_result(bool(data))
        if not data:
            self.close()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.isdigit():
                self.late_ns = int(line)


class PulseSender:
    """The child's end, after it has said that it is ready.

    Args:
        descriptor: where it writes; -1 for nowhere.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        if descriptor >= 0:
            os.set_blocking(descriptor, False)

    async def run(self) -> None:
        """Tells it once a second, until cancelled."""
        while True:
            late_ns = 0
            for _ in range(_LOOKS):
                due_ns = time.monotonic_ns() + round(_LOOK_S * SECOND_NS)
                await asyncio.sleep(_LOOK_S)
                late_ns += max(0, time.monotonic_ns() - due_ns)
            self.tell(late_ns // _LOOKS)

    def tell(self, late_ns: int) -> None:
        """Tells one value; if nobody reads, it is lost."""
        if self._descriptor >= 0:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._descriptor, b"%d\n" % late_ns)
