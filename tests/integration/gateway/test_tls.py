"""TLS between clients and the gateway."""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.gateway.certificates import Authority
from tests.integration.gateway.kit import Gateway, Reply, gateway, until

GET = b"GET /fine HTTP/1.1\r\nHost: api.example\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Issues the certificates of the gateway."""
    return Authority(tmp_path)


@contextlib.asynccontextmanager
async def over_tls(
    tmp_path: Path,
    authority: Authority,
    *,
    more: dict[str, object] | None = None,
    **settings: object,
) -> AsyncIterator[Gateway]:
    """A gateway with a certificate for api.example."""
    certificate, key = authority.pair("api.example")
    tls = {"certificate": certificate, "key": key} | (more or {})
    async with gateway(tmp_path, tls=tls, **settings) as running:  # type: ignore[arg-type]
        yield running


async def ask(gate: Gateway, context: ssl.SSLContext, name: str = "api.example") -> Reply:
    """A request on a connection of its own."""
    client = await gate.client(context=context, name=name)
    try:
        return await client.ask(GET)
    finally:
        client.close()


def shown(client: asyncio.StreamWriter) -> set[str]:
    """The names in the certificate that the gateway showed."""
    said = client.get_extra_info("peercert")
    return {value for _, value in said["subjectAltName"]}


async def test_requests_over_tls_are_https(tmp_path: Path, authority: Authority) -> None:
    """They are answered, kept alive, and the upstream learns that they came by https."""
    async with over_tls(tmp_path, authority) as gate:
        client = await gate.client(context=authority.client(), name="api.example")
        for _ in range(2):
            reply = await client.ask(GET)
            assert (reply.status, reply.body) == (200, b"ok")
        (seen,) = {tuple(seen.values(b"x-forwarded-proto")) for seen in gate.origin.seen}
        assert seen == (b"https",)
        assert gate.origin.seen[0].values(b"x-forwarded-for") == [b"127.0.0.1"]


