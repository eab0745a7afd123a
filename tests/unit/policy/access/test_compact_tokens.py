"""The form of signed tokens."""

import base64
import json

import pytest

from lukhas.policy.access.compact_tokens import (
    MAX_LOOK_BYTES,
    SignedToken,
    TokenHeader,
    read_header,
    read_token,
)


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


HEADER = b64(b'{"alg":"RS256"}')
PAYLOAD = b64(b'{"iss":"i"}')


def header(**members: object) -> bytes:
    return b64(json.dumps(members).encode())


def test_a_token_is_taken_apart() -> None:
    """Claims and signature decoded; header and signing input as they came."""
    presented = HEADER + b"." + PAYLOAD + b"." + b64(b"\xfb\xff")
    found = read_token(presented)
    assert found == SignedToken({"iss": "i"}, HEADER, HEADER + b"." + PAYLOAD, b"\xfb\xff")
    assert "iss" not in repr(found)
    assert repr(b"\xfb\xff") not in repr(found)


@pytest.mark.parametrize(
    "presented",
    [
        b"",
        b"opaque",
        b"a.b",
        HEADER + b"." + PAYLOAD + b".",
        HEADER + b"." + PAYLOAD + b".AA.AA",
        HEADER + b"." + PAYLOAD + b".AA\n",
        HEADER + b"." + PAYLOAD + b"=.AA",
        HEADER + b"." + PAYLOAD + b".A",
        HEADER + b"." + PAYLOAD + b".A+",
        HEADER + b"." + PAYLOAD + b".AB",
        HEADER + b"." + b64(b'{"iss":"i"') + b".AA",
        HEADER + b"." + b64(b'["iss"]') + b".AA",
        HEADER + b"." + b64(b'{"iss":"\xff"}') + b".AA",
        HEADER + b"." + b64(b'{"iss":"i","iss":"j"}') + b".AA",
        HEADER + b"." + b64(b'{"iss":"i","a":{"b":1,"b":2}}') + b".AA",
        HEADER + b"." + b64(b'{"iss":"i","exp":NaN}') + b".AA",
        HEADER + b"." + b64(b'{"iss":"i","exp":Infinity}') + b".AA",
        HEADER + b"." + b64(b'{"a":' + b"[" * 9_000 + b"]" * 9_000 + b"}") + b".AA",
        HEADER + b"." + b64(b'{"a":' + b"9" * 5_000 + b"}") + b".AA",
        HEADER + b"." + b64(json.dumps({"iss": "x" * MAX_LOOK_BYTES}).encode()) + b".AA",
    ],
)
def test_whatever_has_another_form_is_none(presented: bytes) -> None:
    """Padding, other alphabets, stray bits, names twice, no numbers, deep or endless values."""
    assert read_token(presented) is None


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_headers_of_access_tokens(kind: str) -> None:
    """The usual types are taken, in any case, and so is a header without one."""
    assert read_header(header(alg="ES256", kid="1", typ=kind)) == TokenHeader("ES256", "1")
    assert read_header(header(alg="ES256")) == TokenHeader("ES256", None)


@pytest.mark.parametrize(
    "encoded",
    [
        b"A",
        b64(b"{"),
        b64(b"[]"),
        b64(b'{"alg":"RS256","alg":"none"}'),
        header(),
        header(alg=None),
        header(alg=["RS256"]),
        header(alg="RS256", kid=1),
        header(alg="RS256", kid="k" * 257),
        header(alg="RS256", typ="logout+jwt"),
        header(alg="RS256", typ=1),
        header(alg="RS256", cty="JWT"),
        header(alg="RS256", crit=[]),
        header(alg="RS256", b64=False),
        header(alg="RS256", enc="A128GCM"),
        header(alg="RS256", zip="DEF"),
    ],
)
def test_headers_that_must_not_be_accepted(encoded: bytes) -> None:
    """Unreadable, of another use, nested, or with what would have to be understood."""
    assert read_header(encoded) is None
