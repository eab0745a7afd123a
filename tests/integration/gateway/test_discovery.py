"""Servers of an upstream that come from the DNS or a file, and change while it is served."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from lukhas.config.targets import parse_target
from lukhas.gateway import discovery, dns_source, file_source
from lukhas.gateway.discovery import DiscoveryError
from lukhas.gateway.dns_source import DnsTerms
from lukhas.gateway.file_source import read_servers
from lukhas.telemetry.targets import TargetReport
from tests.integration.gateway.kit import until
from tests.integration.gateway.upstream_kit import Api, Served, forwarding, saying, whole_body


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources are asked again sooner than in earnest; how soon that is nothing here depends on."""
    monkeypatch.setattr(discovery, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(dns_source, "_LIFETIME_S", 0.5)
    monkeypatch.setattr(file_source, "_LOOK_EVERY_S", 0.05)


LIKE = parse_target("http://shop.test:80/base")


class NameServer(asyncio.DatagramProtocol):
    """Answers what it was told: records by name and type, as text."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.ttl_s = 0
        self.fails = False
        self.is_deaf = False
        self.asked: Counter[str] = Counter()
        self.place = ""
        self._transport: Any = None

    async def __aenter__(self) -> "NameServer":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        host, port = self._transport.get_extra_info("sockname")
        self.place = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.is_deaf:
            return
        query = dns.message.from_wire(data)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True)
        self.asked[kind] += 1
        answer = dns.message.make_response(query)
        found = self.records.get((name, kind), [])
        if self.fails:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found:
            answer.answer.append(dns.rrset.from_text(question.name, self.ttl_s, "IN", kind, *found))
        self._transport.sendto(answer.to_wire(), addr)


def plain(name: str, host: str = "127.0.0.1", port: int = 0) -> Api:
    """Answers with its name."""
    return Api(saying(name.encode()), host=host, port=port)


class Discovered(Served):
    @property
    def known(self) -> float:
        return self.gauge("upstream_targets")

    @property
    def health(self) -> str:
        (part,) = self.upstreams.parts()
        return f"{part.state}: {part.detail}"

    def told(self) -> list[TargetReport]:
        return self.upstreams.targets()

    async def said(self) -> bytes:
        return await whole_body(await self.ask())

    async def bodies(self, count: int = 12) -> set[bytes]:
        return {await self.said() for _ in range(count)}


@asynccontextmanager
async def discovered(tmp_path: Path, upstream: dict[str, Any]) -> AsyncIterator[Discovered]:
    upstream = {"balancing": {"balancer": "round_robin", "warm_up_s": 0}} | upstream
    async with forwarding(tmp_path, upstream=upstream) as found:
        found.upstreams.start()
        await found.upstreams.ready()
        yield Discovered(found.hub, found.upstreams)


def by_dns(name_server: NameServer, port: int, **more: object) -> dict[str, Any]:
    discovery = {"by": "dns", "nameservers": [name_server.place], "least_ttl_s": 0.02} | more
    return {"url": f"http://shop.test:{port}", "discovery": discovery}


async def test_every_address_of_the_host_is_a_server(tmp_path: Path) -> None:
    """And one that comes or goes is noticed when the answer is no longer good."""
    async with (
        NameServer() as names,
        plain("one") as one,
        plain("two", "127.0.0.2", one.port) as two,
    ):
        names.records["shop.test", "A"] = ["127.0.0.1"]
        async with discovered(tmp_path, by_dns(names, one.port)) as found:
            assert await found.bodies() == {b"one"}
            assert b"\r\nhost: shop.test\r\n" in one.heads[0]
            names.records["shop.test", "A"] = ["127.0.0.1", "127.0.0.2"]
            await until(lambda: found.known == 2)
            assert await found.bodies() == {b"one", b"two"}
            names.records["shop.test", "A"] = ["127.0.0.2"]
            await until(lambda: found.known == 1)
            assert await found.bodies() == {b"two"}
            await until(lambda: one.open == 0)
            assert found.health == "ok: 1 known"
            assert two.open > 0


async def test_a_server_that_goes_ends_what_it_has_begun(tmp_path: Path) -> None:
    """Then its connection is closed; nothing is lost."""
    async with (
        NameServer() as names,
        plain("one") as one,
        plain("two", "127.0.0.2", one.port) as two,
    ):
        names.records["shop.test", "A"] = ["127.0.0.1"]
        go = asyncio.Event()
        one.say = saying(b"one", after=go)
        async with discovered(tmp_path, by_dns(names, one.port)) as found:
            asked = asyncio.ensure_future(found.said())
            await until(lambda: one.heads)
            names.records["shop.test", "A"] = ["127.0.0.2"]
            await until(lambda: found.told()[0].address == two.url)
            assert await found.bodies() == {b"two"}
            told = [(each.address, each.standing, each.weight) for each in found.told()]
            assert told == [(two.url, "healthy", 1), (one.url, "draining", 0)]
            assert found.told()[1].in_flight == 1
            go.set()
            assert await asked == b"one"
            await until(lambda: one.open == 0)
            await until(lambda: [each.address for each in found.told()] == [two.url])


@pytest.mark.parametrize("harm", ["servfail", "nxdomain", "empty", "deaf"])
async def test_what_was_known_stays_while_the_dns_does_not_tell(tmp_path: Path, harm: str) -> None:
    """Health says so; when it tells again, all is well again."""
    async with NameServer() as names, plain("one") as one:
        known = names.records["shop.test", "A"] = ["127.0.0.1"]
        async with discovered(tmp_path, by_dns(names, one.port)) as found:
            if harm == "deaf":
                names.is_deaf = True
            elif harm == "servfail":
                names.fails = True
            elif harm == "empty":
                names.records["shop.test", "A"] = []
            else:
                names.records.clear()
            await until(lambda: found.health.startswith("degraded: 1 known before are used: "))
            assert await found.bodies(3) == {b"one"}
            names.is_deaf = names.fails = False
            names.records["shop.test", "A"] = known
            await until(lambda: found.health == "ok: 1 known")


async def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    """502 until it is; the reason, which names the server, is told by the health."""
    async with (
        NameServer() as names,
        plain("one") as one,
        discovered(tmp_path, by_dns(names, one.port)) as found,
    ):
        said = await found.said()
        assert b"cannot be reached" in said
        assert b"shop.test" not in said
        assert found.health == "failed: shop.test has no address"
        assert found.told() == []
        names.records["shop.test", "A"] = ["127.0.0.1"]
        await until(lambda: found.known)
        assert await found.said() == b"one"


async def test_an_address_that_no_request_is_sent_to(tmp_path: Path) -> None:
    """Whoever controls the name must not lead us to the credentials of the machine."""
    async with NameServer() as names, plain("one") as one:
        names.records["shop.test", "A"] = ["169.254.169.254", "127.0.0.1"]
        names.records["shop.test", "AAAA"] = ["fd00:ec2::254"]
        async with discovered(tmp_path, by_dns(names, one.port)) as found:
            assert found.known == 1
            assert await found.bodies(3) == {b"one"}
            names.records["shop.test", "A"] = ["169.254.169.254"]
            await until(lambda: "metadata" in found.health)
            assert found.health.startswith("degraded")


async def test_an_answer_is_good_for_as_long_as_it_says(tmp_path: Path) -> None:
    """Nobody is asked before."""
    async with NameServer() as names, plain("one") as one:
        names.records["shop.test", "A"] = ["127.0.0.1"]
        names.ttl_s = 600
        async with discovered(tmp_path, by_dns(names, one.port)) as found:
            await asyncio.sleep(0.1)
            assert await found.said() == b"one"
        assert names.asked == {"A": 1, "AAAA": 1}
    terms = DnsTerms(least_ttl_s=2, most_ttl_s=60)
    assert [terms.again_s(ttl_s) for ttl_s in (0, 30, 600)] == [2, 30, 60]


async def test_srv_records_with_ports_and_priorities(tmp_path: Path) -> None:
    """The next group is asked when none of the first is fit, and only then (RFC 2782)."""
    async with NameServer() as names, plain("one") as one, plain("two") as two:
        names.records["_http._tcp.shop.test", "SRV"] = [
            f"10 0 {one.port} a.shop.test.",
            f"20 5 {two.port} b.shop.test.",
            "30 5 1 gone.shop.test.",
        ]
        names.records["a.shop.test", "A"] = ["127.0.0.1"]
        names.records["b.shop.test", "A"] = ["127.0.0.1"]
        discovery = {
            "by": "srv",
            "service": "_http._tcp.shop.test",
            "nameservers": [names.place],
            "least_ttl_s": 0.02,
        }
        upstream = {
            "url": "http://shop.test",
            "discovery": discovery,
            "balancing": {
                "balancer": "round_robin",
                "outliers": {"failures": 1, "most_percent": 50},
                "retries": {"least_per_second": 100},
            },
        }
        async with discovered(tmp_path, upstream) as found:
            assert found.known == 2
            assert await found.bodies() == {b"one"}
            standings = {
                int(each.address.rpartition(":")[2]): each.standing for each in found.told()
            }
            assert standings == {one.port: "healthy", two.port: "standby"}
            await one.__aexit__()
            for _ in range(10):
                if await found.said() == b"two":
                    break
            # Connections that were open before still work for the one that went.
            await until(lambda: True)
            names.records["_http._tcp.shop.test", "SRV"] = [f"20 5 {two.port} b.shop.test."]
            await until(lambda: found.known == 1)
            assert await found.bodies() == {b"two"}
            names.records["_http._tcp.shop.test", "SRV"] = ["0 0 0 ."]
            await until(lambda: "has no SRV record" in found.health)


async def test_servers_from_a_file(tmp_path: Path) -> None:
    """Written in place or put in its place; a mistake changes nothing and says where it is."""
    file = tmp_path / "servers"
    async with plain("one") as one, plain("two") as two:
        file.write_text(f"# the shop\n127.0.0.1:{one.port} 3  # three times as much\n")
        upstream = {
            "url": "http://shop.test/base",
            "host": "target",
            "discovery": {"by": "file", "file": str(file)},
        }
        async with discovered(tmp_path, upstream) as found:
            assert await found.bodies() == {b"one"}
            assert one.heads[0].startswith(b"GET /base/x ")
            assert b"\r\nhost: 127.0.0.1:%d\r\n" % one.port in one.heads[0]
            new = tmp_path / "new"
            new.write_text(f"127.0.0.1:{one.port}\n127.0.0.1:{two.port} weight=1\n")
            new.rename(file)
            await until(lambda: found.known == 2)
            assert await found.bodies() == {b"one", b"two"}
            file.write_text(f"127.0.0.1:{one.port}\nnonsense:0\n")
            await until(lambda: "servers:2: " in found.health)
            assert await found.bodies() == {b"one", b"two"}
            file.write_text(f"127.0.0.1:{one.port} 0\n127.0.0.1:{two.port}\n")
            await until(lambda: found.health == "ok: 2 known")
            assert await found.bodies() == {b"two"}
            file.unlink()
            await until(lambda: "cannot be read (No such file" in found.health)
            assert await found.said() == b"two"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "names no server"),
        (b"# nothing\n\n", "names no server"),
        (b"a:1\na:1 2\n", ":2: a:1 is there twice"),
        (b"a:1 b c\n", ":1: a line has an address and a weight"),
        (b"a:1 -1\n", "'-1' is no weight"),
        (b"a:1 99999999\n", "'99999999' is no weight"),
        (b"a:0\n", ":1: "),
        (b"\xff\n", ":1: "),
        (b"a:1\n" * 300_000, "has more than"),
    ],
)
def test_a_file_that_is_wrong(data: bytes, what: str) -> None:
    with pytest.raises(DiscoveryError, match=what.replace("(", r"\(")):
        read_servers(data, Path("f"), LIKE)


def test_lines_of_a_file() -> None:
    found = read_servers(b"unix:/run/a.sock\nhttps://b.test/own 5\n[::1]:80\n", Path("f"), LIKE)
    assert [one.address.url for one in found] == [
        "unix:/run/a.sock",
        "https://b.test/own",
        "http://[::1]/base",
    ]
    assert [one.weight for one in found] == [1, 5, 1]
