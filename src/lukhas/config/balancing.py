"""Settings of an upstream with several targets: who gets a request, who is left out, retries."""

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT, Seconds, Section
from lukhas.config.priority_lane import PriorityLaneSettings

__all__ = (
    "BalancerKind",
    "BalancingSettings",
    "HedgingSettings",
    "OutlierEjectionSettings",
    "ProbingSettings",
    "SuccessRateEjectionSettings",
    "UpstreamBreakerSettings",
    "UpstreamRetrySettings",
    "hash_key_text",
)

# Names are tokens (RFC 9110 section 5.1, RFC 6265 section 4.1.1).
_HASH_KEY = re.compile(r"client|consumer|(?:header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_Percent = Annotated[float, Field(ge=0, le=100)]
_AnyStatus = Annotated[int, Field(ge=200, le=599)]
_Row = Annotated[int, Field(ge=1, le=1000)]
_PROBE_PATH = re.compile(r"/[!-~]*")
_Status = Annotated[int, Field(ge=500, le=599)]


class BalancerKind(StrEnum):
    """How a target is chosen."""

    PEAK_EWMA = "peak_ewma"
    ROUND_ROBIN = "round_robin"
    LEAST_REQUESTS = "least_requests"
    CONSISTENT_HASH = "consistent_hash"


def _fault(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})


def hash_key_text(text: str) -> str:
    """The text, if it says what binds a caller to a target."""
    if _HASH_KEY.fullmatch(text):
        return text
    raise _fault(
        f"{text!r} binds nobody to a target",
        'use "client", "consumer", "header:NAME" or "cookie:NAME"',
    )


def _probe_path(text: str) -> str:
    if _PROBE_PATH.fullmatch(text) and "#" not in text:
        return text
    raise _fault(f"{text!r} is no path", 'write it like "/healthz"')


class SuccessRateEjectionSettings(Section):
    """When a target is left out because it answers well less often than its likes.

    The defaults are Envoy's.
    """

    enabled: bool = Field(True, description="Whether targets are compared at all.")
    interval_s: Seconds = Field(10.0, description="How often they are compared.")
    least_targets: int = Field(
        5, ge=2, le=10_000, description="So many must have answered enough, or none is compared."
    )
    least_answers: int = Field(
        100, ge=1, le=1_000_000, description="So many answers in an interval are enough."
    )
    deviations: Annotated[float, Field(gt=0, le=100)] = Field(
        1.9,
        description="How many standard deviations below the mean of all its part of good answers "
        "has to be.",
    )


class OutlierEjectionSettings(Section):
    """When a target that fails is left out. The defaults are Envoy's."""

    failures: int = Field(
        5, ge=1, le=10_000, description="So many in a row: no answer, or a status of 500 and more."
    )
    pause_s: Seconds = Field(
        30.0, description="How long it is left out; the n-th time n times as long."
    )
    longest_pause_s: Seconds = Field(300.0, description="It is never left out for longer.")
    most_percent: _Percent = Field(
        10.0,
        description="How many of the targets may be left out at once; one always may, unless it "
        "is the only one.",
    )

    success_rate: SuccessRateEjectionSettings = SuccessRateEjectionSettings()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.longest_pause_s < self.pause_s:
            raise _fault(
                "`longest_pause_s` is shorter than `pause_s`", "raise it, or lower `pause_s`"
            )
        return self


