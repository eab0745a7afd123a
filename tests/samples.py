"""Samples of finished requests, as the observe stage hands them to the recorder."""

from typing import Any

from lukhas.telemetry.recorder import Sample

__all__ = ("sampled",)

_UNKNOWN = ("", "", "", "", b"")


def sampled(*facts: Any) -> Sample:
    """A finished request.

    Args:
        facts: route, method, status, tier, cache result, size, duration in nanoseconds; and, or
            else they were not known, tenant, upstream, verdict, consumer and agent.
    """
    known = (*facts, *_UNKNOWN[len(facts) - 7 :])
    route, method, status, tier, cache, size, taken_ns, tenant, upstream, verdict = known[:10]
    labels = (route, method, status, tier, tenant, upstream, cache, verdict)
    return labels, size, taken_ns, *known[10:]
