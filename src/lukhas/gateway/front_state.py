"""What all client connections of one worker share."""

import asyncio
from asyncio import BaseTransport
from collections.abc import Callable
from typing import Protocol

from lukhas.gateway.direct_call import DirectCall
from lukhas.gateway.framing import FrontLimits, HeadReader
from lukhas.gateway.front_request import FrontRequest, Upgrading
from lukhas.gateway.known_heads import KnownHeads
from lukhas.gateway.outbox import Outbox
from lukhas.gateway.plain_heads import PlainHeads
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Run, Step, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.known_ways import KnownWays

__all__ = (
    "Connection",
    "FirstStep",
    "FrontState",
    "Handshakes",
    "Take",
    "first_step",
    "peer_address",
)

Take = Callable[[Exchange], Response | Run]
"""Gives the response to an exchange, or a run that was not started yet."""


FirstStep = Step | DirectCall
"""Where a run stands after its first step; a call has begun without one, and is waited for."""


def first_step(take: Take, exchange: Exchange) -> tuple[Run | None, FirstStep]:
    """Has an exchange taken as far as it gets without waiting; gives its run, if it needs one."""
    taken = take(exchange)
    if isinstance(taken, Response):
        return None, taken
    if type(taken) is DirectCall:
        return taken, taken
    return taken, start(taken)


def peer_address(transport: BaseTransport) -> str:
    """The address of the other end; `unix` where it has none."""
    peername = transport.get_extra_info("peername")
    return peername[0] if isinstance(peername, tuple) else "unix"


class Connection(Protocol):
    """A client connection, as the server watches over it.

    Attributes:
        deadline: the loop's time at which `check_deadline` is to be called.
    """

    deadline: float

    def check_deadline(self, now_s: float) -> None:
        """Ends the connection if what it waits for is overdue."""
        ...

    def end_if_idle(self) -> None:
        """Closes it if nothing is under way."""
        ...

    def abort(self) -> None:
        """Drops it at once."""
        ...


class Handshakes(Protocol):
    """Tells handshakes of WebSocket connections from other requests."""

    def begin(self, exchange: Exchange, *, version: str) -> Upgrading | None:
        """The way of a handshake; None for a request like any other."""
        ...


class FrontState:
    """Shared by the connections of one worker; read by them, kept up by the server.

    Args:
        take: has the pipeline, around the forwarding, take an exchange: `DirectWay.take`.
        known: takes requests that are like one before; None where each is to be looked at.
        intake: makes exchanges.
        limits: limits on everything a client sends.
        scheme: `"https"` where clients come by TLS.

    Attributes:
        scheme: as given.
        reader: reads request heads.
        known_heads: heads read before.
        plain_heads: reads heads of the plainest form.
        outbox: what is written to clients.
        connections: the open connections.
        draining: whether every response ends its connection.
        now_s: the loop's time, good to a quarter of a second; for deadlines.
        date: the value of Date for now.
        websockets: what carries out handshakes; None where no route takes any.
        requests: requests begun.
        malformed: requests refused before the pipeline.
        unhandled: requests that failed in the gateway itself.
        plain_request: stands for any plain request that waits; see `own`.
    """

    def __init__(
        self,
        take: Take,
        intake: Intake,
        limits: FrontLimits,
        *,
        scheme: str = "http",
        known: KnownWays | None = None,
    ) -> None:
        self.take = take
        self.known = known
        self.intake = intake
        self.limits = limits
        self.scheme = scheme
        self.reader = HeadReader(limits, scheme=scheme)
        self.loop = loop = asyncio.get_running_loop()
        self.outbox = Outbox(loop)
        self.known_heads = KnownHeads()
        self.plain_heads = PlainHeads(self.reader, limits.header_bytes)
        self.connections: set[Connection] = set()
        self.draining = False
        self.now_s = self.loop.time()
        self.date = b""
        self.websockets: Handshakes | None = None
        self.requests = 0
        self.malformed = 0
        self.unhandled = 0
        # Nothing tells one plain request from another but its exchange.
        self.plain_request = FrontRequest(None, None, version="1.1", keep_alive=True)
        self.plain_request.plain = True

    def own(self, request: FrontRequest, exchange: Exchange) -> FrontRequest:
        """The record of a request that more is to be done with than to send a ready answer."""
        if request is not self.plain_request:
            return request
        return FrontRequest(exchange, None, version="1.1", keep_alive=True)
