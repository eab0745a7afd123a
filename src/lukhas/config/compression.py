"""Settings of compression."""

from typing import Annotated, Literal

from pydantic import Field

from lukhas.config.fields import Section, SizeBytes
from lukhas.policy.compression import COMPRESSIBLE
from lukhas.policy.modes import Mode

__all__ = ("CompressionSettings",)

_MEDIA_TYPE = r"^[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)$"


class CompressionSettings(Section):
    """Compression of responses, by what the client accepts."""

    mode: Mode = Field(
        Mode.OFF,
        description="`enforce` compresses; `shadow` only records what would be compressed; `off`. "
        "Do not compress answers that hold a secret beside what the caller sent (BREACH).",
    )
    codings: tuple[Literal["br", "zstd", "gzip"], ...] = Field(
        ("br", "zstd", "gzip"),
        min_length=1,
        description="What is on offer, best first.",
    )
    types: tuple[Annotated[str, Field(pattern=_MEDIA_TYPE)], ...] = Field(
        tuple(media_type.decode() for media_type in COMPRESSIBLE),
        description="Media types to compress; `text/*` is every text.",
    )
    min_bytes: SizeBytes = Field(1024, description="Smaller bodies stay as they are.")
    effort: int | None = Field(
        None,
        ge=1,
        le=9,
        description="1, quick and large, to 9, slow and small; null is as `strategy` has it.",
    )
