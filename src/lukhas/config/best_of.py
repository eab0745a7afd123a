"""Settings of a route whose requests go to the upstream that does best."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.balancing import hash_key_text
from lukhas.config.fields import CONFIG_FAULT, Name, Section
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("BestOfSettings",)


class BestOfSettings(Section):
    """Several upstreams that do the same; the one that does best gets the requests."""

    upstreams: tuple[Name, ...] = Field(
        min_length=2,
        max_length=64,
        description="Names of `upstreams`; `default` is that of all others. Their answers must be "
        "the same: what is stored of one is served for all.",
    )
    weights: dict[Name, Annotated[int, Field(ge=0, le=1_000_000)]] = Field(
        default_factory=dict,
        description="How much of the requests an upstream gets while all do equally well; 1 where "
        "it is not named, and 0 drains it.",
    )
    tiers: dict[Name, Annotated[tuple[Tier, ...], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="The only tiers that may use an upstream, such as "
        '`{ large = ["premium", "enterprise"] }`; one that is not named is for all.',
    )
    per_tier: bool = Field(
        False, description="Compares by what each tier's own requests met, each tier by itself."
    )
    bind_by: Annotated[str, AfterValidator(hash_key_text)] | None = Field(
        None,
        description="Who stays with an upstream as long as that keeps its part: the `consumer`, "
        "the `client` address, or the value of `header:NAME` or `cookie:NAME`. Null binds nobody.",
    )
    look_percent: Annotated[float, Field(ge=0, le=20)] = Field(
        2.0,
        description="How many requests look at an upstream that gets none otherwise because it is "
        "slower.",
    )
    look_s: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        10.0,
        description="An upstream that gets nothing is looked at by one request in so long anyway; "
        "one that fails only so.",
    )
    memory_s: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        2.0,
        description="After so long an answer counts for 1/e of what it did; the last twenty count "
        "however old they are.",
    )
    failure_ms: Annotated[int, Field(ge=1, le=600_000)] = Field(
        1000,
        description="A failure, no answer or a status of 500 and more, counts as an answer that "
        "took so long.",
    )
    behind_times: Annotated[float, Field(ge=1.01, le=100)] = Field(
        1.25,
        description="An upstream that takes so many times as long as the best gets less and less.",
    )
    level_times: Annotated[float, Field(ge=1, le=100)] = Field(
        1.1, description="Below so many times it gets more again; at most `behind_times`."
    )
    out_after: Annotated[int, Field(ge=1, le=1000)] = Field(
        5, description="After so many failures in a row an upstream gets nothing, at once."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(set(self.upstreams)) < len(self.upstreams):
            raise _fault("an upstream is there twice", "name each of them once")
        for key in ("weights", "tiers"):
            unknown = sorted(set(getattr(self, key)) - set(self.upstreams))
            if unknown:
                what = f"{key} names {unknown[0]!r}, which is none of these upstreams"
                raise _fault(what, f"use one of {', '.join(self.upstreams)}")
        for tier in Tier:
            if not any(self._serves(name, tier) for name in self.upstreams):
                what = f"no upstream with a weight above 0 is for the tier {tier.value}"
                raise _fault(what, "change tiers or weights")
        if self.level_times > self.behind_times:
            raise _fault("level_times is above behind_times", "lower it")
        return self

    def _serves(self, name: str, tier: Tier) -> bool:
        return self.weights.get(name, 1) > 0 and tier in self.tiers.get(name, tuple(Tier))


def _fault(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})
