"""PROXY headers of both versions: proxy-protocol.txt, sections 2.1 and 2.2."""

import struct

import pytest

from lukhas.http.proxy_header import ProxyHeader, ProxyHeaderError

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
BLOCK4 = bytes((192, 0, 2, 7, 10, 0, 0, 1)) + struct.pack("!HH", 4000, 443)
BLOCK6 = bytes.fromhex("20010db8000000000000000000000007") + bytes(16) + bytes(4)


def v2(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(block)) + block


GOOD = {
    "v1 IPv4": (b"PROXY TCP4 192.0.2.7 10.0.0.1 4000 443\r\n", "192.0.2.7"),
    "v1 IPv6": (b"PROXY TCP6 2001:db8::7 ::1 4000 443\r\n", "2001:db8::7"),
    "v1 mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 0 65535\r\n", "192.0.2.7"),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", ""),
    "v1 unknown with more": (b"PROXY UNKNOWN ffff::1 ffff::1 1 1\r\n", ""),
    "v2 IPv4": (v2(1, 0x11, BLOCK4), "192.0.2.7"),
    "v2 IPv6": (v2(1, 0x21, BLOCK6), "2001:db8::7"),
    "v2 with TLVs": (v2(1, 0x11, BLOCK4 + b"\x03\x00\x04abcd"), "192.0.2.7"),
    "v2 local": (v2(0, 0x00, b""), ""),
    "v2 local with addresses": (v2(0, 0x11, BLOCK4), ""),
    "v2 unspecified": (v2(1, 0x00, b"whatever"), ""),
    "v2 unix": (v2(1, 0x31, bytes(216)), ""),
}


@pytest.mark.parametrize(("header", "source"), GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_good_headers(header: bytes, source: str, size: int) -> None:
    """However it comes in pieces, the source is found and nothing behind the header is taken."""
    reader = ProxyHeader()
    rest = header + b"GET / HTTP/1.1\r\n"
    while not reader.is_whole:
        taken = reader.take(rest[:size])
        assert taken > 0
        rest = rest[taken:]
    assert reader.source == source
    assert rest == b"GET / HTTP/1.1\r\n"


BAD = {
    "HTTP": b"GET / HTTP/1.1\r\n",
    "v1 lower case": b"proxy TCP4 192.0.2.7 10.0.0.1 4000 443\r\n",
    "v1 UDP": b"PROXY UDP4 192.0.2.7 10.0.0.1 4000 443\r\n",
    "v1 family": b"PROXY TCP4 2001:db8::7 ::1 4000 443\r\n",
    "v1 zone": b"PROXY TCP6 fe80::1%eth0 ::1 4000 443\r\n",
    "v1 short": b"PROXY TCP4 192.0.2.7 10.0.0.1 4000\r\n",
    "v1 two spaces": b"PROXY TCP4  192.0.2.7 10.0.0.1 4000 443\r\n",
    "v1 port": b"PROXY TCP4 192.0.2.7 10.0.0.1 4000 65536\r\n",
    "v1 signed port": b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 443\r\n",
    "v1 not ASCII": b"PROXY TCP4 \xff 10.0.0.1 1 443\r\n",
    "v1 nothing": b"PROXY \r\n",
    "v1 endless": b"PROXY TCP4 " + b"1" * 200,
    "v2 version": SIGNATURE + b"\x11\x11\x00\x0c" + BLOCK4,
    "v2 command": SIGNATURE + b"\x22\x11\x00\x0c" + BLOCK4,
    "v2 datagram": v2(1, 0x12, BLOCK4),
    "v2 cut IPv4": v2(1, 0x11, BLOCK4[:-1]),
    "v2 cut IPv6": v2(1, 0x21, BLOCK6[:-1]),
    "v2 too long": SIGNATURE + b"\x21\x11\xff\xff",
}


@pytest.mark.parametrize("header", BAD.values(), ids=BAD)
def test_bad_headers(header: bytes) -> None:
    """What is no header, or says what cannot be, is refused."""
    with pytest.raises(ProxyHeaderError):
        ProxyHeader().take(header)


def test_the_longest_line() -> None:
    """107 bytes with its end are the most that version 1 allows."""
    line = b"PROXY UNKNOWN ".ljust(105, b"x") + b"\r\n"
    reader = ProxyHeader()
    assert reader.take(line) == 107
    assert reader.is_whole
    with pytest.raises(ProxyHeaderError):
        ProxyHeader().take(b"PROXY UNKNOWN ".ljust(106, b"x") + b"\r\n")
