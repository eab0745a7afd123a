"""Posting JSON to receivers with real sockets."""

import asyncio
import ssl

import pytest

from lukhas.analytics.alerts.delivery import DeliveryError
from lukhas.analytics.alerts.posting import post_json
from tests.unit.analytics.alerts.kit import receiver


async def test_what_is_sent_arrives_whole() -> None:
    """The path with its query, the fields and the body."""
    async with receiver() as hook:
        status = await post_json(
            hook.url, {"a": "ü"}, headers=[("authorization", "Bearer x")], timeout_s=5
        )
        assert status == 200
        assert hook.bodies == [{"a": "ü"}]
        assert hook.heads[0][0] == "POST /hook?key=s3cret HTTP/1.1"
        assert "authorization: Bearer x" in hook.heads[0]
        assert f"host: 127.0.0.1:{hook.port}" in hook.heads[0]


async def test_a_redirect_is_not_followed() -> None:
    """It is an answer like any other."""
    async with receiver() as hook:
        hook.statuses = [302]
        assert await post_json(hook.url, {}, timeout_s=5) == 302
        assert len(hook.bodies) == 1


async def test_interim_responses_are_passed_over() -> None:
    """They say nothing about the request (RFC 9110, 15.2)."""
    async with receiver() as hook:
        hook.raw = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 202 Fine\r\n\r\n"
        assert await post_json(hook.url, {}, timeout_s=5) == 202


async def test_https_checks_the_certificate(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is trusted is fine; any other ends the delivery."""
    async with receiver(tls) as hook:
        url = hook.url.replace("http:", "https:")
        assert await post_json(url, {}, timeout_s=5) == 200
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(DeliveryError, match=r"the certificate of 127\.0\.0\.1"):
            await post_json(url, {}, timeout_s=5)


@pytest.mark.parametrize(
    ("raw", "status", "what"),
    [
        (b"SSH-2.0-x\r\n", 200, "does not speak HTTP"),
        (b"", 200, "no whole answer"),
        (b"HTTP/1.1 200 Fine\r\nx: " + b"y" * 70_000, 200, "does not speak HTTP|no whole answer"),
    ],
)
async def test_an_answer_that_is_none_is_told(raw: bytes, status: int, what: str) -> None:
    """Without the URL, which may hold a secret."""
    async with receiver() as hook:
        hook.raw, hook.statuses = raw, [status]
        with pytest.raises(DeliveryError, match=what) as told:
            await post_json(hook.url, {}, timeout_s=5)
        assert "s3cret" not in str(told.value)


async def test_a_receiver_that_does_not_answer_is_given_up() -> None:
    """After the time that it has for all of it."""
    async with receiver() as hook:
        hook.raw, hook.statuses = b"", [1]
        with pytest.raises(DeliveryError, match=r"has not answered within 0\.05 s"):
            await post_json(hook.url, {}, timeout_s=0.05)


async def test_a_receiver_that_is_not_there_is_told() -> None:
    """Nobody listens, or there is no such host."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1: "):
        await post_json(f"http://127.0.0.1:{port}/", {}, timeout_s=5)


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0"])
async def test_addresses_that_nobody_should_ask_are_refused(host: str) -> None:
    """Metadata services, link-local ones; for good."""
    with pytest.raises(DeliveryError, match="nothing is sent to") as told:
        await post_json(f"http://{host}/", {}, timeout_s=5)
    assert told.value.is_final
