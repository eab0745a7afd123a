"""Addresses of servers, as people write them."""

import pytest

from lukhas.config.targets import TargetAddress, parse_target
from lukhas.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://localhost:9000", TargetAddress("http", "localhost", 9000)),
        ("http://A.example", TargetAddress("http", "a.example", 80)),
        ("https://a.example/base/", TargetAddress("https", "a.example", 443, "/base")),
        ("http://[::1]:9000", TargetAddress("http", "::1", 9000)),
        ("10.0.0.1:9000", TargetAddress("http", "10.0.0.1", 9000)),
        ("unix:/run/a.sock", TargetAddress("http", "", 0, socket_path="/run/a.sock")),
    ],
)
def test_targets_are_read(text: str, address: TargetAddress) -> None:
    """A URL, a host with its port, or a socket; and what is read reads the same again."""
    assert parse_target(text) == address
    assert parse_target(address.url) == address


@pytest.mark.parametrize(
    ("text", "shown", "authority"),
    [
        ("http://a.example", "a.example:80", "a.example"),
        ("https://[::1]:444", "[::1]:444", "[::1]:444"),
        ("unix:/run/a.sock", "unix:/run/a.sock", "localhost"),
    ],
)
def test_targets_are_shown(text: str, shown: str, authority: str) -> None:
    """To people, and to the server itself."""
    target = parse_target(text)
    assert (str(target), target.authority) == (shown, authority)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a:0",
        "ftp://a",
        "http://",
        "http://a:0",
        "http://u@a",
        "http://ä",
        "http://a?x",
        "http://a b",
        "http://[::1",
        "unix:a",
        "unix:/\0",
        "http://a:99999",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    """With an example."""
    with pytest.raises(ConfigError) as raised:
        parse_target(text)
    assert raised.value.hint
