"""Where exchanges begin, by the settings of traces."""

import random
import secrets

from lukhas.clock import Clock
from lukhas.config.settings import Settings
from lukhas.http.client_address import TrustedProxies
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.tracing import TracingIntake, TracingRules

__all__ = ("intake_of", "tracing_rules")


def intake_of(settings: Settings, clock: Clock, *, forwards: bool) -> Intake:
    """What makes the exchanges of a process.

    Args:
        settings: the effective settings.
        clock: the time.
        forwards: whether traces are passed on to upstreams. Where they are not, none is begun:
            nobody else would know of it.
    """
    prefix = secrets.token_hex(8)
    rules = tracing_rules(settings, forwards=forwards)
    if rules is None:
        return Intake(clock, prefix)
    # Ids have to differ, not to be secret.
    return TracingIntake(clock, prefix, rules, random.getrandbits)


def tracing_rules(settings: Settings, *, forwards: bool) -> TracingRules | None:
    """Which traces are taken up; None where none are."""
    tracing = settings.telemetry.tracing
    begins = forwards and tracing.mode == "start"
    if tracing.mode == "off" or (tracing.trust == "none" and not begins):
        return None
    trusted = {
        "all": None,
        "proxies": TrustedProxies(settings.trusted_proxies),
        "none": TrustedProxies(),
    }[tracing.trust]
    return TracingRules(
        begins=begins,
        trusted=trusted,
        ratio=tracing.ratio,
        most_per_second=tracing.records_per_second,
    )
