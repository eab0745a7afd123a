"""The upstream of a worker: over https, over a socket, and of several servers."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from lukhas.clock import SystemClock
from lukhas.config.settings import Settings
from lukhas.errors import ConfigError, UpstreamConnectError
from lukhas.gateway.upstreams import Upstreams
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.telemetry.recorder import Recorder


class Server:
    """Answers every request with its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fails = False
        self.asked: list[bytes] = []
        self.peer: dict[str, Any] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secured = writer.get_extra_info("ssl_object")
        self.peer = None if secured is None else secured.getpeercert()
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            self.asked.append(head)
            status = b"503 Gone" if self.fails else b"200 OK"
            body = self.name.encode()
            writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))
        writer.close()


@asynccontextmanager
async def opened(**upstream: object) -> AsyncIterator[Upstreams]:
    settings = Settings.model_validate({"upstream": upstream})
    made = Upstreams(settings, Recorder(), SystemClock())
    made.start()
    try:
        yield made
    finally:
        await made.close()
        await asyncio.sleep(0.01)


async def ask(upstream: Upstreams, method: str = "GET") -> Response:
    head = RequestHead(method, "http", b"api.test", b"/x", b"", Headers([]))
    return await upstream.handler(Exchange(head, "192.0.2.1", 1, b"id"))


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def secured(
    authority: trustme.CA, server: Server, name: str = "localhost", *, asks: bool = False
) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    if asks:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    yield listener.sockets[0].getsockname()[1]
    listener.close()


def trusted(folder: Path, authority: trustme.CA) -> dict[str, str]:
    file = folder / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return {"ca_file": str(file)}


async def test_https_to_a_server_that_is_trusted(tmp_path: Path, authority: trustme.CA) -> None:
    """By its name, with the authority that is set."""
    server = Server("secure")
    async with secured(authority, server) as port:
        tls = trusted(tmp_path, authority)
        async with opened(url=f"https://localhost:{port}/base", tls=tls) as upstream:
            assert (await ask(upstream)).body == b"secure"
            assert server.asked[0].startswith(b"GET /base/x HTTP/1.1\r\n")


@pytest.mark.parametrize("wrong", ["name", "authority"])
async def test_a_certificate_that_is_not_right_is_no_connection(
    tmp_path: Path, authority: trustme.CA, wrong: str
) -> None:
    """Not that of this name, or of an authority that nobody trusts; nothing is sent."""
    server = Server("secure")
    name = "other.test" if wrong == "name" else "localhost"
    trusts = authority if wrong == "name" else trustme.CA()
    async with secured(authority, server, name) as port:
        async with opened(
            url=f"https://localhost:{port}", tls=trusted(tmp_path, trusts)
        ) as upstream:
            with pytest.raises(UpstreamConnectError, match="certificate verify failed"):
                await ask(upstream)
        async with opened(url=f"https://localhost:{port}", tls={"verify": False}) as upstream:
            assert (await ask(upstream)).body == b"secure"
    assert len(server.asked) == 1


async def test_the_name_to_ask_for_can_be_set(tmp_path: Path, authority: trustme.CA) -> None:
    """Where a server is reached by another one, or by its address."""
    server = Server("secure")
    async with secured(authority, server, "api.internal") as port:
        tls = trusted(tmp_path, authority) | {"server_name": "api.internal"}
        async with opened(url=f"https://127.0.0.1:{port}", tls=tls) as upstream:
            assert (await ask(upstream)).body == b"secure"


async def test_our_certificate_is_shown(tmp_path: Path, authority: trustme.CA) -> None:
    """To a server that asks for one."""
    server = Server("secure")
    ours = authority.issue_cert("gateway.test")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "ours.pem")
    async with secured(authority, server, asks=True) as port:
        tls = trusted(tmp_path, authority) | {"client_cert": str(tmp_path / "ours.pem")}
        async with opened(url=f"https://localhost:{port}", tls=tls) as upstream:
            assert (await ask(upstream)).body == b"secure"
    assert server.peer is not None
    assert ("DNS", "gateway.test") in server.peer["subjectAltName"]


@pytest.mark.parametrize("key", ["ca_file", "client_cert"])
def test_files_that_cannot_be_used_are_told(tmp_path: Path, key: str) -> None:
    """Before anything is served, with the setting."""
    (tmp_path / "bad.pem").write_text("no certificate")
    for path in (tmp_path / "none.pem", tmp_path / "bad.pem"):
        settings = Settings.model_validate(
            {"upstream": {"url": "https://a.test", "tls": {key: str(path)}}}
        )
        with pytest.raises(ConfigError) as raised:
            Upstreams(settings, Recorder(), SystemClock())
        assert raised.value.where == f"upstream.tls.{key}"


