"""Which request bodies are decoded before they are passed on, and how large they may become."""

from dataclasses import dataclass
from enum import Enum

from lukhas.http.headers import HeaderPairs, Headers

__all__ = (
    "DECODABLE",
    "DecodedLimit",
    "DecompressionPolicy",
    "decoded_headers",
    "named_codings",
    "room_bytes",
)

DECODABLE = (b"gzip", b"br", b"zstd", b"deflate")
"""The content codings that can be decoded."""

# Small bodies of much repetition are honest: the ratio only counts beyond this.
_RATIO_FREE_BYTES = 64 * 1024
# Digests are of the body as it was sent (RFC 9530 section 2, RFC 1864), and it no longer is.
_STALE_FIELDS = frozenset(
    (
        b"content-encoding",
        b"content-length",
        b"transfer-encoding",
        b"content-digest",
        b"repr-digest",
        b"digest",
        b"content-md5",
    )
)


class DecodedLimit(Enum):
    """Which limit a decoded body has come to."""

    SIZE = "body_bytes"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class DecompressionPolicy:
    """How request bodies are decoded.

    Attributes:
        enabled: whether they are decoded at all.
        codings: what is decoded, of `DECODABLE`.
        body_bytes: the largest decoded body.
        ratio: how many times larger than what was sent a body may become, once it is larger than
            64 KiB.
    """

    enabled: bool = False
    codings: tuple[bytes, ...] = DECODABLE
    body_bytes: int = 10 * 1024 * 1024
    ratio: int = 100


def named_codings(headers: Headers) -> tuple[bytes, ...]:
    """The codings that a body has, in the order they were applied (RFC 9110 section 8.4).

    `identity` is none, and `x-gzip` is gzip (section 8.4.1.3).
    """
    value = headers.joined(b"content-encoding") or b""
    names = [name for part in value.split(b",") if (name := part.strip().lower())]
    return tuple(b"gzip" if name == b"x-gzip" else name for name in names if name != b"identity")


def room_bytes(
    policy: DecompressionPolicy, *, received: int, decoded: int
) -> tuple[int, DecodedLimit]:
    """How many bytes more a decoded body may have, by which limit.

    Args:
        policy: how bodies are decoded.
        received: how many bytes have been decoded...
        decoded: ...to how many.
    """
    by_ratio = max(_RATIO_FREE_BYTES, policy.ratio * received)
    if by_ratio < policy.body_bytes:
        return by_ratio - decoded, DecodedLimit.RATIO
    return policy.body_bytes - decoded, DecodedLimit.SIZE


def decoded_headers(headers: Headers, length: int | None) -> Headers:
    """The fields of a request whose body was decoded.

    Args:
        headers: as they came.
        length: of the decoded body; None where it is not known yet.
    """
    kept: HeaderPairs = [pair for pair in headers.raw if pair[0] not in _STALE_FIELDS]
    if length is not None:
        kept.append((b"content-length", b"%d" % length))
    return Headers(kept)
