"""Which responses are compressed, and how (RFC 9110 sections 8.4, 8.8.3 and 12.5.3)."""

from dataclasses import dataclass
from enum import Enum

from lukhas.http.cache_control import parse_cache_control
from lukhas.http.content_negotiation import choose_coding
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.policy.modes import Mode

__all__ = (
    "CODINGS",
    "COMPRESSIBLE",
    "Compression",
    "CompressionPolicy",
    "compression_of",
    "confirmed_headers",
    "encoded_headers",
    "is_live",
    "negotiated",
    "weakened",
    "with_vary",
)

CODINGS = (b"br", b"zstd", b"gzip")
"""The content codings on offer, best first."""

COMPRESSIBLE = (
    b"application/geo+json",
    b"application/graphql-response+json",
    b"application/javascript",
    b"application/json",
    b"application/ld+json",
    b"application/manifest+json",
    b"application/problem+json",
    b"application/rss+xml",
    b"application/wasm",
    b"application/x-ndjson",
    b"application/xhtml+xml",
    b"application/xml",
    b"image/svg+xml",
    b"text/*",
)
"""The media types that are worth it unless settings say otherwise."""

_LIVE = frozenset((b"text/event-stream", b"application/x-ndjson"))
_IDENTITY = b"identity"
# Answers without content, and parts of something: nothing to encode.
_NEVER = frozenset((204, 206, 304))


class Compression(Enum):
    """What becomes of a response."""

    OFF = "compression is off here"
    IDENTITY = "the client takes no coding on offer"
    CODED = "the response is encoded already"
    NO_TRANSFORM = "the response must not be transformed"
    STATUS = "a response of this status is not encoded"
    TYPE = "the media type is not worth it"
    SMALL = "the body is too small"
    DONE = "compressed"


@dataclass(frozen=True, slots=True)
class CompressionPolicy:
    """What to compress.

    Attributes:
        mode: enforce or off; shadow only records what would be compressed.
        codings: on offer, best first.
        types: media types, where `*` stands for every subtype.
        min_bytes: smaller bodies stay as they are, where the size is known.
        effort: 1, quick and large, to 9, slow and small.
    """

    mode: Mode = Mode.OFF
    codings: tuple[bytes, ...] = CODINGS
    types: tuple[bytes, ...] = COMPRESSIBLE
    min_bytes: int = 1024
    effort: int = 4


def negotiated(policy: CompressionPolicy, accept_encoding: bytes | None) -> bytes:
    """The one coding that is right for a client: of those on offer, or `identity`."""
    return choose_coding(accept_encoding, policy.codings) or _IDENTITY


def compression_of(
    policy: CompressionPolicy, coding: bytes, *, status: int, headers: Headers, size: int | None
) -> Compression:
    """Decides about a response.

    Args:
        policy: what to compress.
        coding: what was negotiated.
        status: the status of the response.
        headers: its fields.
        size: the size of its body, where it is known.
    """
    if policy.mode is Mode.OFF:
        return Compression.OFF
    if status in _NEVER or status < 200:
        return Compression.STATUS
    if b"content-encoding" in headers:
        return Compression.CODED
    if not _is_worth_it(policy, headers):
        return Compression.TYPE
    control = headers.get_all(b"cache-control")
    if control and parse_cache_control(control).no_transform:
        return Compression.NO_TRANSFORM
    if size is not None and size < policy.min_bytes:
        return Compression.SMALL
    return Compression.IDENTITY if coding == _IDENTITY else Compression.DONE


def encoded_headers(headers: Headers, coding: bytes, *, length: int | None) -> Headers:
    """The fields of the encoded response.

    A strong entity tag becomes a weak one: the bytes are others now. What named ranges or a digest
    of the bytes as they were is left out.

    Args:
        headers: those of the response as it came.
        coding: what it is encoded with.
        length: the size of the encoded body; None if it is not known yet.
    """
    kept: HeaderPairs = []
    for name, value in headers.raw:
        if name == b"etag":
            kept.append((name, weakened(value)))
        elif name not in _OF_BYTES:
            kept.append((name, value))
    kept.append((b"content-encoding", coding))
    if length is not None:
        kept.append((b"content-length", b"%d" % length))
    return with_vary(Headers(kept))


def confirmed_headers(headers: Headers, if_none_match: bytes | None) -> Headers:
    """The fields of a 304 for whoever may hold an answer that was encoded here.

    They must not undo what `encoded_headers` made of the answer: whoever holds it takes over those
    of the 304 (RFC 9111 section 3.2).

    Args:
        headers: those of the 304 as it came.
        if_none_match: what was asked with.
    """
    if b"vary" in headers:
        headers = with_vary(headers)
    tag = headers.get(b"etag")
    if tag is None or if_none_match is None:
        return headers
    weak = weakened(tag)
    if tag == weak or weak not in if_none_match:
        return headers
    kept = [pair for pair in headers.raw if pair[0] != b"etag" and pair[0] not in _OF_BYTES]
    return with_vary(Headers([*kept, (b"etag", weak)]))


def with_vary(headers: Headers) -> Headers:
    """The same fields with Vary: Accept-Encoding, unless they say so already."""
    for line in headers.get_all(b"vary"):
        names = [name.strip(b" \t").lower() for name in line.split(b",")]
        if b"accept-encoding" in names or b"*" in names:
            return headers
    return Headers([*headers.raw, (b"vary", b"accept-encoding")])


def weakened(tag: bytes) -> bytes:
    """The weak form of an entity tag."""
    return tag if tag.startswith(b"W/") else b"W/" + tag


def is_live(headers: Headers) -> bool:
    """Whether each piece of the body has to go out at once."""
    return _media_type(headers) in _LIVE


# They speak about the bytes before encoding.
_OF_BYTES = frozenset(
    (
        b"accept-ranges",
        b"content-digest",
        b"content-length",
        b"content-md5",
        b"digest",
        b"repr-digest",
    )
)


def _is_worth_it(policy: CompressionPolicy, headers: Headers) -> bool:
    media_type = _media_type(headers)
    return bool(media_type) and (
        media_type in policy.types or media_type.partition(b"/")[0] + b"/*" in policy.types
    )


def _media_type(headers: Headers) -> bytes:
    value = headers.get(b"content-type")
    return b"" if value is None else value.partition(b";")[0].strip(b" \t").lower()
