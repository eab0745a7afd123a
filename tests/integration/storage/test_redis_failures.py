"""The link to servers that fail, over real sockets."""

import asyncio
import contextlib
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lukhas.errors import StoreError, StoreReplyError, StoreTimeoutError, StoreUnavailableError
from lukhas.policy.breaker import BreakerSettings
from lukhas.storage.redis_link import RedisLink
from lukhas.testing.fault_proxy import Fault, FaultProxy
from lukhas.testing.redis_server import RedisServer, free_port
from lukhas.units import HOUR_NS, MILLISECOND_NS
from tests.integration.storage.kit import ADD, PATIENT_S, failure_of, opened, until

FOR_EVER = BreakerSettings(failures=3, pause_ns=HOUR_NS, longest_pause_ns=HOUR_NS)
SHORT_S = 0.02


@asynccontextmanager
async def rude_server(answer: bytes) -> AsyncIterator[int]:
    """A server that gives one answer to whatever it is sent, and then nothing more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def recovers(link: RedisLink) -> None:
    """Waits until calls are answered again, without anybody's help."""
    await until(lambda: link.health().state == "ok")
    assert await link.call("PING") == b"PONG"


# -- the connection ------------------------------------------------------------------------------


async def test_a_refused_connection(own_server: RedisServer) -> None:
    """Calls fail at once and say where and why; the link recovers when the server starts."""
    own_server.kill()
    async with opened(own_server.url) as link:
        error = await failure_of(link, "PING")
        assert isinstance(error, StoreUnavailableError)
        assert error.store == f"127.0.0.1:{own_server.port}"
        assert "Connection refused" in str(error)
        assert link.health().state == "failed"
        await asyncio.to_thread(own_server.start)
        await recovers(link)


async def test_calls_that_wait_for_a_connection_fail_with_it() -> None:
    """They do not wait for their deadline once it is known that there is none."""
    async with opened(f"redis://127.0.0.1:{free_port()}", ready=False) as link:
        errors = await asyncio.gather(
            *(link.call("PING") for _ in range(3)), return_exceptions=True
        )
        assert ["Connection refused" in str(error) for error in errors] == [True] * 3
        assert link.counters.errors == 3


async def test_a_socket_that_does_not_exist(tmp_path: Path) -> None:
    """The path is named."""
    async with opened(f"unix://{tmp_path}/none.sock") as link:
        assert f"{tmp_path}/none.sock" in str(await failure_of(link, "PING"))


async def test_a_host_that_does_not_exist() -> None:
    """A name that cannot be looked up, or is none, is an error of the store like any other."""
    for host in ("no-such-host.invalid", "a" * 70):
        async with opened(f"redis://{host}:{free_port()}") as link:
            assert isinstance(await failure_of(link, "PING"), StoreUnavailableError)


async def test_a_server_that_hangs(server: RedisServer, proxy: FaultProxy) -> None:
    """One caller waits its deadline; after that the others fail at once."""
    async with opened(
        f"redis://127.0.0.1:{proxy.port}", deadline_s=SHORT_S, connect_timeout_s=SHORT_S,
        breaker=FOR_EVER,
    ) as link:  # fmt: skip
        await until(lambda: link.health().state == "ok")
        await proxy.switch(Fault.HANG)
        errors = [await failure_of(link, "INCR", "k") for _ in range(3)]
        assert [type(error) for error in errors] == [
            StoreTimeoutError, StoreUnavailableError, StoreUnavailableError,
        ]  # fmt: skip
        assert "no answer within 20 ms" in str(errors[0])
        assert "did not answer within 20 ms" in str(errors[1])
        with pytest.raises(StoreUnavailableError, match="did not answer within 20 ms"):
            await link.script(ADD, [b"k"], [5])
        assert (link.counters.timeouts, link.counters.errors) == (1, 3)
        assert link.health().state == "failed"


async def test_calls_that_hang_together_are_one_failure(
    server: RedisServer, proxy: FaultProxy
) -> None:
    """However many wait when a server hangs, it is tried again after the first, short pause."""
    once = BreakerSettings(pause_ns=MILLISECOND_NS, growth=1e9, longest_pause_ns=HOUR_NS)
    async with opened(f"redis://127.0.0.1:{proxy.port}", deadline_s=SHORT_S, breaker=once) as link:
        await until(lambda: link.health().state == "ok")
        await proxy.switch(Fault.HANG)
        errors = await asyncio.gather(*(failure_of(link, "PING") for _ in range(20)))
        assert all(isinstance(error, StoreError) for error in errors)
        assert link.health().state == "failed"
        await proxy.switch(Fault.PASS)
        await recovers(link)


async def test_a_server_that_answers_others_is_slow(server: RedisServer) -> None:
    """A call that takes too long is counted; the breaker only opens after several."""
    async with opened(server.url, deadline_s=SHORT_S, breaker=FOR_EVER) as link:
        await until(lambda: link.health().state == "ok")
        outcomes: list[object] = await asyncio.gather(
            link.call("PING", deadline_s=PATIENT_S),
            link.call("BLPOP", "q", 0),
            return_exceptions=True,
        )
        assert outcomes[0] == b"PONG"
        assert isinstance(outcomes[1], StoreTimeoutError)
        assert link.health().state == "ok"


