"""Which target of an upstream gets a request: the live state of all of them in one worker."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from math import ceil

from lukhas.http.messages import Response
from lukhas.pipeline.stage import Handler
from lukhas.policy.balancing.balancer import Balancer, Candidate, ChoiceFacts
from lukhas.policy.resilience.outliers import (
    OutlierSettings,
    TargetHealth,
    ejected,
    may_eject,
    reported,
)
from lukhas.policy.resilience.probes import PROBED_FIT, ProbeState
from lukhas.policy.resilience.standings import Standing, standing_of
from lukhas.policy.resilience.success_rates import SuccessRateSettings, outliers_among
from lukhas.policy.resilience.warm_up import WARM_UP_NS, share_of, usable
from lukhas.units import SECOND_NS

__all__ = ("Target", "TargetSelection")

_FIRST_FAULT = 500
# What refuses at once would look quick, and draw all requests to itself.
_FAILURE_NS = SECOND_NS
_NO_TARGETS: Collection["Target"] = ()


@dataclass(slots=True, eq=False)
class Target:
    """One server of an upstream. Not frozen: what is known of it changes with each answer.

    Attributes:
        candidate: its key, weight and load.
        forward: sends an exchange to it.
        health: what its answers tell.
        probed: what its answers to probes tell; see `TargetSelection.probed`.
        back_ns: when it began to serve, or serves again; 0: it always did.
        priority: only those with the lowest number that are fit get requests.
        answers: how many it gave since the targets were last compared, failures included.
        faults: how many of these were failures.
    """

    candidate: Candidate
    forward: Handler
    health: TargetHealth = field(default_factory=TargetHealth)
    probed: ProbeState = PROBED_FIT
    back_ns: int = 0
    priority: int = 0
    answers: int = 0
    faults: int = 0


class TargetSelection:
    """Chooses among targets by a balancer; leaves out those that fail, and lets them come back.

    A target that is ejected gets nothing until its pause is over, then its part by and by. If too
    few are left, health is not believed and all are used.

    Args:
        targets: those with a weight above 0; the others are drained.
        balancer: chooses among the fit ones.
        draw: gives a random number from 0 to 1, 1 not included.
        outliers: when a target is left out.
        success_rates: how targets are compared; None where they are not.
        warm_up_ns: how long one that comes back takes to get its whole part; 0: no time.
        panic_share: below which part of fit targets all are used.
        on_ejected: told the key of a target that is left out, and until when.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        balancer: Balancer,
        draw: Callable[[], float],
        outliers: OutlierSettings | None = None,
        success_rates: SuccessRateSettings | None = None,
        warm_up_ns: int = WARM_UP_NS,
        panic_share: float = 0.5,
        on_ejected: Callable[[str, int], None] | None = None,
    ) -> None:
        self._targets = tuple(target for target in targets if target.candidate.weight > 0)
        self._candidates = tuple(target.candidate for target in self._targets)
        self._balancer = balancer
        self._draw = draw
        self._outliers = OutlierSettings() if outliers is None else outliers
        compared = success_rates is not None and len(self._targets) >= success_rates.least_targets
        self._success_rates = success_rates if compared else None
        self._compare_ns = 0
        self._warm_up_ns = warm_up_ns
        self._panic_share = panic_share
        self._on_ejected = on_ejected
        starts_ns = [target.back_ns + warm_up_ns for target in self._targets if target.back_ns]
        # Until then some target is out or warming up; afterwards there is nothing to look at.
        self._settled_ns = max(starts_ns, default=0)
        self._is_ranked = len({target.priority for target in self._targets}) > 1
        self._is_settled = not starts_ns and not self._is_ranked
        self._all_probed_fit = True

    def choose(
        self,
        now_ns: int,
        *,
        sticky: bytes = b"",
        tried: Collection[Target] = _NO_TARGETS,
        is_prior: bool = False,
    ) -> Target | None:
        """The target for a request; None if there is none.

        Args:
            now_ns: the time.
            sticky: what binds the caller to a target; empty for nothing.
            tried: targets that this request was sent to; others go first.
            is_prior: whether it is in the priority lane.
        """
        targets, candidates = self._targets, self._candidates
        if not targets:
            return None
        if tried or not self._is_settled:
            targets = self._fit(now_ns)
            targets = tuple(target for target in targets if target not in tried) or targets
            candidates = tuple(target.candidate for target in targets)
        if len(targets) == 1:
            return targets[0]
        facts = ChoiceFacts(self._draw(), self._draw(), sticky, is_prior)
        return targets[self._balancer.choose(candidates, facts, now_ns)]

    def _fit(self, now_ns: int) -> tuple[Target, ...]:
        if now_ns >= self._settled_ns and self._all_probed_fit and not self._is_ranked:
            self._is_settled = True
        for target in self._targets:
            target.candidate.share = share_of(target.back_ns, now_ns, self._warm_up_ns)
        fit = tuple(
            target
            for target in self._targets
            if target.probed.is_fit and not target.health.is_out(now_ns)
        )
        if self._is_ranked and fit:
            # The others are there for when none of these is: too few are left only if none is.
            first = min(target.priority for target in fit)
            return tuple(target for target in fit if target.priority == first)
        if usable(len(fit), len(self._targets), panic_share=self._panic_share):
            return fit
        for candidate in self._candidates:
            candidate.share = 1.0
        return self._targets

    def standing(self, target: Target, now_ns: int) -> Standing:
        """Whether a target gets requests now, unless too few are left, and if not, why."""
        is_spare = self._is_ranked and any(
            each.priority < target.priority
            and each.probed.is_fit
            and not each.health.is_out(now_ns)
            for each in self._targets
        )
        return standing_of(
            target.health,
            target.probed,
            now_ns,
            weight=target.candidate.weight,
            share=share_of(target.back_ns, now_ns, self._warm_up_ns),
            is_spare=is_spare,
        )

    def report(self, target: Target, now_ns: int, *, failed: bool) -> None:
        """What came of a request that a target got: an answer, or a failure."""
        if self._success_rates is not None:
            self._count(target, now_ns, self._success_rates, failed=failed)
        health = target.health
        if not failed and not health.streak and not health.ejections:
            return
        settings = self._outliers
        may = failed and self._may_eject(now_ns)
        target.health = after = reported(health, settings, now_ns, failed=failed, may_eject=may)
        if after.is_out(now_ns) and not health.is_out(now_ns):
            self._left_out(target)

    def _count(
        self, target: Target, now_ns: int, settings: SuccessRateSettings, *, failed: bool
    ) -> None:
        """Counts an answer, and once in an interval compares all targets."""
        target.answers += 1
        target.faults += failed
        if now_ns < self._compare_ns:
            return
        first, self._compare_ns = not self._compare_ns, now_ns + settings.interval_ns
        if first:
            return
        by_key = {each.candidate.key: each for each in self._targets}
        answers = {key: (each.answers - each.faults, each.answers) for key, each in by_key.items()}
        for key in outliers_among(answers, settings):
            outlier = by_key[key]
            if not outlier.health.is_out(now_ns) and self._may_eject(now_ns):
                outlier.health = ejected(outlier.health, self._outliers, now_ns)
                self._left_out(outlier)
        for each in self._targets:
            each.answers = each.faults = 0

    def _left_out(self, target: Target) -> None:
        target.back_ns = until_ns = target.health.until_ns
        self._settled_ns = max(self._settled_ns, until_ns + self._warm_up_ns)
        self._is_settled = False
        if self._on_ejected is not None:
            self._on_ejected(target.candidate.key, until_ns)

    def probed(self, target: Target, after: ProbeState, now_ns: int) -> None:
        """What a probe told. One that becomes fit starts slowly."""
        before, target.probed = target.probed, after
        if before.is_fit is after.is_fit:
            return
        self._is_settled = False
        self._all_probed_fit = all(target.probed.is_fit for target in self._targets)
        if after.is_fit:
            target.back_ns = max(target.back_ns, now_ns)
            self._settled_ns = max(self._settled_ns, target.back_ns + self._warm_up_ns)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Those that may get requests."""
        return self._targets

    def is_fit(self, now_ns: int) -> bool:
        """Whether any target is fit."""
        return any(
            target.probed.is_fit and not target.health.is_out(now_ns) for target in self._targets
        )

    def _may_eject(self, now_ns: int) -> bool:
        healths = {target.candidate.key: target.health for target in self._targets}
        return may_eject(healths, len(self._targets), self._outliers, now_ns)

    def answered(self, target: Target, response: Response, began_ns: int, now_ns: int) -> None:
        """Counts an answer; a request stays in flight until its response has ended."""
        self.answered_whole(target, response.status, began_ns, now_ns)
        if isinstance(response.body, bytes):
            return
        load = target.candidate.load
        load.began()
        before = response.on_close

        def ended() -> None:
            load.ended()
            if before is not None:
                before()

        response.on_close = ended

    def answered_whole(self, target: Target, status: int, began_ns: int, now_ns: int) -> None:
        """Counts an answer that came with all of its body."""
        load = target.candidate.load
        failed = status >= _FIRST_FAULT
        taken_ns = now_ns - began_ns
        # A quick fault must not make a target look quick.
        load.answered(max(taken_ns, ceil(load.latency_ns)) if failed else taken_ns, now_ns)
        self.report(target, now_ns, failed=failed)

    def failed(self, target: Target, began_ns: int, now_ns: int) -> None:
        """Counts a request that the target did not answer: others are better for a while."""
        load = target.candidate.load
        load.answered(max(now_ns - began_ns, ceil(load.latency_ns), _FAILURE_NS), now_ns)
        self.report(target, now_ns, failed=True)
