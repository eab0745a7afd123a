"""Validation and normal form of hosts."""

import pytest

from lukhas.http.authority import normalise_authority


@pytest.mark.parametrize(
    ("value", "scheme", "normal"),
    [
        (b"a.example", "http", b"a.example"),
        (b"API.Example", "https", b"api.example"),
        (b"localhost", "http", b"localhost"),
        (b"my_service-1.internal", "http", b"my_service-1.internal"),
        (b"127.0.0.1", "http", b"127.0.0.1"),
        (b"127.0.0.1:8000", "http", b"127.0.0.1:8000"),
        (b"a.example:80", "http", b"a.example"),
        (b"a.example:443", "https", b"a.example"),
        (b"a.example:443", "http", b"a.example:443"),
        (b"a.example:80", "https", b"a.example:80"),
        (b"a.example:80", "", b"a.example:80"),
        (b"a.example:00080", "http", b"a.example"),
        (b"a.example:08080", "http", b"a.example:8080"),
        (b"a.example:1", "http", b"a.example:1"),
        (b"a.example:65535", "http", b"a.example:65535"),
        (b"a.example.", "http", b"a.example"),
        (b"a.example.:8080", "http", b"a.example:8080"),
        (b"[::1]", "http", b"[::1]"),
        (b"[2001:DB8::A]:8443", "https", b"[2001:db8::a]:8443"),
        (b"[::ffff:192.0.2.1]:80", "http", b"[::ffff:192.0.2.1]"),
        (b"x" * 253, "http", b"x" * 253),
    ],
)
def test_normal_form(value: bytes, scheme: str, normal: bytes) -> None:
    """Lower case, no default port, no last dot (RFC 9110 section 4.2.3)."""
    assert normalise_authority(value, scheme=scheme) == normal


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"a b",
        b" a",
        b"a\t",
        b"a\n",
        b"a,b",
        b"a/b",
        b"a\\b",
        b"user@a.example",
        b"user:secret@a.example",
        b"a?b",
        b"a#b",
        b"a%2eb",
        b"a;b",
        b"<a>",
        b"a\x00",
        b"\xc3\xa9.example",
        b":80",
        b"a:",
        b"a:0",
        b"a:00000",
        b"a:65536",
        b"a:99999",
        b"a:000080",
        b"a:-1",
        b"a:+1",
        b"a:x",
        b"a:80:80",
        b".",
        b"..",
        b".a",
        b"a..b",
        b"a..",
        b"::1",
        b"[]",
        b"[::1",
        b"::1]",
        b"[::1]x",
        b"[::1]:",
        b"[::1].",
        b"[1.2.3.4]",
        b"[:::]",
        b"[12345::]",
        b"[::1%25eth0]",
        b"[v1.fe80]",
        b"x" * 254,
        b"*",
        b"http://a.example",
    ],
)
def test_invalid_authority(value: bytes) -> None:
    """User information, white space, slashes, empty parts and bad ports are refused."""
    assert normalise_authority(value, scheme="http") is None
