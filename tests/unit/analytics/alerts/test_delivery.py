"""Addresses that are delivered to."""

import asyncio

import pytest

from lukhas.analytics.alerts.delivery import DeliveryError, checked_address


async def test_a_host_is_looked_up_once() -> None:
    """The address is what is connected to."""
    assert await checked_address("127.0.0.1", 80) == "127.0.0.1"


async def test_a_host_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be known the next time."""

    async def unknown(*_args: object, **_named: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(DeliveryError, match=r"mail\.test cannot be looked up") as told:
        await checked_address("mail.test", 25)
    assert not told.value.is_final
