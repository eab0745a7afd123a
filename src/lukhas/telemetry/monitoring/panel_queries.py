"""PromQL that several dashboards share; the variables are those that every dashboard has."""

from lukhas.telemetry.monitoring.recording import REQUESTS

__all__ = ("CHOSEN", "quantile", "rate", "ratio", "requests", "total")

CHOSEN = 'job=~"$job",instance=~"$instance"'
"""Narrows a series to what is chosen on top of a dashboard."""

_WINDOW = "$__rate_interval"


def rate(series: str, *, only: str = "", by: str = "") -> str:
    """How fast a counter grows a second.

    Args:
        series: its name.
        only: further matchers.
        by: the labels by which it is told apart; empty for one sum.
    """
    return f"sum{_by(by)} (rate({_narrowed(series, only)}[{_WINDOW}]))"


def requests(*, only: str = "", by: str = "") -> str:
    """Finished requests a second; see `rate`."""
    return rate(REQUESTS, only=only, by=by)


def ratio(some: str, of_all: str) -> str:
    """A share; 0 where there is a whole and no part of it."""
    return f"({some} or 0 * {of_all}) / {of_all}"


def total(gauge: str) -> str:
    """The sum of a value over all that is chosen."""
    return f"sum ({_narrowed(gauge, '')})"


def quantile(q: float, *, by: str = "") -> str:
    """A quantile of the duration in seconds."""
    labels = f"{by}, le" if by else "le"
    buckets = rate("lukhas_request_duration_seconds_bucket", by=labels)
    return f"histogram_quantile({q:g}, {buckets})"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


def _narrowed(series: str, only: str) -> str:
    return f"{series}{{{CHOSEN}{',' if only else ''}{only}}}"
