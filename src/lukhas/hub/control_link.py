"""How the parent process of a gateway is asked for something, and what it answers.

It listens on a Unix socket. Whoever connects sends one request, and gets answers until the parent
hangs up; each is a JSON object on a line of its own.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Literal

import msgspec

__all__ = (
    "CONTROL_SOCKET",
    "MoveStatus",
    "Outcome",
    "ParentStatus",
    "Reply",
    "Request",
    "WorkerStatus",
    "asked",
    "outcome_of",
    "short_address",
)

CONTROL_SOCKET = "control.sock"
"""The name of the socket in its folder."""

_MOST_BYTES = 1024 * 1024


class Request(msgspec.Struct, frozen=True):
    """What the parent is asked for.

    Attributes:
        ask: `reload` and `upgrade` are answered by an `Outcome` as soon as it is clear what comes
            of it, and if it was done by a second one when all of it is; `watch` by a
            `ParentStatus` now and whenever something in it changes.
    """

    ask: Literal["reload", "upgrade", "watch"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """What came of an order.

    Attributes:
        order: `reload` or `upgrade`.
        done: whether the new workers serve; if not, nothing has changed.
        detail: what there is now, or why nothing has changed.
        faults: each mistake in the settings, if that is why.
        time_ns: when this was clear (Unix time).
        finished: whether nothing more is to come.
    """

    order: str
    done: bool
    detail: str
    faults: tuple[str, ...] = ()
    time_ns: int
    finished: bool


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One worker that is to serve.

    Attributes:
        name: unique in its generation.
        pid: its process id; 0 while it is not running.
        starts: how often it was started: more than once if it ended unasked.
        busy: the part of one CPU that it used in the last second; None if that is not known yet.
        late_ms: how late its event loop was in the last second, on average; None as above.
    """

    name: str
    pid: int
    starts: int
    busy: float | None = None
    late_ms: float | None = None


class MoveStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the number of workers that followed the load.

    Attributes:
        before: how many there were.
        after: how many there were then.
        why: the reason, for people.
        time_ns: when it was done (Unix time).
    """

    before: int
    after: int
    why: str
    time_ns: int


class ParentStatus(msgspec.Struct, frozen=True, kw_only=True, tag="status"):
    """What the parent process knows.

    Attributes:
        generation: the number of the set of children that serves, counted from 1.
        workers_wanted: how many workers are to serve.
        last: the last order; None if there was none yet.
        least: the fewest workers there may be.
        most: the most; the same where their number is fixed.
        workers: those that are to serve.
        moves: the last changes of their number, the oldest first.
        grown: how many workers were added because of the load, since the start.
        shrunk: how many were taken away because of it.
        scaling_failure: why the last such change did not come about; empty if it did.
    """

    generation: int
    workers_wanted: int
    last: Outcome | None = None
    least: int = 1
    most: int = 1
    workers: tuple[WorkerStatus, ...] = ()
    moves: tuple[MoveStatus, ...] = ()
    grown: int = 0
    shrunk: int = 0
    scaling_failure: str = ""


Reply = Outcome | ParentStatus


@contextlib.contextmanager
def short_address(path: Path) -> Iterator[str]:
    """An address for a Unix socket whose path may be longer than the 107 bytes that fit in one.

    Raises:
        OSError: the folder is not there.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def asked(
    path: Path, what: Literal["reload", "upgrade", "watch"]
) -> AsyncGenerator[Reply, None]:
    """The answers of the parent that listens at a socket.

    Raises:
        OSError: nobody listens there, one may not connect, or what is answered cannot be read.
    """
    with short_address(path) as address:
        reader, writer = await asyncio.open_unix_connection(address, limit=_MOST_BYTES)
    try:
        writer.write(msgspec.json.encode(Request(what)) + b"\n")
        decoder = msgspec.json.Decoder(Reply)
        while line := await reader.readline():
            yield decoder.decode(line)
    except (ValueError, msgspec.DecodeError) as error:
        raise ConnectionError(f"the answer cannot be read: {error}") from error
    finally:
        writer.close()


async def outcome_of(
    path: Path, what: Literal["reload", "upgrade"], *, finished: bool
) -> Outcome | None:
    """What comes of an order; None if the parent ends before that is clear.

    Args:
        path: the socket of the parent.
        what: the order.
        finished: whether to wait until nothing more is to come.

    Raises:
        OSError: nobody listens there, one may not connect, or what is answered cannot be read.
    """
    last: Outcome | None = None
    async with aclosing(asked(path, what)) as replies:
        async for reply in replies:
            if isinstance(reply, Outcome):
                last = reply
                if reply.finished or not finished:
                    break
    return last
