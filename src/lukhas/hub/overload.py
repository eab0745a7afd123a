"""The settings about overload into the stage that acts on them."""

from lukhas.clock import Clock
from lukhas.config.overload import OverloadSettings
from lukhas.pipeline.stages.admit import AdmitSettings, AdmitStage
from lukhas.policy.modes import Mode
from lukhas.policy.overload.gradient import GradientSettings
from lukhas.policy.overload.shedding import TierShare
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.telemetry.recorder import Recorder
from lukhas.units import SECOND_NS

__all__ = ("admit_settings", "admit_stages")


def admit_settings(overload: OverloadSettings) -> AdmitSettings:
    """How an upstream is protected."""
    shadow = overload.mode is Mode.SHADOW
    return AdmitSettings(
        shares=tuple(
            TierShare(
                tier,
                percent=getattr(overload.shares, tier.value),
                priority=getattr(overload.priorities, tier.value),
            )
            for tier in Tier
        ),
        gradient=GradientSettings(
            min_limit=overload.min_limit,
            max_limit=overload.max_limit,
            initial_limit=overload.initial_limit,
            tolerance_percent=overload.tolerance_percent,
            slack_ns=round(overload.slack_s * SECOND_NS),
            # A lowered limit that lets all pass measures nothing.
            probe_interval_ns=0 if shadow else round(overload.probe_interval_s * SECOND_NS),
        ),
        mode=overload.mode,
        queue_s=overload.queue_s,
        queue_length=overload.queue_length,
    )


def admit_stages(
    overload: OverloadSettings, clock: Clock, recorder: Recorder, *, upstream: str
) -> tuple[AdmitStage, ...]:
    """The stage, with its gauges; none where it is off, so that it costs nothing there.

    Args:
        overload: how upstreams are protected.
        clock: where time comes from.
        recorder: counts what is refused.
        upstream: the name of that of most requests.
    """
    if overload.mode is Mode.OFF:
        return ()
    stage = AdmitStage(admit_settings(overload), clock, recorder, upstream=upstream)
    recorder.watch("overload_limit", lambda: sum(door.gate.standing.limit for door in stage.doors))
    recorder.watch(
        "overload_in_flight", lambda: sum(door.gate.standing.total for door in stage.doors)
    )
    recorder.watch("overload_waiting", lambda: sum(door.waiting for door in stage.doors))
    return (stage,)
