"""Addresses are read strictly and compared as the system would bind them."""

import pytest

from lukhas.config.addresses import Address, parse_address
from lukhas.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8000),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::1]:65535", "::1", 65535),
        ("LocalHost:80", "localhost", 80),
        (" api.internal:80 ", "api.internal", 80),
    ],
)
def test_host_and_port_are_read(text: str, host: str, port: int) -> None:
    """An address is HOST:PORT, an IPv6 host in brackets."""
    address = parse_address(text)
    assert address == Address(host, port)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8000",
        ":8000",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:80a",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:٣",
        "127.0.0:80",
        "::1:80",
        "[127.0.0.1]:80",
        "[localhost]:80",
        "-a:80",
        "a b:80",
        "http://a:80",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """What is not HOST:PORT is a mistake with a hint."""
    with pytest.raises(ConfigError) as caught:
        parse_address(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("0.0.0.0:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "[::]:80", True),
        ("localhost:80", "127.0.0.1:80", True),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_listeners_collide(one: str, other: str, *, collide: bool) -> None:
    """Two listeners collide on one port if their hosts are alike; never on port 0."""
    assert parse_address(one).overlaps(parse_address(other)) is collide


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("api", False)],
)
def test_loopback_is_known(host: str, *, expected: bool) -> None:
    """Only loopback addresses and localhost stay on this machine."""
    assert Address(host, 80).is_loopback is expected
