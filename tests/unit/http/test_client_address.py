"""The client address behind trusted proxies."""

from ipaddress import ip_address

import pytest

from lukhas.errors import ConfigError
from lukhas.http.client_address import TrustedProxies, address_key, client_address

NOBODY = TrustedProxies()
PRIVATE = TrustedProxies(("10.0.0.0/8", "fd00::/8", "192.0.2.7"))


@pytest.mark.parametrize(
    ("cidr", "inside", "outside"),
    [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("fd00::/8", "fd12::1", "fe80::1"),
        ("::1", "::1", "::2"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("10.0.0.0/255.0.0.0", "10.1.2.3", "11.1.2.3"),
        ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
    ],
)
def test_trusted_networks(cidr: str, inside: str, outside: str) -> None:
    """Addresses and networks of both families, IPv4-mapped ones as IPv4."""
    proxies = TrustedProxies([cidr])
    assert proxies.trusts(ip_address(inside))
    assert not proxies.trusts(ip_address(outside))


def test_trusted_proxies_are_a_value() -> None:
    """Equal lists make equal, hashable objects."""
    assert TrustedProxies(["::1"]) == TrustedProxies(("::1",))
    assert hash(TrustedProxies(["::1"])) == hash(TrustedProxies(("::1",)))
    assert TrustedProxies(["::1"]) != NOBODY


@pytest.mark.parametrize(
    "cidr", ["", "proxy.example", "10.0.0.0/33", "10.0.0", "1.2.3.4:80", "a/b/c"]
)
def test_bad_network_is_a_config_error(cidr: str) -> None:
    """The error names what is wrong and how to write it."""
    with pytest.raises(ConfigError) as caught:
        TrustedProxies(["::1", cidr])
    assert repr(cidr) in caught.value.what
    assert caught.value.hint


def test_host_bits_are_a_config_error() -> None:
    """10.1.2.3/8 is either a slip of the address or of the prefix; the hint says both."""
    with pytest.raises(ConfigError, match=r'write "10\.0\.0\.0/8"'):
        TrustedProxies(["10.1.2.3/8"])


def test_one_string_is_not_a_list_of_networks() -> None:
    """Its characters are not networks."""
    with pytest.raises(ConfigError):
        TrustedProxies("10.0.0.0/8")


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:nonsense", "::ffff:nonsense"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
@pytest.mark.parametrize("trusted", [NOBODY, PRIVATE])
def test_untrusted_peer_is_the_client(peer: str, client: str, trusted: TrustedProxies) -> None:
    """What an untrusted peer claims is not looked at, whether or not anybody is trusted."""
    assert client_address(peer, [], trusted) == client
    assert client_address(peer, [b"198.51.100.1"], trusted) == client


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([], "10.0.0.1"),
        ([b"198.51.100.1"], "198.51.100.1"),
        ([b"spoofed, 1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ([b"1.1.1.1, 198.51.100.1, 10.0.0.2,192.0.2.7"], "198.51.100.1"),
        ([b"1.1.1.1, 198.51.100.1", b"10.0.0.2", b"fd00::5"], "198.51.100.1"),
        ([b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ([b"198.51.100.1, bad, 10.0.0.2"], "10.0.0.2"),
        ([b"198.51.100.1, unknown"], "10.0.0.1"),
        ([b"198.51.100.1, "], "10.0.0.1"),
        ([b"198.51.100.1", b""], "10.0.0.1"),
        ([b""], "10.0.0.1"),
    ],
)
def test_walk_from_the_right(lines: list[bytes], client: str) -> None:
    """The first hop that is not trusted is the client; a bad member ends the walk before it."""
    assert client_address("10.0.0.1", lines, PRIVATE) == client
    assert client_address("::ffff:10.0.0.1", lines, PRIVATE) == client


@pytest.mark.parametrize(
    ("member", "client"),
    [
        (b"198.51.100.1:443", "198.51.100.1"),
        (b"\t198.51.100.1 ", "198.51.100.1"),
        (b"2001:DB8::1", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b"[2001:db8::1]:65535", "2001:db8::1"),
        (b"::ffff:198.51.100.1", "198.51.100.1"),
        (b"[::ffff:198.51.100.1]:80", "198.51.100.1"),
        (b"fe80::1%eth0", "fe80::1"),
        (b"[fe80::1%25]:80", "fe80::1"),
        (b"64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ],
)
def test_spellings_of_a_member(member: bytes, client: str) -> None:
    """Ports, brackets, zones and letter case do not make another client."""
    assert client_address("10.0.0.1", [member], PRIVATE) == client


@pytest.mark.parametrize(
    "member",
    [
        b"198.51.100.1:",
        b"198.51.100.1:x",
        b"198.51.100.1:123456",
        b"198.51.100.1:-1",
        b"198.51.100.256",
        b"198.51.100.01",
        b"198.51.100",
        b"[198.51.100.1]:80",
        b"[2001:db8::1",
        b"[2001:db8::1]80",
        b"[2001:db8::1]:",
        b"[2001:db8::1]:x",
        b"[]",
        b"[:]",
        b"fe80::1%",
        b'"198.51.100.1"',
        b"for=198.51.100.1",
        b"client.example",
        b"client.example:80",
        "198.51.100.\u0661".encode(),
        b"\xff",
        b"fe80::1%" + b"z" * 60,
        b":80",
    ],
)
def test_bad_members(member: bytes) -> None:
    """What is not exactly an address ends the walk at the proxy that sent it."""
    assert client_address("10.0.0.1", [b"198.51.100.9, " + member], PRIVATE) == "10.0.0.1"


def test_walk_is_bounded() -> None:
    """A long chain of trusted hops is followed for 64 hops only, so that its cost is bounded."""
    hops = [f"10.0.1.{number}".encode() for number in range(70)]
    assert client_address("10.0.0.1", [b",".join(hops)], PRIVATE) == "10.0.1.6"
    assert client_address("10.0.0.1", hops, PRIVATE) == "10.0.1.6"
    assert client_address("10.0.0.1", [b",".join(hops[:64])], PRIVATE) == "10.0.1.0"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("testclient", "testclient"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_address_key(address: str, key: str) -> None:
    """IPv4 whole, IPv6 as its /64, IPv4-mapped as IPv4, other text as it is."""
    assert address_key(address) == key
