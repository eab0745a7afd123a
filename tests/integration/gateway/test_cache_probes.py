"""Cache poisoning and deception through the gateway: rule R19; every probe is negative.

The origin is the worst one: it believes whatever a request says, echoes it, and calls the answer
fresh for a minute.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.gateway.kit import Gateway, Turn, gateway, until, whole

CLEAN = b"GET %b HTTP/1.1\r\nHost: a.example\r\n%b\r\n"
# Fields that we write ourselves, from the connection.
OWN = {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-request-id", b"via"}


async def echo(turn: Turn) -> None:
    """The request as the body."""
    body = await turn.body()
    fields = [b"%b: %b" % pair for pair in turn.seen.fields if pair[0] not in OWN]
    echoed = b"\n".join([turn.seen.line, *fields, body])
    status = b"400 Bad Request" if b"oversized" in echoed else b"200 OK"
    cookie = [b"Set-Cookie: s=secret"] if b"/login" in turn.seen.line else []
    await turn.send(whole(echoed, b"Cache-Control: max-age=60", *cookie, status=status))


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as running:
        for path in (b"/x", b"/login", b"/profile", b"/profile/a.css", b"/profile;a.css"):
            running.origin.scripts[path] = echo
        yield running


UNKEYED = (
    b"Forwarded: host=evil.example;proto=ftp",
    b"X-Forwarded-Host: evil.example",
    b"X-Forwarded-Scheme: evil",
    b"X-Forwarded-Proto: evil",
    b"X-Forwarded-Prefix: /evil",
    b"X-Forwarded-Port: 666",
    b"X-Forwarded-Server: evil.example",
    b"X-Host: evil.example",
    b"X-Original-Host: evil.example",
    b"X-Original-URL: /evil",
    b"X-Rewrite-URL: /evil",
    b"X-HTTP-Method-Override: EVIL",
    b"X-HTTP-Method: EVIL",
    b"X-Method-Override: EVIL",
)


@pytest.mark.parametrize("field", UNKEYED)
async def test_r19_1_unkeyed_fields_do_not_reach_the_origin(gate: Gateway, field: bytes) -> None:
    """So they cannot shape what is stored."""
    await gate.get(b"/x", field)
    victim = await gate.get(b"/x")
    assert victim.values(b"cache-status")[0].startswith(b"lukhas; hit")
    assert b"evil" not in victim.body.lower()
    assert b"666" not in victim.body


@pytest.mark.parametrize("name", [b"Authorization", b"Cookie"])
@pytest.mark.parametrize("to", [b"B", None])
async def test_r19_3_no_principal_gets_the_answer_of_another(
    gate: Gateway, name: bytes, to: bytes | None
) -> None:
    """From A to B, and from A to nobody."""
    await gate.get(b"/x", name + b": secret-of-A")
    answer = await gate.get(b"/x", *([name + b": B"] if to else []))
    assert b"secret-of-A" not in answer.body


async def test_r19_3_keys_of_the_origin_tell_principals_apart(tmp_path: Path) -> None:
    """With the gateway's own keys off, X-API-Key is still a credential."""
    async with gateway(tmp_path, identity={"mode": "off"}) as gate:
        gate.origin.scripts[b"/x"] = echo
        await gate.get(b"/x", b"X-API-Key: secret-of-A")
        assert b"secret-of-A" not in (await gate.get(b"/x", b"X-API-Key: B")).body
        assert b"secret-of-A" not in (await gate.get(b"/x")).body


async def test_r19_5_a_fat_get_shapes_nothing(gate: Gateway) -> None:
    """A GET with a body is neither answered from the store nor stored."""
    client = await gate.client()
    fat = b"GET /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nevil"
    assert b"evil" in (await client.ask(fat)).body
    assert b"evil" not in (await gate.get(b"/x")).body


async def test_r19_5_errors_about_one_request_are_not_stored(gate: Gateway) -> None:
    """CPDoS: one malformed request must not take the resource away from everybody."""
    assert (await gate.get(b"/x", b"X: oversized")).status == 400
    assert (await gate.get(b"/x")).status == 200


async def test_r19_4_cookies_are_not_replayed(gate: Gateway) -> None:
    """Nor is an answer that sets one stored without being called public."""
    first, second = await gate.get(b"/login"), await gate.get(b"/login")
    assert first.values(b"set-cookie") == [b"s=secret"]
    assert not second.values(b"cache-status")[0].startswith(b"lukhas; hit")


