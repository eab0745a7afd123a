"""Settings of the records that tell why a request got its answer."""

from typing import Annotated

from pydantic import Field

from lukhas.config.fields import Section

__all__ = ("ExplainSettings",)

_Text = Annotated[str, Field(min_length=1, max_length=200)]


class ExplainSettings(Section):
    """Which requests leave a decision record, and how many are kept."""

    enabled: bool = Field(True, description="Whether any are kept.")
    samples_per_second: float = Field(
        1.0,
        ge=0,
        le=100,
        description="How many requests that are not notable each worker of a gateway keeps, on "
        "average, with the time that each stage took; 0 is none.",
    )
    records_per_second: int = Field(
        50,
        ge=1,
        le=1000,
        description="How many refused requests each worker keeps in a second; and as many failed, "
        "slow ones and so on.",
    )
    slow_ms: int = Field(
        1000, ge=0, le=3_600_000, description="What takes longer is kept; 0 is no time."
    )
    max_records: int = Field(
        20_000, ge=1, le=10_000_000, description="How many are kept; the oldest go first."
    )
    max_mib: int = Field(64, ge=1, le=100_000, description="How much room they take, in MiB.")
    query_parameters: tuple[_Text, ...] = Field(
        (),
        description="Query parameters whose values are kept. Of all others there is only the name.",
    )
