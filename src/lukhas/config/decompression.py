"""Settings of request bodies that come compressed."""

from typing import Literal

from pydantic import Field

from lukhas.config.fields import Section, SizeBytes

__all__ = ("DecompressionSettings",)

_MIB = 1024 * 1024


class DecompressionSettings(Section):
    """Decoding of compressed request bodies, for origins that do not decode them."""

    enabled: bool = Field(
        False,
        description="Decodes request bodies before they are passed on; see also "
        "`routes[].decompress_request`.",
    )
    codings: tuple[Literal["gzip", "br", "zstd", "deflate"], ...] = Field(
        ("gzip", "br", "zstd", "deflate"),
        min_length=1,
        description="What is decoded; a body in another coding, or in several, gets 415.",
    )
    body_bytes: SizeBytes = Field(
        10 * _MIB,
        ge=1,
        description="How large a decoded body may be; a lower cap of the route or the server "
        "counts too.",
    )
    ratio: int = Field(
        100,
        ge=1,
        le=100_000,
        description="How many times larger than sent a body may become, once beyond 64 KiB.",
    )