@pytest.mark.parametrize("host", [b"evil.example", b"a.example:666", b"A.EXAMPLE.evil.example"])
async def test_r19_2_hosts_and_ports_are_in_the_key(gate: Gateway, host: bytes) -> None:
    """A reflected host is stored for that host only."""
    client = await gate.client()
    await client.ask(b"GET /x HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
    assert b"evil" not in (await gate.get(b"/x")).body
    assert b"666" not in (await gate.get(b"/x")).body


async def test_r19_2_two_hosts_are_refused(gate: Gateway) -> None:
    """Which one would be the key?"""
    client = await gate.client()
    refused = await client.ask(b"GET /x HTTP/1.1\r\nHost: a.example\r\nHost: evil.example\r\n\r\n")
    assert refused.status == 400
    assert not gate.origin.seen


async def test_r19_2_absolute_targets_name_the_host(gate: Gateway) -> None:
    """Rewritten or refused, never stored under the Host that they contradict."""
    client = await gate.client()
    await client.send(b"GET http://evil.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n")
    await client.reply()
    assert b"evil" not in (await gate.get(b"/x")).body


@pytest.mark.parametrize(
    "target", [b"/x?utm=evil", b"/x?a=1;b=evil", b"/x?%61=evil", b"/X", b"/x/", b"/x%2Fevil"]
)
async def test_r19_2_targets_are_keys_byte_for_byte(gate: Gateway, target: bytes) -> None:
    """No parameter, case or slash is taken for another."""
    gate.origin.scripts[target.partition(b"?")[0]] = echo
    await gate.get(target)
    assert b"evil" not in (await gate.get(b"/x")).body


@pytest.mark.parametrize("target", [b"/profile/a.css", b"/profile;a.css", b"/profile?a.css"])
async def test_r19_4_a_static_name_stores_nothing(gate: Gateway, target: bytes) -> None:
    """Deception: what a path looks like says nothing; a personal answer stays personal."""
    await gate.get(target, b"Authorization: secret-of-victim")
    attacker = await gate.get(target)
    assert b"secret-of-victim" not in attacker.body


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /x HTTP/1.1\r\nHost: a.example\r\nX: a\r\n b\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: a.example\r\nX: " + b"v" * 40_000 + b"\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: a.example\r\nX: \x07\r\n\r\n",
    ],
)
async def test_r19_6_malformed_heads_end_before_the_cache(
    gate: Gateway, request_bytes: bytes
) -> None:
    """Folded, too long, or with control characters."""
    client = await gate.client()
    assert (await client.ask(request_bytes)).status in {400, 431}
    assert not gate.origin.seen
    assert gate.hub.entries.stats().entries == 0


async def test_r19_7_variants_are_bounded(gate: Gateway) -> None:
    """A flood of values of a selecting field takes no more than 20 places."""
    gate.origin.scripts[b"/v"] = varying
    for number in range(40):
        await gate.get(b"/v", b"X: %d" % number)
    assert gate.hub.entries.stats().entries == 20


async def varying(turn: Turn) -> None:
    await turn.body()
    await turn.send(whole(b"v", b"Cache-Control: max-age=60", b"Vary: X"))


async def test_r19_8_keys_are_not_told(gate: Gateway) -> None:
    """Cache-Status has neither `key` nor `detail`."""
    for _ in range(2):
        told = (await gate.get(b"/x")).values(b"cache-status")
        assert not any(b"key" in value or b"detail" in value for value in told)


async def leak(turn: Turn) -> None:
    await turn.body()
    who = turn.seen.values(b"authorization") or [b"nobody"]
    await turn.send(whole(who[0], b"Cache-Control: public, max-age=60"))


async def test_r19_a_leak_is_quarantined_and_shown(gate: Gateway) -> None:
    """Within five requests, with its reason in health and in a metric."""
    gate.origin.scripts[b"/leak"] = leak
    for who in (b"A", b"B", b"A", b"B", b"A"):
        await gate.get(b"/leak", b"Authorization: " + who)
        await idle(gate)
    for who in (b"A", b"B"):
        answer = await gate.get(b"/leak", b"Authorization: " + who)
        assert (answer.body, answer.values(b"cache-status")) == (who, [b"lukhas; fwd=bypass"])
    (part,) = [part for part in gate.hub.parts() if part.name == "leak-guard"]
    assert part.state == "degraded"
    assert "/leak: each caller keeps getting a body of their own" in part.detail
    assert gate.hub.recorder.gauges()["cache_leaks"] == 1.0


async def idle(gate: Gateway) -> None:
    await until(lambda: not len(gate.hub._cache._refresher))
