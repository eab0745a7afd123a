"""The way of telemetry from the workers to the admin process: a Unix socket.

Each report is a 4-byte big-endian length and that many bytes of MessagePack; the answer is the
8-byte sequence number of the report taken in. A report is kept and sent again until it was
answered, and what is recorded meanwhile waits in the recorder: nothing is lost or counted twice
as long as both processes live.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import msgspec

from lukhas.clock import Clock
from lukhas.errors import StateDirError
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.recorder import Recorder
from lukhas.telemetry.series import HistoryDelta
from lukhas.telemetry.targets import TargetReport
from lukhas.telemetry.totals import Frame, TotalsByWorker
from lukhas.units import MIB

__all__ = ("MAX_FRAME_BYTES", "TelemetryReceiver", "TelemetrySender")

MAX_FRAME_BYTES = 16 * MIB

_LENGTH = struct.Struct(">I")
_ANSWER = struct.Struct(">Q")
_CLOSING_PAUSE_S = 0.1
# The admin process starts beside the worker, and may be there a moment later.
_RETRY_S = 0.2
_UNREACHABLE = (OSError, EOFError, TimeoutError)

_log = logging.getLogger("lukhas.telemetry")


class TelemetrySender:
    """The worker's end. It runs in a task of its own and never raises into anything.

    Args:
        path: the socket of the admin process.
        recorder: where the figures come from.
        parts: gives the health of the worker's parts.
        worker: the name of this worker, unique among those running.
        started_ns: when it started (Unix time).
        generation: the set of workers that it belongs to.
        interval_s: how often to report.
        deadline_s: how long one attempt to report may take.
        patience_s: for how long the last report is tried.
        records: gives the decision records since it was asked last, as bytes.
        key_uses: gives when API keys were used, by key id: those used since it was asked last.
        targets: gives the servers of the upstreams as this worker sees them.
    """

    def __init__(
        self,
        path: Path,
        recorder: Recorder,
        parts: Callable[[], list[PartHealth]],
        *,
        worker: str,
        started_ns: int,
        generation: int = 1,
        interval_s: float = 1.0,
        deadline_s: float = 2.0,
        patience_s: float = 6.0,
        records: Callable[[], list[bytes]] | None = None,
        key_uses: Callable[[], dict[str, int]] | None = None,
        targets: Callable[[], list[TargetReport]] | None = None,
    ) -> None:
        self._path = path
        self._recorder = recorder
        self._records = records
        self._key_uses = key_uses
        self._targets = targets
        self._parts = parts
        self._worker = worker
        self._started_ns = started_ns
        self._generation = generation
        self._is_ending = False
        self._interval_s = interval_s
        self._deadline_s = deadline_s
        self._patience_s = patience_s
        self._sequence = 0
        self._unanswered: tuple[int, bytes] | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._connected = False
        # run() and flush() may meet at shutdown; reports go out one at a time.
        self._turn = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether the last report was answered."""
        return self._connected

    async def run(self) -> None:
        """Reports once an interval, until it is cancelled; sooner again where nobody took it in."""
        while True:
            taken = await self.flush()
            await asyncio.sleep(self._interval_s if taken else min(self._interval_s, _RETRY_S))

    async def flush(self) -> bool:
        """Reports now, first what is still unanswered.

        Returns:
            Whether everything recorded up to now was taken in.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._deadline_s):
                    if self._unanswered is not None:
                        await self._deliver(*self._unanswered)
                    self._unanswered = self._next_report()
                    await self._deliver(*self._unanswered)
            except _UNREACHABLE as error:
                self._lost(error)
                return False
            except Exception:  # noqa: BLE001 - figures must never harm the worker
                _log.exception("telemetry could not be reported; trying again")
                self._disconnect()
                return False
        if not self._connected:
            self._connected = True
            _log.info("telemetry is reported to %s", self._path)
        return True

    async def close(self) -> None:
        """Reports what is left and that this is the end, and hangs up.

        While nobody takes it, it tries for some seconds: the admin process may just be starting.
        """
        self._is_ending = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                while not await self.flush():  # noqa: ASYNC110 - another process, no event
                    await asyncio.sleep(_CLOSING_PAUSE_S)
        if self._streams is not None:
            writer = self._streams[1]
            self._disconnect()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _next_report(self) -> tuple[int, bytes]:
        # These may fail, being others' code; nothing is drained then.
        gauges, parts = self._recorder.gauges(), self._parts()
        targets = [] if self._targets is None else self._targets()
        self._sequence += 1
        frame = Frame(
            worker=self._worker,
            started_ns=self._started_ns,
            sequence=self._sequence,
            delta=self._recorder.drain(),
            gauges=gauges,
            parts=parts,
            generation=self._generation,
            is_last=self._is_ending,
            history=self._recorder.drain_history(),
            records=[] if self._records is None else self._records(),
            key_uses={} if self._key_uses is None else self._key_uses(),
            targets=targets,
        )
        body = msgspec.msgpack.encode(frame)
        if len(body) > MAX_FRAME_BYTES:
            frame.delta.latencies.clear()
            frame.history.series.clear()
            frame.records.clear()
            frame.key_uses.clear()
            body = msgspec.msgpack.encode(frame)
            _log.error("a telemetry report was too large; its latencies are left out")
        return self._sequence, _LENGTH.pack(len(body)) + body

    async def _deliver(self, sequence: int, report: bytes) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self._path)
        reader, writer = self._streams
        writer.write(report)
        await writer.drain()
        # An attempt that was cancelled may have left its answer in the stream.
        while _ANSWER.unpack(await reader.readexactly(_ANSWER.size))[0] != sequence:
            pass
        self._unanswered = None

    def _lost(self, error: BaseException) -> None:
        if self._connected:
            _log.warning("the admin process cannot be reached (%s); telemetry is kept", error)
        self._connected = False
        self._disconnect()

    def _disconnect(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class TelemetryReceiver:
    """The admin process's end: an asynchronous context, listening inside it.

    Args:
        path: the socket to make; only this user may connect. A stale one is replaced.
        totals: where the reports go.
        clock: gives the time of receipt.
        keep: is given what each new report brings for the history, and the time; it must not block.
        keep_records: is given the decision records that it brings.
        keep_uses: is given the uses of API keys that it brings.

    Raises:
        StateDirError: on entry, if the socket cannot be made there.
    """

    def __init__(
        self,
        path: Path,
        totals: TotalsByWorker,
        clock: Clock,
        *,
        keep: Callable[[HistoryDelta, int], None] | None = None,
        keep_records: Callable[[list[bytes]], None] | None = None,
        keep_uses: Callable[[dict[str, int]], None] | None = None,
    ) -> None:
        self._keep = keep
        self._keep_records = keep_records
        self._keep_uses = keep_uses
        self._path = path
        self._totals = totals
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._inode = 0

    async def __aenter__(self) -> "TelemetryReceiver":
        listening = _private_listener(self._path)
        self._inode = self._path.stat().st_ino
        self._server = await asyncio.start_unix_server(self._serve, sock=listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is None:
            return
        self._server.close()
        serving = [task for task in self._connections.values() if task is not None]
        for writer in tuple(self._connections):
            writer.close()
        await asyncio.gather(*serving, return_exceptions=True)
        await self._server.wait_closed()
        # A newer generation may listen at this path by now; its socket stays.
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _hand_on(self, frame: Frame, now_ns: int) -> None:
        if self._keep is not None:
            self._keep(frame.history, now_ns)
        if self._keep_records is not None and frame.records:
            self._keep_records(frame.records)
        if self._keep_uses is not None and frame.key_uses:
            self._keep_uses(frame.key_uses)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[writer] = asyncio.current_task()
        decoder = msgspec.msgpack.Decoder(Frame)
        try:
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                if length > MAX_FRAME_BYTES:
                    _log.warning("a telemetry report of %d bytes is refused", length)
                    return
                frame = decoder.decode(await reader.readexactly(length))
                now_ns = self._clock.now_ns()
                if self._totals.receive(frame, now_ns):
                    self._hand_on(frame, now_ns)
                writer.write(_ANSWER.pack(frame.sequence))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            # The worker ended or hung up; its silence shows in health.
            return
        except (msgspec.DecodeError, OverflowError, struct.error) as error:
            _log.warning("a telemetry report could not be read: %s", error)
        finally:
            self._connections.pop(writer, None)
            writer.close()


def _private_listener(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    old_mask = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise StateDirError(
            f"{path}: the telemetry socket cannot be made: {error}; "
            "choose a state directory with a short path that this user may write to"
        ) from error
    finally:
        os.umask(old_mask)
    return listening
