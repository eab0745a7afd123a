"""Made-up series of a gateway, for trials of rules."""

from lukhas.telemetry.monitoring.rules import FiredAlert, InputSeries, RuleTrial

__all__ = ("JOB", "counter", "fires", "gauge", "latency", "quiet", "requests")

JOB = "lukhas"

_REQUEST = {"route": "*", "method": "GET", "status_class": "2xx", "tier": "free", "cache": "miss"}
_TARGET = {"job": JOB, "instance": "gateway:8001"}


def counter(name: str, *per_minute: tuple[int, int], **labels: str) -> InputSeries:
    """A counter.

    Args:
        name: its name.
        per_minute: by how much it grows each minute, and for how many minutes; one after another.
        labels: its labels.
    """
    parts, value = [], 0
    for rate, minutes in per_minute:
        parts.append(f"{value}+{rate}x{minutes}")
        value += rate * (minutes + 1)
    return InputSeries(_series(name, labels), " ".join(parts))


def requests(*per_minute: tuple[int, int], **labels: str) -> InputSeries:
    """Finished requests; see `counter`."""
    return counter("lukhas_requests_total", *per_minute, **_REQUEST | labels)


def gauge(name: str, value: int, minutes: int) -> InputSeries:
    """A value that stays."""
    return InputSeries(_series(name, {}), f"{value}x{minutes}")


def latency(bounds: dict[str, int], minutes: int) -> tuple[InputSeries, ...]:
    """A histogram of durations: by upper bound, how many a minute are below it."""
    name = "lukhas_request_duration_seconds_bucket"
    return tuple(
        counter(name, (number, minutes), route="*", le=bound) for bound, number in bounds.items()
    )


def fires(*inputs: InputSeries, at_min: int, description: str, **labels: str) -> RuleTrial:
    """A trial in which one alert fires.

    Args:
        inputs: the series.
        at_min: when it is looked at, in minutes.
        description: the description that people read.
        labels: what labels the alert has beside `job`.
    """
    known = tuple(sorted(({"job": JOB} | labels).items()))
    return RuleTrial(inputs, at_min * 60, (FiredAlert(known, description),))


def quiet(*inputs: InputSeries, at_min: int) -> RuleTrial:
    """A trial in which nothing fires."""
    return RuleTrial(inputs, at_min * 60)


def _series(name: str, labels: dict[str, str]) -> str:
    pairs = ",".join(f'{label}="{value}"' for label, value in (_TARGET | labels).items())
    return f"{name}{{{pairs}}}"
