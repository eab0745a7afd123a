"""What our own code costs a request without sockets: the onion, and the gateway around it.

The transports only take what is written. So the figures are Python alone, they repeat to a few
percent, and a change of a stage or of the front server shows in them that drowns under a real load.
"""

import asyncio
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import uvloop

from benchmarks.measurement import Figure, Section, interleaved_us, pin
from benchmarks.recording import add_recording
from lukhas.config.consumers import TierSettings
from lukhas.config.settings import Settings
from lukhas.config.targets import TargetAddress
from lukhas.gateway.dialling import Dial
from lukhas.gateway.direct_way import DirectWay
from lukhas.gateway.faults import FaultStage
from lukhas.gateway.forwarding import Forwarding
from lukhas.gateway.framing import FrontLimits
from lukhas.gateway.front import FrontConnection
from lukhas.gateway.front_state import FrontState
from lukhas.gateway.upstream_connection import UpstreamTimeouts
from lukhas.gateway.upstream_pool import UpstreamPool
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.hub import Hub
from lukhas.pipeline.driving import start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler

__all__ = ("run",)

_LOOPS = 640
_ROUNDS = 60
_TOGETHER = 64
_TURNS = 100
_BODY = b'{"id": 7, "name": "widget", "price": 9.5, "note": "%b"}' % (b"x" * 455)
_FIELDS = (
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"bench/1.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip"),
    (b"x-service", b"orders"),
)
_UNCACHED = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_BODY)),
    (b"server", b"origin"),
]
_CACHED = [*_UNCACHED, (b"cache-control", b"public, max-age=86400")]
_ROOMY = "100000000/minute; 1000000000/hour; 2000000000/day"
_NARROW = "1/minute; 1000000000/hour; 2000000000/day"

Case = tuple[str, Callable[[int], None]]


def run() -> Section:
    """Runs all cases in one process, interleaved."""
    pin(0)
    section = Section(
        "Pipeline",
        f"Own code alone, no sockets: the lowest of {_ROUNDS} interleaved rounds of {_LOOPS} "
        f"requests, {len(_BODY)} B bodies, three limits. The front server gets {_TOGETHER} "
        "requests in a turn of the loop, one a connection. Recording is what the observe stage has "
        "done for it later, in batches, with what is handed over once a second.",
    )
    loop = _Loop()
    asyncio.set_event_loop(loop)
    cases = loop.run_until_complete(_cases(loop))
    for name, taken_us in interleaved_us(cases, loops=_LOOPS, rounds=_ROUNDS, pick=min).items():
        section.figures.append(Figure(name, (("us", round(taken_us, 2)),), ours=True))
    loop.close()
    add_recording(section)
    return section


async def _cases(loop: "_Loop") -> list[Case]:
    roomy, narrow = _hub(_ROOMY), _hub(_NARROW)
    bare = roomy.pipeline.with_stages([]).around(_uncached)
    dial = Dial(TargetAddress("http", "127.0.0.1", 1))
    pool = UpstreamPool("default", dial, timeouts=UpstreamTimeouts())
    hit_head, miss_head = _head(b"/cached"), _head(b"/uncached")
    known, differing = itertools.repeat(b""), itertools.count()
    return [
        ("exchange and handler alone", _onion(roomy, bare, miss_head, 200)),
        ("onion, hit", _onion(roomy, roomy.pipeline.around(_cached), hit_head, 200)),
        ("onion, miss", _onion(roomy, roomy.pipeline.around(_uncached), miss_head, 200)),
        ("onion, limited", _onion(narrow, narrow.pipeline.around(_cached), hit_head, 429)),
        ("front, hit", _front(loop, roomy, _cached, lambda: next(known))),
        (
            "front, hit, no two heads alike",
            _front(loop, roomy, _cached, lambda: b"X-Trace: %d\r\n" % next(differing)),
        ),
        ("front, proxied", _front(loop, _hub(_ROOMY), Forwarding(pool), lambda: next(known))),
    ]


async def _cached(_exchange: Exchange) -> Response:
    return Response(200, Headers(_CACHED), _BODY)


async def _uncached(_exchange: Exchange) -> Response:
    return Response(200, Headers(_UNCACHED), _BODY)


def _hub(quotas: str) -> Hub:
    nowhere = Path(tempfile.gettempdir()) / "lukhas-bench-without-keys"
    settings = Settings(tiers=TierSettings(free=quotas), state_dir=nowhere)
    return Hub(settings, under_observe=(FaultStage(),))


def _head(path: bytes) -> RequestHead:
    return RequestHead("GET", "http", b"127.0.0.1:8000", path, b"", Headers(list(_FIELDS)))


def _onion(hub: Hub, handler: Handler, head: RequestHead, status: int) -> Callable[[int], None]:
    def ask(times: int) -> None:
        make = hub.intake.exchange
        for _ in range(times):
            start(handler(make(head, "192.0.2.1")))

    ask(2)  # The first fills the cache, or what the limit allows.
    answer = start(handler(hub.intake.exchange(head, "192.0.2.1")))
    if not isinstance(answer, Response) or answer.status != status:
        raise RuntimeError(f"{answer!r} where {status} was expected")
    return ask


def _front(
    loop: "_Loop", hub: Hub, handler: Handler, more: Callable[[], bytes]
) -> Callable[[int], None]:
    way = DirectWay(hub.pipeline, handler)
    state = FrontState(way.take, hub.intake, FrontLimits(), known=way.known)
    clients: list[_Client] = []
    connections: list[FrontConnection] = []
    for _ in range(_TOGETHER):
        client, connection = _Client(), FrontConnection(state)
        connection.connection_made(client)
        clients.append(client)
        connections.append(connection)
    fields = b"".join(b"%b: %b\r\n" % field for field in _FIELDS)

    async def turns(times: int) -> None:
        for _ in range(0, times, _TOGETHER):
            wanted = clients[0].answers + 1
            for connection in connections:
                connection.data_received(b"GET /a HTTP/1.1\r\n%b%b\r\n" % (fields, more()))
            turns_left = _TURNS
            while min(client.answers for client in clients) < wanted:
                await asyncio.sleep(0)
                turns_left -= 1
                if not turns_left:
                    raise RuntimeError("a request was not answered")

    return lambda times: loop.run_until_complete(turns(times))


class _Client:
    """The transport of a client: counts answers."""

    def __init__(self) -> None:
        self.answers = 0

    def write(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"unexpected answer {data[:60]!r}")
        self.answers += 1

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 1) if name == "peername" else None

    def is_closing(self) -> bool:
        return False


class _Upstream(_Client):
    """The transport of an upstream connection: what is written is answered in the next turn."""

    def __init__(self, loop: "_Loop") -> None:
        super().__init__()
        self._loop = loop
        self.protocol = cast("Any", None)
        lines = b"".join(b"%b: %b\r\n" % field for field in _UNCACHED)
        self._answer = b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (lines, _BODY)

    def write(self, data: bytes) -> None:
        self._loop.asked += 1
        self._loop.call_soon(self._respond)

    def _respond(self) -> None:
        self._loop.asked -= 1
        self.protocol.data_received(self._answer)


class _Loop(uvloop.Loop):
    """A loop whose outgoing connections lead nowhere."""

    asked = 0

    async def create_connection(  # type: ignore[override]
        self, factory: Any, *_address: Any, **_options: Any
    ) -> Any:
        transport = _Upstream(self)
        transport.protocol = factory()
        transport.protocol.connection_made(transport)
        return transport, transport.protocol
