"""The form of a signed token: JWS compact serialisation (RFC 7515 section 7.1), read strictly.

Nothing here is verified: what is read says only whose token it claims to be, and with what it has
to be checked.
"""

import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

__all__ = ("MAX_LOOK_BYTES", "SignedToken", "TokenHeader", "read_header", "read_token")

MAX_LOOK_BYTES = 64 * 1024
"""Longer values are not looked into at all: they are no token of anybody's."""

_SEGMENTS = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# RFC 8725 section 3.11: a token made for another use is not to be taken for one of these.
_TYPES = frozenset(("jwt", "at+jwt", "application/jwt", "application/at+jwt"))
_MAX_KEY_ID_LENGTH = 256


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token as a client sent it; not verified.

    Attributes:
        claims: what it says. Not for logs: not in the repr.
        header: its header, still encoded.
        signing_input: what the signature is about.
        signature: the signature, decoded. Secret: not in the repr.
    """

    claims: dict[str, Any] = field(repr=False)
    header: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """What the header of a token asks for.

    Attributes:
        algorithm: the name of the algorithm.
        key_id: the key it was signed with; None if it does not say.
    """

    algorithm: str
    key_id: str | None


def read_token(presented: bytes) -> SignedToken | None:
    """The claims and the parts of a compact JWS; None if it is none, or not in its only form.

    Every segment is canonical base64url without padding, and the claims are one JSON object that
    names nothing twice.
    """
    if len(presented) > MAX_LOOK_BYTES:
        return None
    segments = _SEGMENTS.fullmatch(presented)
    if segments is None:
        return None
    header, payload, signature = segments.groups()
    claims = _object(_decoded(payload))
    decoded = _decoded(signature)
    if claims is None or decoded is None:
        return None
    return SignedToken(claims, header, presented[: segments.end(2)], decoded)


def read_header(encoded: bytes) -> TokenHeader | None:
    """The header of a token; None if it must not be accepted.

    That is: it cannot be read, it is of a type made for another use, it holds another token
    (`cty`), or it has extensions that must be understood (`crit`, RFC 7515 section 4.1.11). Keys
    and addresses of keys in it (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.
    """
    header = _object(_decoded(encoded))
    if header is None or not {"crit", "b64", "enc", "zip"}.isdisjoint(header):
        return None
    kind = header.get("typ", "JWT")
    if "cty" in header or not isinstance(kind, str) or kind.lower() not in _TYPES:
        return None
    algorithm = header.get("alg")
    key_id = header.get("kid")
    if not isinstance(algorithm, str):
        return None
    if key_id is not None and not (isinstance(key_id, str) and len(key_id) <= _MAX_KEY_ID_LENGTH):
        return None
    return TokenHeader(algorithm, key_id)


def _decoded(segment: bytes) -> bytes | None:
    standard = segment.translate(_TO_STANDARD) + b"=" * (-len(segment) % 4)
    try:
        decoded = binascii.a2b_base64(standard, strict_mode=True)
    except binascii.Error:
        return None
    # One text for one value: bits that nobody reads must not make a second token of it.
    return decoded if binascii.b2a_base64(decoded, newline=False) == standard else None


_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def _object(text: bytes | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_number(_text: str) -> NoReturn:
    raise ValueError("not a number of JSON")
