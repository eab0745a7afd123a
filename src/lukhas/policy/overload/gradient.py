"""How many requests an upstream should have in work at once, learnt from how fast it answers.

While an upstream has room, its latency does not depend on how much it has in work; once it has
none, more work only waits longer. So latency is compared with the latency of times without a
queue, the baseline, and the limit follows the ratio of the two, the gradient, plus an allowance
for a queue of the square root of the limit. Sources of the idea: the Gradient2 limit of Netflix
concurrency-limits, and Envoy's adaptive concurrency filter, which measures its baseline anew from
time to time. How the baseline is kept fresh follows BBR (Cardwell et al., ACM Queue 14(5), 2016):
quiet times refresh it for nothing, and only where there were none does a probe make one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isqrt

from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("AdaptiveLimit", "Gradient", "GradientSettings", "Phase", "next_gradient", "typical_ns")

Phase = tuple[Sequence[int], int, int]
"""What one window showed: latencies in nanoseconds, answers that failed, most in flight at once."""

_MILLI = 1000
_LEAST_MILLI = 500
_MOST_MILLI = 2000
# A window below this share of the limit says how fast the upstream is with nothing in its way.
_QUIET = 4
_USED = 2
# A baseline follows a slower upstream in small steps, so that one odd window does not move it far.
_RISE = 8
# The fastest nine tenths count: a mean, for mixed work has no typical request, without its tail.
_KEPT_TENTHS = 9
# Up to one failure in so many answers is not overload but the way some APIs are.
_DROPS = 20
# So many windows in a row at the least limit are believed (Envoy: five).
_FLOORED = 5
# A probe that cannot empty the queue, say because of long downloads, is given up after so many
# windows, or so many answers one after the other.
_PATIENCE_WINDOWS = 10
_PATIENCE_ANSWERS = 4
_PROBE_SAMPLES = 5
_NEVER_NS = 1 << 63


@dataclass(frozen=True, slots=True)
class GradientSettings:
    """How the limit is found.

    Attributes:
        min_limit: the limit never falls below; at least 1.
        max_limit: the limit never rises above.
        initial_limit: where it starts.
        tolerance_percent: how much slower than the baseline is still no overload, in hundredths
            of the baseline; 150 is half as slow again.
        slack_ns: how much slower than the baseline is no overload in any case.
        smoothing_percent: how far one window moves the limit towards what it asks for.
        window_ns: shortest window.
        window_samples: fewest answers in a window.
        probe_interval_ns: a baseline older than this is measured anew with the limit lowered to a
            quarter for a moment; 0 for never.
    """

    min_limit: int = 10
    max_limit: int = 1000
    initial_limit: int = 50
    tolerance_percent: int = 150
    slack_ns: int = 20 * MILLISECOND_NS
    smoothing_percent: int = 20
    window_ns: int = 100 * MILLISECOND_NS
    window_samples: int = 20
    probe_interval_ns: int = 30 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Gradient:
    """What is known about one upstream.

    Attributes:
        limit_milli: the limit in thousandths, outside of probes.
        baseline_ns: latency without a queue; 0 if it is not known yet.
        baseline_at_ns: when the baseline was last confirmed.
        baseline_in_flight: how many were in flight when it was measured, at most.
        latency_ns: typical latency of the last window.
        probing: whether the limit is lowered to measure the baseline.
        floored: how many windows in a row were too slow for the least limit.
    """

    limit_milli: int
    baseline_ns: int = 0
    baseline_at_ns: int = 0
    baseline_in_flight: int = 0
    latency_ns: int = 0
    probing: bool = False
    floored: int = 0

    def limit(self, settings: GradientSettings) -> int:
        """How many may be in flight."""
        limit = self.limit_milli // _MILLI
        return max(settings.min_limit, limit // _QUIET) if self.probing else limit


def typical_ns(latencies_ns: Sequence[int]) -> int:
    """The mean of the fastest nine tenths; at least 1, for at least one latency."""
    kept = sorted(latencies_ns)[: max(1, len(latencies_ns) * _KEPT_TENTHS // 10)]
    return max(1, sum(kept) // len(kept))


def next_gradient(
    settings: GradientSettings, known: Gradient, phase: Phase, now_ns: int
) -> Gradient:
    """What is known after one more window.

    Args:
        settings: how the limit is found.
        known: what was known before.
        phase: what the window showed; answers or failures, at least one.
        now_ns: the end of the window.
    """
    latencies_ns, drops, peak = phase
    if known.probing:
        return _probed(settings, known, latencies_ns, now_ns)
    if drops * _DROPS > len(latencies_ns) + drops:
        # What the upstream refuses or does not answer counts more than how fast it does the rest.
        left_milli = known.limit_milli * (2 * (len(latencies_ns) + drops) - drops)
        lowered = left_milli // (2 * (len(latencies_ns) + drops))
        return replace(known, limit_milli=max(lowered, settings.min_limit * _MILLI))
    latency_ns = typical_ns(latencies_ns)
    limit = known.limit_milli // _MILLI
    used = peak * _USED >= limit
    known = _rebased(known, latency_ns, peak, now_ns)
    if not used:
        return known
    if _is_doubtful(settings, known, now_ns):
        return replace(known, probing=True)
    limit_milli = _moved(settings, known)
    if limit_milli > settings.min_limit * _MILLI or not settings.probe_interval_ns:
        return replace(known, limit_milli=limit_milli, floored=0)
    if known.floored < _FLOORED:
        return replace(known, limit_milli=limit_milli, floored=known.floored + 1)
    # There is nothing lower to go to: this is what it takes now, however quick it once was.
    return Gradient(limit_milli, latency_ns, now_ns, settings.min_limit, latency_ns)


def _probed(
    settings: GradientSettings, known: Gradient, latencies_ns: Sequence[int], now_ns: int
) -> Gradient:
    if not latencies_ns:
        return replace(known, probing=False, baseline_at_ns=now_ns)
    latency_ns = typical_ns(latencies_ns)
    in_flight = known.limit(settings)
    return Gradient(known.limit_milli, latency_ns, now_ns, in_flight, latency_ns)


def _is_doubtful(settings: GradientSettings, known: Gradient, now_ns: int) -> bool:
    """Whether the baseline is old, or was measured at such load that it may hold a queue."""
    interval_ns = settings.probe_interval_ns
    lowered = replace(known, probing=True).limit(settings)
    limit = known.limit_milli // _MILLI
    if not interval_ns or lowered >= limit:
        return False
    crowded = known.baseline_in_flight
    return now_ns - known.baseline_at_ns >= interval_ns or lowered < crowded > limit // _USED


def _rebased(known: Gradient, latency_ns: int, peak: int, now_ns: int) -> Gradient:
    baseline_ns = known.baseline_ns
    at_ns, in_flight = now_ns, known.baseline_in_flight
    if not baseline_ns:
        baseline_ns, in_flight = latency_ns, peak
    elif latency_ns <= baseline_ns:
        baseline_ns -= (baseline_ns - latency_ns) // _USED
    elif peak * _QUIET * _MILLI <= known.limit_milli:
        baseline_ns += (latency_ns - baseline_ns) // _RISE
        in_flight = peak
    else:
        at_ns = known.baseline_at_ns
    return Gradient(
        known.limit_milli, baseline_ns, at_ns, in_flight, latency_ns, floored=known.floored
    )


def _moved(settings: GradientSettings, known: Gradient) -> int:
    baseline_ns = known.baseline_ns
    allowed_ns = max(
        baseline_ns * settings.tolerance_percent // 100, baseline_ns + settings.slack_ns
    )
    gradient_milli = min(_MOST_MILLI, max(_LEAST_MILLI, allowed_ns * _MILLI // known.latency_ns))
    limit_milli = known.limit_milli
    queue_milli = isqrt(limit_milli * _MILLI)
    wanted_milli = limit_milli * gradient_milli // _MILLI + queue_milli
    moved = limit_milli + (wanted_milli - limit_milli) * settings.smoothing_percent // 100
    return min(settings.max_limit * _MILLI, max(settings.min_limit * _MILLI, moved))


class AdaptiveLimit:
    """The limit of one upstream, fed with every answer. Changed in place.

    Args:
        settings: how the limit is found.

    Attributes:
        limit: how many may be in flight now.
        known: what is known about the upstream.
    """

    __slots__ = (
        "_closes_ns",
        "_counted_from_ns",
        "_drops",
        "_latencies",
        "_peak",
        "_settings",
        "_until_ns",
        "known",
        "limit",
    )

    def __init__(self, settings: GradientSettings) -> None:
        self._settings = settings
        self.known = Gradient(settings.initial_limit * _MILLI)
        self.limit = settings.initial_limit
        self._latencies: list[int] = []
        self._drops = 0
        self._peak = 0
        self._closes_ns = 0
        self._counted_from_ns = 0
        self._until_ns = 0

    def answered(self, began_ns: int, now_ns: int, in_flight: int) -> None:
        """Takes in one answer.

        Args:
            began_ns: when the request was sent.
            now_ns: when its answer came.
            in_flight: how many were in flight then, itself included.
        """
        if in_flight > self._peak:  # noqa: PLR1730 - max() costs five times as much
            self._peak = in_flight
        if began_ns >= self._counted_from_ns:
            self._latencies.append(now_ns - began_ns)
        if now_ns >= self._closes_ns:
            self._close(now_ns, in_flight)

    def dropped(self, now_ns: int, in_flight: int) -> None:
        """Takes in that the upstream refused a request, or did not answer it; see `answered`."""
        self._peak = max(self._peak, in_flight)
        self._drops += 1
        if now_ns >= self._closes_ns:
            self._close(now_ns, in_flight)

    def _close(self, now_ns: int, in_flight: int) -> None:
        if self.known.probing:
            if self._probe_ends(now_ns, in_flight):
                self._next(now_ns, in_flight)
        elif not self._closes_ns:
            self._closes_ns = now_ns + self._settings.window_ns
        elif len(self._latencies) + self._drops >= self._settings.window_samples:
            self._next(now_ns, in_flight)

    def _probe_ends(self, now_ns: int, in_flight: int) -> bool:
        if self._counted_from_ns == _NEVER_NS and in_flight <= self.limit:
            # Only what begins after the queue has drained shows the latency without one.
            self._counted_from_ns = now_ns
        found = len(self._latencies)
        if found < _PROBE_SAMPLES and now_ns >= self._until_ns:
            self._latencies = []
            return True
        return found >= min(self._settings.window_samples, max(_PROBE_SAMPLES, self.limit))

    def _next(self, now_ns: int, in_flight: int) -> None:
        settings = self._settings
        phase = (self._latencies, self._drops, self._peak)
        self.known = known = next_gradient(settings, self.known, phase, now_ns)
        self.limit = known.limit(settings)
        self._latencies = []
        self._drops = 0
        self._peak = in_flight
        self._counted_from_ns = 0
        self._closes_ns = now_ns + settings.window_ns
        if known.probing:
            self._counted_from_ns = _NEVER_NS
            self._closes_ns = now_ns
            self._until_ns = now_ns + max(
                _PATIENCE_WINDOWS * settings.window_ns, _PATIENCE_ANSWERS * known.latency_ns
            )