async def test_a_hung_server_that_goes_on(own_server: RedisServer) -> None:
    """The breaker closes by itself, and no answer is taken for another's."""
    async with opened(own_server.url, deadline_s=SHORT_S, connect_timeout_s=SHORT_S) as link:
        await until(lambda: link.health().state == "ok")
        own_server.pause()
        errors = [await failure_of(link, "PING") for _ in range(20)]
        assert any(isinstance(error, StoreUnavailableError) for error in errors)
        own_server.resume()
        await until(lambda: link.health().state == "ok")
        for number in range(50):
            assert await link.call("ECHO", number, deadline_s=PATIENT_S) == b"%d" % number


async def test_a_late_answer_is_dropped_in_its_turn(server: RedisServer, proxy: FaultProxy) -> None:
    """A given up call leaves the answers of the others where they belong."""
    async with opened(f"redis://127.0.0.1:{proxy.port}") as link:
        await proxy.switch(Fault.DELAY, delay_s=0.1)
        with pytest.raises(StoreTimeoutError):
            await link.call("ECHO", "late", deadline_s=SHORT_S)
        await proxy.switch(Fault.PASS)
        assert await link.call("ECHO", "next") == b"next"
        assert proxy.connections == 1


async def test_answers_that_came_while_the_process_slept_are_in_time(link: RedisLink) -> None:
    """A pause of our own is not blamed on the server: what has arrived is read first."""
    call = asyncio.ensure_future(link.call("PING", deadline_s=SHORT_S))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    subprocess.run(["sleep", "0.1"], check=True)  # noqa: ASYNC221 - the loop is to stand still
    assert await call == b"PONG"


async def test_a_connection_that_breaks_fails_what_it_carried(own_server: RedisServer) -> None:
    """Not repeated: it may have been carried out. The link connects again by itself."""
    async with opened(own_server.url) as link:
        waiting = [asyncio.ensure_future(link.call("BLPOP", "q", 0)) for _ in range(3)]
        await until(lambda: link.counters.calls == 3)
        await asyncio.to_thread(own_server.restart)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, StoreUnavailableError) for outcome in outcomes)
        assert len({id(outcome) for outcome in outcomes}) == 3
        await recovers(link)
        assert link.counters.reconnects == 1


async def test_a_script_is_sent_again_after_a_restart(own_server: RedisServer) -> None:
    """The new server does not know it; its caller does not notice."""
    async with opened(own_server.socket_url) as link:
        assert await link.script(ADD, [b"k"], [5]) == 5
        await asyncio.to_thread(own_server.restart)
        await until(lambda: link.counters.reconnects == 1)
        assert await link.script(ADD, [b"k"], [2]) == 2
        assert link.counters.reloads == 2


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.REFUSE, Fault.CUT, Fault.GARBAGE])
async def test_what_networks_do(server: RedisServer, proxy: FaultProxy, fault: Fault) -> None:
    """Every fault is a StoreError to callers, and is over when the fault is."""
    async with opened(f"redis://127.0.0.1:{proxy.port}") as link:
        await proxy.switch(fault, after_bytes=1)
        assert isinstance(await failure_of(link, "PING"), StoreError)
        await proxy.switch(Fault.PASS)
        await recovers(link)


async def test_a_connection_cut_in_the_middle_of_an_answer(
    server: RedisServer, proxy: FaultProxy
) -> None:
    """Half an answer is none."""
    async with opened(f"redis://127.0.0.1:{proxy.port}") as link:
        await link.call("SET", "k", "x" * 1000)
        await proxy.switch(Fault.CUT, after_bytes=500)
        assert "closed the connection" in str(await failure_of(link, "GET", "k"))


async def test_slow_answers_come_through_whole(server: RedisServer, proxy: FaultProxy) -> None:
    """An answer may come in any number of pieces."""
    async with opened(f"redis://127.0.0.1:{proxy.port}") as link:
        await proxy.switch(Fault.THROTTLE, bytes_per_s=10_000)
        assert await link.call("ECHO", "slow but whole") == b"slow but whole"


async def test_a_call_waits_for_a_connection_no_longer_than_its_deadline(
    server: RedisServer, proxy: FaultProxy
) -> None:
    """It is not sent once nobody waits for it any more."""
    await proxy.switch(Fault.HANG)
    async with opened(f"redis://127.0.0.1:{proxy.port}", ready=False) as link:
        early = asyncio.ensure_future(link.call("ECHO", "early"))
        with pytest.raises(StoreTimeoutError):
            await link.call("INCR", "never", deadline_s=SHORT_S)
        await proxy.switch(Fault.PASS)
        assert await early == b"early"
        assert await link.call("GET", "never") is None


# -- what servers refuse ---------------------------------------------------------------------------


