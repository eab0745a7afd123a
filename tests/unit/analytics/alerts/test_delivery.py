"""Addresses that are delivered to."""

import asyncio
import socket

import pytest

from lukhas.analytics.alerts.delivery import DeliveryError, checked_addresses
from lukhas.analytics.alerts.mail import MailServer, send_mail
from lukhas.analytics.alerts.posting import post_json
from tests.unit.analytics.alerts.kit import mailbox, receiver


async def test_a_host_is_looked_up_once() -> None:
    """Its addresses are what is connected to."""
    assert await checked_addresses("127.0.0.1", 80) == ["127.0.0.1"]


async def test_a_host_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be known the next time."""

    async def unknown(*_args: object, **_named: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(DeliveryError, match=r"mail\.test cannot be looked up") as told:
        await checked_addresses("mail.test", 25)
    assert not told.value.is_final


@pytest.fixture
async def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every name have two addresses, at the first of which nobody listens."""

    async def looked_up(_host: str, port: int, **_named: object) -> list[object]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", looked_up)


async def test_the_next_address_is_tried(two_addresses: None) -> None:
    """For webhooks and for mail: `localhost` often is `::1` first."""
    async with receiver() as hook, mailbox() as box:
        assert await post_json(f"http://hook.test:{hook.port}/", {}, timeout_s=5) == 200
        await send_mail(
            MailServer(host="mail.test", port=box.port, security="none"),
            sender="a@example.com",
            recipients=["b@example.com"],
            subject="s",
            text="t",
            dedup_key="k",
        )
        assert len(box.messages) == 1


async def test_a_host_without_an_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is connected to."""

    async def nothing(*_args: object, **_named: object) -> list[object]:
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nothing)
    with pytest.raises(DeliveryError, match=r"hook\.test has no address"):
        await checked_addresses("hook.test", 80)