async def test_a_unix_socket(tmp_path: Path) -> None:
    """As good as a port."""
    server = Server("local")
    path = tmp_path / "api.sock"
    listener = await asyncio.start_unix_server(server.serve, path)
    async with opened(url=f"unix:{path}") as upstream:
        assert (await ask(upstream)).body == b"local"
    listener.close()
    async with opened(url=f"unix:{tmp_path}/none.sock") as upstream:
        with pytest.raises(UpstreamConnectError, match=r"none\.sock"):
            await ask(upstream)


@asynccontextmanager
async def several(*servers: Server) -> AsyncIterator[list[str]]:
    listeners = [await asyncio.start_server(one.serve, "127.0.0.1", 0) for one in servers]
    ports = [listener.sockets[0].getsockname()[1] for listener in listeners]
    yield [f"http://127.0.0.1:{port}" for port in ports]
    for listener in listeners:
        listener.close()


async def test_several_servers_share_the_requests() -> None:
    """In turn, if that is set."""
    async with several(Server("a"), Server("b"), Server("c")) as (url, *targets):
        balancing = {"balancer": "round_robin"}
        async with opened(url=url, targets=targets, balancing=balancing) as upstream:
            bodies = Counter([bytes((await ask(upstream)).body) for _ in range(9)])  # type: ignore[arg-type]
    assert bodies == {b"a": 3, b"b": 3, b"c": 3}


async def test_a_server_that_fails_is_hidden() -> None:
    """Its requests go to another one, and after five failures it gets none."""
    broken, fine = Server("broken"), Server("fine")
    broken.fails = True
    async with several(broken, fine) as (url, *targets):
        balancing = {"balancer": "round_robin", "retries": {"least_per_second": 10}}
        async with opened(url=url, targets=targets, balancing=balancing) as upstream:
            answers = [await ask(upstream) for _ in range(30)]
            recorder = Recorder()
            upstream.show(recorder)
            gauges = recorder.gauges()
    assert [answer.status for answer in answers] == [200] * 30
    assert len(broken.asked) == 5
    assert (gauges["upstream_retries"], gauges["upstream_targets_left_out"]) == (5.0, 1.0)
    assert gauges["upstream_connections"] == 2.0


async def test_each_server_is_told_of() -> None:
    """Whether it gets requests, and what came of them; the one that is drained too."""
    broken, fine, drained = Server("broken"), Server("fine"), Server("drained")
    broken.fails = True
    async with several(broken, fine, drained) as urls:
        upstream_settings = {
            "targets": urls,
            "weights": {urls[1]: 3, urls[2]: 0},
            "balancing": {"balancer": "round_robin", "retries": {"least_per_second": 10}},
        }
        async with opened(**upstream_settings) as upstream:
            for _ in range(40):
                await ask(upstream)
            bad, good, left = upstream.targets()
    assert [each.address for each in (bad, good, left)] == urls
    assert (bad.standing, bad.answers, bad.faults, bad.weight) == ("ejected", 5, 5, 1)
    assert bad.out_until_ns > SystemClock().now_ns()
    assert (good.standing, good.answers, good.faults, good.weight) == ("healthy", 40, 0, 3)
    assert good.latency_ns > 0
    assert (good.connections, good.in_flight, good.out_until_ns) == (1, 0, 0)
    assert (left.standing, left.answers, left.weight) == ("draining", 0, 0)
    assert {each.upstream for each in (bad, good, left)} == {"default"}


async def test_the_only_server_is_told_of() -> None:
    """Its answers and its failures are counted, with nothing that chooses before it."""
    async with several(Server("a")) as (url,), opened(url=url) as upstream:
        await ask(upstream)
        (found,) = upstream.targets()
        assert (found.address, found.standing, found.weight) == (url, "healthy", 1)
        assert (found.answers, found.faults, found.failures, found.latency_ns) == (1, 0, 0, 0.0)
        assert (found.connections, found.in_flight) == (1, 0)
    async with opened(url=url) as upstream:
        with pytest.raises(UpstreamConnectError):
            await ask(upstream)
        (found,) = upstream.targets()
        assert (found.answers, found.failures) == (0, 1)


async def test_targets_alone_are_enough() -> None:
    """`url` is one of them like the others."""
    async with several(Server("a")) as targets, opened(targets=targets) as upstream:
        assert (await ask(upstream)).body == b"a"