async def test_large_bodies_pass_both_ways(tmp_path: Path, authority: Authority) -> None:
    """What is larger than any buffer arrives whole."""
    sent = bytes(range(256)) * 8192
    async with over_tls(tmp_path, authority) as gate:

        async def echo(turn: object) -> None:
            body = await turn.body()  # type: ignore[attr-defined]
            await turn.send(  # type: ignore[attr-defined]
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )

        gate.origin.scripts[b"/echo"] = echo
        client = await gate.client(context=authority.client(), name="api.example")
        head = b"POST /echo HTTP/1.1\r\nHost: api.example\r\nContent-Length: %d\r\n\r\n" % len(sent)
        reply = await client.ask(head + sent)
        assert hashlib.sha256(reply.body).digest() == hashlib.sha256(sent).digest()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_versions(tmp_path: Path, authority: Authority, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3 are spoken."""
    async with over_tls(tmp_path, authority) as gate:
        context = authority.client()
        context.minimum_version = context.maximum_version = version
        assert (await ask(gate, context)).status == 200


async def test_old_versions_are_refused_and_counted(tmp_path: Path, authority: Authority) -> None:
    """TLS 1.2 is too old where 1.3 is asked for; the gateway goes on."""
    async with over_tls(tmp_path, authority, more={"min_version": "1.3"}) as gate:
        context = authority.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(gate, context)
        certificates = gate.doors._certificates
        assert certificates is not None
        await until(lambda: certificates.handshakes_failed == 1)
        assert (await ask(gate, authority.client())).status == 200


async def test_plain_http_on_the_tls_port_is_closed(tmp_path: Path, authority: Authority) -> None:
    """What is no handshake gets no answer of HTTP, and does not count as a request."""
    async with over_tls(tmp_path, authority) as gate:
        client = await gate.client()
        await client.send(GET)
        assert b"HTTP/1.1" not in await client.rest()
        certificates = gate.doors._certificates
        assert certificates is not None
        await until(lambda: certificates.handshakes_failed == 1)
        assert gate.state.requests == 0


async def test_a_handshake_that_stalls_is_ended(tmp_path: Path, authority: Authority) -> None:
    """A client that says nothing does not hold a connection."""
    async with over_tls(tmp_path, authority, more={"handshake_timeout_s": 0.1}) as gate:
        client = await gate.client()
        assert await client.rest() == b""
        entrance = gate.doors.entrance
        assert entrance is not None
        await until(lambda: not entrance.joining)


async def test_certificates_by_name(tmp_path: Path, authority: Authority) -> None:
    """Each name gets its certificate, a wildcard too; other names get the first."""
    wild, wild_key = authority.pair("*.shop.example", file="wild")
    other, other_key = authority.pair("other.example")
    further = [
        {"certificate": wild, "key": wild_key},
        {"certificate": other, "key": other_key, "names": ["alias.example"]},
    ]
    async with over_tls(tmp_path, authority, more={"certificates": further}) as gate:
        context = authority.client()
        context.check_hostname = False
        for asked, names in (
            ("api.example", {"api.example"}),
            ("a.shop.example", {"*.shop.example"}),
            ("Alias.Example", {"other.example"}),
            ("nobody.example", {"api.example"}),
        ):
            client = await gate.client(context=context, name=asked)
            assert shown(client.writer) == names
            assert (await client.ask(GET)).status == 200


async def test_changed_files_are_taken_up(tmp_path: Path, authority: Authority) -> None:
    """New connections get the new certificate; those that are open go on."""
    async with over_tls(tmp_path, authority) as gate:
        certificates = gate.doors._certificates
        assert certificates is not None
        before = await gate.client(context=authority.client(), name="api.example")
        authority.pair("new.example", file="api.example")
        assert certificates.look()
        assert not certificates.look()
        after = await gate.client(context=authority.client(), name="new.example")
        assert (await before.ask(GET)).status == 200
        assert (await after.ask(GET)).status == 200
        assert gate.doors.parts(gate.hub.clock)[0].state == "ok"


async def test_a_bad_pair_changes_nothing_and_says_why(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """The old certificate serves on; health and log tell the reason, until good files are there."""
    async with over_tls(tmp_path, authority) as gate:
        certificates = gate.doors._certificates
        assert certificates is not None
        _, key = authority.pair("else.example")
        (tmp_path / "ca-api.example.key").write_bytes(key.read_bytes())
        assert not certificates.look()
        (part,) = gate.doors.parts(gate.hub.clock)
        assert part.state == "degraded"
        assert "is not that of the certificate" in part.detail
        assert "old ones serve on" in caplog.text
        assert (await ask(gate, authority.client())).status == 200
        authority.pair("api.example")
        assert certificates.look()
        assert gate.doors.parts(gate.hub.clock)[0].state == "ok"


async def test_drain_ends_idle_tls_connections(tmp_path: Path, authority: Authority) -> None:
    """An idle connection is ended with TLS's own end, and nobody new comes in."""
    async with over_tls(tmp_path, authority) as gate:
        client = await gate.client(context=authority.client(), name="api.example")
        assert (await client.ask(GET)).status == 200
        await gate.server.drain()
        assert await client.rest() == b""


CLIENTS = {
    "identity": {
        "certificates": [
            {"consumer": "worker", "san": "spiffe://example/worker", "tier": "premium"},
            {"consumer": "anna", "common_name": "anna", "tier": "basic", "tenant": "acme"},
        ]
    },
    "tiers": {"free": None, "basic": "7/minute", "premium": "9/minute"},
}


@pytest.mark.parametrize(
    ("common_name", "limit"), [("anna", b'"basic-minute";q=7;w=60'), ("bert", None)]
)
async def test_a_client_certificate_says_who_calls(
    tmp_path: Path, authority: Authority, common_name: str, limit: bytes | None
) -> None:
    """A rule makes its holder a consumer with its own tier; without a rule it is anonymous."""
    clients = Authority(tmp_path, "clients")
    own = clients.pair("anna@example.com", common_name=common_name)
    more = {"client_ca": clients.file, "client_certificates": "required"}
    async with over_tls(tmp_path, authority, more=more, **CLIENTS) as gate:
        reply = await ask(gate, authority.client(own))
        assert reply.status == 200
        assert reply.values(b"ratelimit-policy") == ([limit] if limit else [])


async def test_a_fingerprint_names_one_certificate(tmp_path: Path, authority: Authority) -> None:
    """The SHA-256 of the certificate itself is a rule too."""
    clients = Authority(tmp_path, "clients")
    own = clients.pair("anna@example.com")
    der = ssl.PEM_cert_to_DER_cert(
        own[0].read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    )
    rule = {
        "consumer": "one",
        "fingerprint": hashlib.sha256(der).hexdigest().upper(),
        "tier": "basic",
    }
    more = {"client_ca": clients.file, "client_certificates": "optional"}
    settings = CLIENTS | {"identity": {"certificates": [rule]}}
    async with over_tls(tmp_path, authority, more=more, **settings) as gate:
        reply = await ask(gate, authority.client(own))
        assert reply.values(b"ratelimit-policy") == [b'"basic-minute";q=7;w=60']
        assert (await ask(gate, authority.client())).values(b"ratelimit-policy") == []


@pytest.mark.parametrize("shows", ["nothing", "a stranger's"])
async def test_required_certificates_are_required(
    tmp_path: Path, authority: Authority, shows: str
) -> None:
    """Without one of the named authority nothing is answered."""
    clients = Authority(tmp_path, "clients")
    own = None if shows == "nothing" else authority.pair("eve@example.com")
    more = {"client_ca": clients.file, "client_certificates": "required"}
    async with over_tls(tmp_path, authority, more=more) as gate:
        # TLS 1.3 lets the client finish first: the refusal shows at the first read.
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await ask(gate, authority.client(own))
        assert gate.state.requests == 0


async def test_optional_certificates_must_be_good_if_shown(
    tmp_path: Path, authority: Authority
) -> None:
    """One of a stranger is refused; it is not taken as none."""
    clients = Authority(tmp_path, "clients")
    own = authority.pair("eve@example.com")
    more = {"client_ca": clients.file, "client_certificates": "optional"}
    async with over_tls(tmp_path, authority, more=more) as gate:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await ask(gate, authority.client(own))
        assert (await ask(gate, authority.client())).status == 200