class UpstreamRetrySettings(Section):
    """Which requests are sent again after a target failed.

    Only what was never sent, or may be sent twice (GET, HEAD, OPTIONS, TRACE, PUT, DELETE).
    """

    tries: int = Field(
        2, ge=1, le=10, description="How often a request is sent at most; 1 is never again."
    )
    statuses: tuple[_Status, ...] = Field(
        (502, 503, 504), description="Answers after which a request is sent again."
    )
    budget_percent: _Percent = Field(
        20.0, description="How many of all requests retries may be, in the long run."
    )
    least_per_second: int = Field(
        3, ge=0, le=10_000, description="So many retries a second and worker are always allowed."
    )
    first_pause_s: float = Field(
        0.025,
        ge=0,
        le=60,
        description="The longest wait before the first retry at a target that was tried already; "
        "it doubles with each, and is drawn anew each time.",
    )
    longest_pause_s: float = Field(0.25, ge=0, le=60, description="No wait is longer.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.longest_pause_s < self.first_pause_s:
            raise _fault(
                "`longest_pause_s` is shorter than `first_pause_s`",
                "raise it, or lower `first_pause_s`",
            )
        return self


class ProbingSettings(Section):
    """How targets are asked whether they are well; by each worker on its own."""

    path: Annotated[str, AfterValidator(_probe_path)] | None = Field(
        None,
        description="The path to ask for with GET, such as `/healthz`; null is none.",
    )
    interval_s: Seconds = Field(10.0, description="The longest time between two questions.")
    timeout_s: Seconds = Field(2.0, description="An answer that takes longer is none.")
    unfit_after: _Row = Field(3, description="So many bad answers in a row: it gets no requests.")
    fit_after: _Row = Field(2, description="So many good ones in a row: it gets requests again.")
    least_status: _AnyStatus = Field(200, description="The lowest status that is good.")
    most_status: _AnyStatus = Field(399, description="The highest status that is good.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.most_status < self.least_status:
            raise _fault(
                "`most_status` is below `least_status`", "raise it, or lower `least_status`"
            )
        return self


class UpstreamBreakerSettings(Section):
    """When an upstream is left alone for a moment because all of it fails."""

    failures: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="So many requests in a row, retries included, that got no answer or a 502, 503 "
        "or 504; then others get 503 at once. null is never.",
    )
    pause_s: Seconds = Field(0.1, description="For how long; each time in a row twice as long.")
    longest_pause_s: Seconds = Field(5.0, description="It is never left alone for longer.")
    trials: int = Field(
        1, ge=1, le=1000, description="So many requests are let through then; all must go well."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.longest_pause_s < self.pause_s:
            raise _fault(
                "`longest_pause_s` is shorter than `pause_s`", "raise it, or lower `pause_s`"
            )
        return self


class HedgingSettings(Section):
    """Which requests are sent to a second target because the first is late.

    Only GET, HEAD and OPTIONS without a body; the first good answer counts, and the other try is
    given up.
    """

    percentile: Annotated[float, Field(ge=50, le=99.9)] | None = Field(
        None,
        description="A request is late when it has taken longer than so many percent of the "
        "answers do, such as 95; null is never.",
    )
    least_s: float = Field(0.005, ge=0, le=60, description="It is never late before that.")
    budget_percent: _Percent = Field(
        5.0, description="How many of these requests are sent twice at most, in the long run."
    )


class BalancingSettings(Section):
    """Who of several targets gets a request."""

    balancer: BalancerKind = Field(
        BalancerKind.PEAK_EWMA,
        description="`peak_ewma`: the quicker of two drawn at random, by latency and requests in "
        "flight; `round_robin`: in turn; `least_requests`: the one of two with fewer in flight; "
        "`consistent_hash`: always the same for the same `hash_key`. All mind the weights.",
    )
    hash_key: Annotated[str, AfterValidator(hash_key_text)] | None = Field(
        None,
        description='What binds a caller to a target, with `consistent_hash`: `"client"` (the '
        'address), `"consumer"`, `"header:NAME"` or `"cookie:NAME"`. Who has none gets any.',
    )
    outliers: OutlierEjectionSettings = OutlierEjectionSettings()
    probes: ProbingSettings = ProbingSettings()
    breaker: UpstreamBreakerSettings = UpstreamBreakerSettings()
    warm_up_s: float = Field(
        30.0,
        ge=0,
        le=86_400,
        description="How long a target that comes back takes to get its whole part; 0 is no time.",
    )
    panic_percent: _Percent = Field(
        50.0,
        description="Where fewer of the targets are fit, all are used; 0 is only where none is.",
    )
    retries: UpstreamRetrySettings = UpstreamRetrySettings()
    hedging: HedgingSettings = HedgingSettings()
    priority_lane: PriorityLaneSettings = PriorityLaneSettings()

    @model_validator(mode="after")
    def _bound(self) -> Self:
        hashes = self.balancer is BalancerKind.CONSISTENT_HASH
        if hashes and self.hash_key is None:
            raise _fault("`consistent_hash` has no `hash_key`", 'set it, such as to "consumer"')
        if self.hash_key is not None and not hashes:
            raise _fault(
                "`hash_key` does nothing with this balancer",
                'set `balancer` to "consistent_hash", or leave it out',
            )
        return self
