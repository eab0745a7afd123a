"""Settings of what protects an upstream from more work than it can do."""

from typing import Annotated

from pydantic import Field

from lukhas.config.fields import Section
from lukhas.policy.modes import Mode

__all__ = ("OverloadSettings", "TierPrioritySettings", "TierShareSettings")

_Percent = Annotated[int, Field(ge=0, le=100)]
_Priority = Annotated[int, Field(ge=0, le=1000)]
_Limit = Annotated[int, Field(ge=1, le=100_000)]


class TierShareSettings(Section):
    """Which part of the requests in work each tier is guaranteed, in percent; at least one."""

    free: _Percent = Field(2, description="FREE: also everybody without a key.")
    basic: _Percent = Field(5, description="BASIC.")
    premium: _Percent = Field(10, description="PREMIUM.")
    enterprise: _Percent = Field(20, description="ENTERPRISE.")
    internal: _Percent = Field(20, description="INTERNAL: your own services.")


class TierPrioritySettings(Section):
    """Who gets what nobody is guaranteed: the higher number first."""

    free: _Priority = Field(0, description="FREE: also everybody without a key.")
    basic: _Priority = Field(10, description="BASIC.")
    premium: _Priority = Field(20, description="PREMIUM.")
    enterprise: _Priority = Field(30, description="ENTERPRISE.")
    internal: _Priority = Field(40, description="INTERNAL: your own services.")


class OverloadSettings(Section):
    """How many requests the API may have in work at once, by how fast it answers, and whose."""

    mode: Mode = Field(
        Mode.OFF,
        description="`enforce`; `shadow` lets all pass, and counts what would be refused; `off`.",
    )
    min_limit: _Limit = Field(10, description="Each worker always lets so many requests pass.")
    max_limit: _Limit = Field(1000, description="No worker lets more pass at once.")
    initial_limit: _Limit = Field(50, description="How many pass before anything is known.")
    tolerance_percent: int = Field(
        150,
        ge=101,
        le=1000,
        description="Up to which part of the latency without load the API is not overloaded.",
    )
    slack_s: float = Field(
        0.02, ge=0, le=60, description="How much more latency than without load is always fine."
    )
    probe_interval_s: float = Field(
        30.0,
        ge=0,
        le=86_400,
        description="How long a latency without load is believed under load; then the limit is "
        "lowered to a quarter for a moment to measure it anew. 0 is for ever.",
    )
    queue_s: float = Field(
        0.1, ge=0, le=60, description="How long a request may wait to be let in; 0 is not at all."
    )
    queue_length: int = Field(
        100, ge=1, le=100_000, description="How many requests of one tier may wait in a worker."
    )
    shares: TierShareSettings = TierShareSettings()
    priorities: TierPrioritySettings = TierPrioritySettings()