async def test_a_server_that_is_none(server: RedisServer) -> None:
    """Whatever answers there, it is said that it is no Redis."""
    async with (
        rude_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port,
        opened(f"redis://127.0.0.1:{port}") as link,
    ):
        assert "not Redis" in str(await failure_of(link, "PING"))


async def test_answers_that_nobody_asked_for(server: RedisServer) -> None:
    """Which answer is whose is not known any more: the connection is given up."""
    async with (
        rude_server(b"+PONG\r\n" * 20) as port,
        opened(f"redis://127.0.0.1:{port}", breaker=FOR_EVER) as link,
    ):
        assert "nobody asked for" in str(await failure_of(link, "PING"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 's3cret'\r\n",
         "protocol=2"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "wait"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "fail-over"),
        (b"-ERR AUTH <password> called without any password configured\r\n", "no password set"),
        (b"-ERR DB index is out of range\r\n", "no such database"),
    ],
)  # fmt: skip
async def test_a_refused_greeting(answer: bytes, words: str) -> None:
    """It is said what to do, and the password is never repeated."""
    async with (
        rude_server(answer * 2) as port,
        opened(f"redis://:s3cret@127.0.0.1:{port}", breaker=FOR_EVER) as link,
    ):
        error = await failure_of(link, "PING")
        assert isinstance(error, StoreUnavailableError)
        assert words in str(error)
        assert "s3cret" not in f"{error!r} {link.health()} {link.settings!r}"


async def test_users_and_passwords(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The right ones work, in both versions; a wrong one is told, and never shown."""
    caplog.set_level(logging.DEBUG)
    own_server.ask("ACL", "SETUSER", "app", "on", ">s3cret", "~app:*", "+@all", "-keys")
    own_server.ask("CONFIG", "SET", "requirepass", "defaultpw")
    place = f"127.0.0.1:{own_server.port}"
    for query in ("", "?protocol=2"):
        for user in ("app:s3cret", ":defaultpw"):
            async with opened(f"redis://{user}@{place}{query}") as link:
                assert await link.call("SET", "app:k", "v") == b"OK"
        for user in ("app:wr0ng", ":wr0ng"):
            async with opened(f"redis://{user}@{place}{query}", breaker=FOR_EVER) as link:
                error = await failure_of(link, "PING")
                assert "WRONGPASS" in str(error)
                assert "wr0ng" not in f"{error!r}{link.health()}{link.settings!r}{caplog.text}"
    async with opened(f"redis://{place}", breaker=FOR_EVER) as link:
        assert "NOAUTH" in str(await failure_of(link, "PING"))
    async with opened(f"redis://app:s3cret@{place}") as link:
        assert "ACL SETUSER" in str(await failure_of(link, "GET", "other"))
        assert link.health().state == "ok"


async def test_a_full_server(own_server: RedisServer) -> None:
    """With noeviction writes fail and say what to raise; reads go on."""
    own_server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    own_server.ask("CONFIG", "SET", "maxmemory", "1")
    async with opened(own_server.url) as link:
        for _ in range(10):
            error = await failure_of(link, "SET", "k", "v")
            assert isinstance(error, StoreReplyError)
            assert error.code == "OOM"
            assert "raise maxmemory" in str(error)
        assert await link.call("GET", "k") is None


async def test_a_replica(server: RedisServer, own_server: RedisServer) -> None:
    """Writes are refused; after some of them the link connects anew, to whoever is there then."""
    own_server.ask("REPLICAOF", "127.0.0.1", str(server.port))
    await until(lambda: b"connected" in own_server.ask("ROLE"))
    async with opened(own_server.url) as link:
        errors = [await failure_of(link, "SET", "k", "v") for _ in range(6)]
        assert isinstance(errors[0], StoreReplyError)
        assert errors[0].code == "READONLY"
        assert "address of the master" in str(errors[0])
        assert isinstance(errors[5], StoreUnavailableError)
        own_server.ask("REPLICAOF", "NO", "ONE")
        await recovers(link)
        assert await link.call("SET", "k", "v") == b"OK"


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of localhost, with its key in the same file."""
    path, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out",
         str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + key.read_text())
    return path


async def test_tls(server: RedisServer, certificate: Path) -> None:
    """With the authority it works; without it is said that the certificate is not trusted."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, onward = await asyncio.open_unix_connection(server.socket_path)
        await asyncio.gather(_pump(reader, onward), _pump(back, writer))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    front = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"rediss://localhost:{front.sockets[0].getsockname()[1]}"
    async with opened(url, tls=ssl.create_default_context(cafile=certificate)) as link:
        assert await link.call("ECHO", "x" * 100_000) == b"x" * 100_000
    async with opened(url, breaker=FOR_EVER) as link:
        assert "certificate is not trusted" in str(await failure_of(link, "PING"))
    front.close()


async def test_tls_to_a_server_without(server: RedisServer) -> None:
    """It is an error of the store, not one of the ssl module."""
    async with opened(
        f"rediss://127.0.0.1:{server.port}", breaker=FOR_EVER, connect_timeout_s=1.0
    ) as link:
        assert isinstance(await failure_of(link, "PING"), StoreUnavailableError)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()
