"""Mixed traffic for the soak: what clients do, and what must come of it."""

import asyncio
import itertools
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

__all__ = ("Keys", "Traffic")

_Action = Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]

_TIMEOUT_S = 30.0
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Keys:
    """The API keys that the clients present.

    Attributes:
        roomy: one whose limits are never reached.
        narrow: one that soon gets 429.
    """

    roomy: str
    narrow: str


class UnexpectedError(Exception):
    """The gateway did something else than it must."""


class Traffic:
    """A number of clients, each doing one thing after another until told to stop.

    Args:
        port: where the gateway listens, on 127.0.0.1.
        keys: what clients present.
        seed: makes the order repeatable.

    Attributes:
        done: how often each thing was done as it must be.
        unexpected: what went wrong, and how often.
    """

    def __init__(self, port: int, keys: Keys, *, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.unexpected: Counter[str] = Counter()
        self._port = port
        self._keys = keys
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self._stopping = False
        self._actions: dict[_Action, int] = {
            self._hit: 30,
            self._miss: 20,
            self._conditional: 6,
            self._head: 4,
            self._plain: 8,
            self._post: 8,
            self._post_in_chunks: 4,
            self._status: 4,
            self._limited: 8,
            self._unknown_key: 3,
            self._events: 2,
            self._events_left: 2,
            self._download: 2,
            self._download_left: 2,
            self._download_not_read: 1,
            self._cut: 1,
            self._malformed: 3,
            self._unknown_method: 1,
            self._ambiguous_length: 2,
            self._large_head: 1,
            self._half_head: 2,
            self._half_body: 2,
        }

    def only(self, names: Sequence[str]) -> None:
        """Leaves only these actions.

        Raises:
            ValueError: there is no such action.
        """
        known = {_name(action): action for action in self._actions}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(f"no action {', '.join(unknown)}; there are {', '.join(known)}")
        self._actions = {known[name]: self._actions[known[name]] for name in names}

    def stop(self) -> None:
        """Each client ends what it does, and closes."""
        self._stopping = True

    async def run(self, clients: int) -> None:
        """Runs so many clients until `stop`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client())

    async def _client(self) -> None:
        actions, weights = list(self._actions), list(self._actions.values())
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}",
            headers={"X-API-Key": self._keys.roomy},
            timeout=_TIMEOUT_S,
            trust_env=False,
        ) as client:
            while not self._stopping:
                (action,) = self._random.choices(actions, weights)
                name = _name(action)
                try:
                    async with asyncio.timeout(_TIMEOUT_S):
                        await action(client)
                except Exception as error:  # noqa: BLE001 - each is counted and shown
                    what = f"{name}: {type(error).__name__} {error}"
                    self.unexpected[what[:_SHOWN]] += 1
                    # An answer that fails at once must not become a busy loop.
                    await asyncio.sleep(0.05)
                else:
                    self.done[name] += 1

    async def _hit(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(f"/fresh/{self._random.randrange(20)}")
        _must_be(answer, 200)
        if len(answer.content) < 2000:
            raise UnexpectedError(f"body of {len(answer.content)} bytes")

    async def _miss(self, client: httpx.AsyncClient) -> None:
        _must_be(await client.get(f"/fresh/0?number={next(self._numbers)}"), 200)

    async def _conditional(self, client: httpx.AsyncClient) -> None:
        _must_be(await client.get("/fresh/0", headers={"If-None-Match": '"one"'}), 304, 200)

    async def _head(self, client: httpx.AsyncClient) -> None:
        _must_be(await client.head("/fresh/1"), 200)

    async def _plain(self, client: httpx.AsyncClient) -> None:
        _must_be(await client.get("/get"), 200)

    async def _post(self, client: httpx.AsyncClient) -> None:
        body = "b" * self._random.randrange(1, 65_536)
        answer = await client.post("/post", content=body, headers={"Content-Type": "text/plain"})
        _must_be(answer, 200)
        if answer.json()["data"] != body:
            raise UnexpectedError("the body did not arrive as it was sent")

    async def _post_in_chunks(self, client: httpx.AsyncClient) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(8):
                yield b"c" * 4096

        answer = await client.post(
            "/post", content=chunks(), headers={"Content-Type": "text/plain"}
        )
        _must_be(answer, 200)
        if len(answer.json()["data"]) != 8 * 4096:
            raise UnexpectedError("the body did not arrive whole")

    async def _status(self, client: httpx.AsyncClient) -> None:
        status = self._random.choice((204, 404, 500, 503))
        _must_be(await client.get(f"/status/{status}"), status)

    async def _limited(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/get", headers={"X-API-Key": self._keys.narrow})
        _must_be(answer, 200, 429)
        if answer.status_code == 429 and "retry-after" not in answer.headers:
            raise UnexpectedError("429 without Retry-After")

    async def _unknown_key(self, client: httpx.AsyncClient) -> None:
        _must_be(await client.get("/get", headers={"X-API-Key": "lk_live_nobody_x_y"}), 401)

    async def _events(self, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/events/10") as answer:
            _must_be(answer, 200)
            lines = [line async for line in answer.aiter_lines() if line]
        if len(lines) != 10:
            raise UnexpectedError(f"{len(lines)} of 10 events")

    async def _events_left(self, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/events/10") as answer:
            _must_be(answer, 200)
            async for _line in answer.aiter_lines():
                break

    async def _download(self, client: httpx.AsyncClient) -> None:
        size = 0
        async with client.stream("GET", "/large/64") as answer:
            _must_be(answer, 200)
            async for chunk in answer.aiter_bytes():
                size += len(chunk)
        if size != 64 * 65_536:
            raise UnexpectedError(f"{size} bytes of a download of 4 MiB")

    async def _download_left(self, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/large/64") as answer:
            _must_be(answer, 200)
            async for _chunk in answer.aiter_bytes():
                break

    async def _cut(self, client: httpx.AsyncClient) -> None:
        try:
            answer = await client.get("/cut/0")
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return
        raise UnexpectedError(f"a cut response arrived as {answer.status_code}")

    async def _download_not_read(self, _client: httpx.AsyncClient) -> None:
        """Lets the gateway's buffers fill, then goes away without a word."""
        _reader, writer = await self._connect()
        writer.write(self._head_of("GET /large/256") + b"\r\n")
        await asyncio.sleep(0.3)
        writer.transport.abort()

    async def _malformed(self, _client: httpx.AsyncClient) -> None:
        head = self._head_of("GET /get")
        request = self._random.choice(
            (
                b"GET /get HTTP/1.1 more\r\n\r\n",
                b"GET /get HTTP/9.7\r\n\r\n",
                b"GET /get HTTP/1.1\r\n\r\n",
                head + b"Spaced : x\r\n\r\n",
                head + b"X-Nul: a\0b\r\n\r\n",
                head + b"Host: again\r\n\r\n",
            )
        )
        await self._refused(request, 400)

    async def _unknown_method(self, _client: httpx.AsyncClient) -> None:
        await self._refused(b"\x16\x03\x01\x02\x00 what a TLS client says first\r\n\r\n", 501)

    async def _ambiguous_length(self, _client: httpx.AsyncClient) -> None:
        fields = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        await self._refused(self._head_of("POST /post") + fields, 400)

    async def _large_head(self, _client: httpx.AsyncClient) -> None:
        await self._refused(self._head_of("GET /get") + b"X-Large: " + b"x" * 70_000, 431)

    async def _half_head(self, _client: httpx.AsyncClient) -> None:
        _reader, writer = await self._connect()
        writer.write(b"GET /get HTTP/1.1\r\nHost: 127")
        await writer.drain()
        writer.close()

    async def _half_body(self, _client: httpx.AsyncClient) -> None:
        _reader, writer = await self._connect()
        writer.write(self._head_of("POST /post") + b"Content-Length: 9000\r\n\r\n" + b"x" * 100)
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async def _refused(self, request: bytes, status: int) -> None:
        """Sends bytes and expects this status, and the end of the connection."""
        reader, writer = await self._connect()
        try:
            writer.write(request)
            try:
                answer = await reader.read()
            except ConnectionError:
                # What it had not read when it closed resets the connection; that is fine too.
                return
            if not answer.startswith(b"HTTP/1.1 %d " % status):
                raise UnexpectedError(f"{answer[:40]!r} instead of {status}")
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    def _head_of(self, line: str) -> bytes:
        fields = f"Host: 127.0.0.1:{self._port}\r\nX-API-Key: {self._keys.roomy}\r\n"
        return f"{line} HTTP/1.1\r\n{fields}".encode()


_DETAIL = re.compile(r'"detail":"([^"]*)"')


def _name(action: _Action) -> str:
    return action.__name__.lstrip("_")


def _must_be(answer: httpx.Response, *statuses: int) -> None:
    if answer.status_code not in statuses:
        said = answer.text[:400] if answer.headers.get("content-type", "").endswith("json") else ""
        raise UnexpectedError(f"{answer.status_code} instead of {statuses} {_DETAIL.findall(said)}")
