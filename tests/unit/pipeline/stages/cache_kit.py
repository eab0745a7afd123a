"""A cache stage in a pipeline, in front of an origin that answers as told."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypedDict, Unpack

from lukhas.http.headers import Headers
from lukhas.http.messages import Pushed, RequestHead, Response
from lukhas.pipeline.driving import Parked, complete
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.cache_refresh import Job
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.policy.verdicts import Fact, Verdict
from lukhas.storage.entries import EntryStore
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.telemetry.repeats import RepeatLog
from lukhas.units import MIB, SECOND_NS

START_NS = 1_800_000_000 * SECOND_NS

Answer = Response | BaseException | Callable[[Exchange], Awaitable[Response]]


class Fields(TypedDict, total=False):
    """Request fields: `_` stands for `-`, a list for several lines."""

    accept: str
    accept_encoding: str | list[str]
    accept_language: str | list[str]
    authorization: str
    cache_control: str
    content_length: str
    cookie: str
    content_type: str
    if_none_match: str
    if_range: str
    pragma: str
    range: str
    x: str | list[str]
    x_api_key: str
    y: str | list[str]


class Asked(Fields, total=False):
    """Everything that tells one request from another, but its path."""

    method: str
    consumer: Consumer | None
    body: AsyncIterator[bytes] | None


class Options(TypedDict, total=False):
    """Settings of the stage."""

    cache_name: str
    collapse_wait_s: float
    collapse_patience_s: float
    capture_limit_bytes: int
    draw: Callable[[], float]
    begin: Callable[[Job], object]
    facts: tuple[Fact, ...]
    repeats: RepeatLog


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now_ns(self) -> int:
        return self.ns

    def move(self, seconds: float) -> None:
        self.ns += round(seconds * SECOND_NS)


def response(
    body: bytes | AsyncIterator[bytes] | Pushed = b"body", status: int = 200, **fields: object
) -> Response:
    """A response; `cache_control="..."` becomes Cache-Control, a list several lines."""
    return Response(status, headers(fields), body)


def headers(fields: Mapping[str, object]) -> Headers:
    """Headers from keyword arguments."""
    return Headers.of(
        (name.replace("_", "-"), str(line))
        for name, value in fields.items()
        for line in (value if isinstance(value, list) else [value])
    )


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


class Kit:
    """Sends requests through the stage to an origin.

    `answer` is what the origin says: a response, an exception, or a function of the exchange.
    """

    def __init__(self, store: EntryStore | None = None, **options: Unpack[Options]) -> None:
        self.clock = Clock()
        # A loop that is held up must not look like a slow origin.
        options.setdefault("collapse_patience_s", 60.0)
        self.store: EntryStore = store or MemoryEntryStore(8 * MIB)
        self.stage = CacheStage(self.store, self.clock, **options)
        self.policy = CachePolicy()
        self.answer: Answer = AssertionError("the origin has no answer yet")
        self.heads: list[RequestHead] = []
        self.contained: list[Exception] = []
        self.run = Pipeline([self.stage], lambda _, error: self.contained.append(error)).around(
            self._handle
        )

    @property
    def calls(self) -> int:
        """How often the origin was asked."""
        return len(self.heads)

    async def _handle(self, exchange: Exchange) -> Response:
        self.heads.append(exchange.head)
        answer = self.answer
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Response):
            return Response(answer.status, answer.headers, answer.body, taps=answer.taps)
        return await answer(exchange)

    def exchange(
        self,
        path: str = "/x",
        *,
        method: str = "GET",
        consumer: Consumer | None = None,
        body: AsyncIterator[bytes] | None = None,
        **fields: Unpack[Fields],
    ) -> Exchange:
        target, _, query = path.partition("?")
        head = RequestHead(
            method, "http", b"a.example", target.encode(), query.encode(), headers(fields)
        )
        made = Exchange(head, "10.0.0.1", self.clock.now_ns(), b"id", body)
        made.consumer = consumer
        made.route = RouteMatch(RouteRule(name="r", template="*", cache=self.policy))
        return made

    async def send(self, exchange: Exchange) -> Response:
        """The answer, its stream read through its taps."""
        answer = await complete(self.run(exchange))
        assert not isinstance(answer, Parked)
        if not isinstance(answer.body, bytes):
            answer.body = await drained(answer)
        return answer

    async def ask(self, path: str = "/x", **asked: Unpack[Asked]) -> "Told":
        """Sends one request."""
        exchange = self.exchange(path, **asked)
        return Told(exchange, await self.send(exchange))


class Told:
    """What one client got."""

    def __init__(self, exchange: Exchange, answer: Response) -> None:
        assert isinstance(answer.body, bytes)
        self.exchange = exchange
        self.answer = answer
        self.status = answer.status
        self.body = answer.body
        self.result = exchange.cache_result
        added = dict(exchange.added)
        self.age = int(added[b"age"]) if b"age" in added else None
        self.told = added.get(b"cache-status", b"").decode()

    @property
    def verdict(self) -> Verdict:
        """The innermost decision."""
        return self.exchange.verdicts[-1].verdict()

    @property
    def ready_head(self) -> bytes:
        """The head, which somebody has made ready."""
        assert self.answer.ready_head is not None
        return self.answer.ready_head


async def drained(answer: Response) -> bytes:
    """Reads a stream the way the front server does."""
    assert not isinstance(answer.body, bytes | Pushed)
    chunks = [chunk async for chunk in answer.body]
    out = b""
    for number, chunk in enumerate(chunks, start=1):
        for tap in answer.taps or ():
            chunk = tap.feed(chunk, last=number == len(chunks))  # noqa: PLW2901 - passes through
        out += chunk
    return out
