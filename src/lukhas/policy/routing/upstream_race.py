"""How the upstreams of a route do, and what part of the requests each is to get.

Once a second each upstream is compared with the best, by its *cost*: how long its answers take on
average, where a failure counts as a very slow answer, and a silence counts for as long as it lasts.

- One that takes `behind` times as long is behind: its part shrinks each second by as much as it is
  slower, until it gets nothing and is only looked at. How sure that is depends on how many answers
  are known: with few of them, it has to be slower.
- One that was behind is level again below `level` times: then its part grows each second by a tenth
  of its weight. Between the two it keeps what it has, so that nothing flaps.
- One that fails so many times in a row gets nothing at once, and what it did before counts for
  nothing once it answers again.

What is taken from one, the others must carry, and not all of them may be able to. So no part
shrinks by more than makes half as much more for the others in a second, and the worst comes first.
And the busier the best is, the further one has to be behind: the best is *strained* by so many
times as its cost is above the least that was seen of it, and a part shrinks only beyond `behind`
times that. So where the best cannot take all, what each gets settles before it is overrun.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lukhas.policy.routing.best_of import (
    BestOf,
    BestOfFacts,
    BestOfReason,
    BestOfTerms,
    UpstreamFigures,
    choose_upstream,
    figures_as_facts,
)
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.units import SECOND_NS

__all__ = ("STAGE", "ChosenUpstream", "UpstreamRace", "next_part")

STAGE = "best_of"

_STEP_NS = SECOND_NS
_GROWTH = 0.1
_MOST_SHRUNK = 0.1
# Below it an upstream gets nothing, and is only looked at.
_LEAST_PART = 0.05
# So many answers must be known of one that is compared.
_LEAST_ANSWERS = 2.0
_LEAST_LOOKS = 3
# However long ago, so many answers are remembered.
_MEMORY_ANSWERS = 20.0
_MOST_MORE = 0.5
# By so much a second the least cost that was seen of an upstream is forgotten.
_FORGOTTEN = 0.03
# Of an upstream that is only looked at, each answer makes those before it count for so much: a
# few looks are enough to see that it has recovered.
_LOOKS_KEPT = 0.75
_MOST_LOOKS = 1.0 / (1.0 - _LOOKS_KEPT)


@dataclass(frozen=True, slots=True)
class ChosenUpstream:
    """The upstream of one request, and all that it was chosen by.

    Attributes:
        race: where it was chosen, and is told what came of it.
        index: of the upstream.
        reason: why.
        facts: what it was chosen by.
    """

    race: "UpstreamRace"
    index: int
    reason: BestOfReason
    facts: BestOfFacts

    @property
    def name(self) -> str:
        """The name of the upstream."""
        return self.facts.upstreams[self.index].name

    def verdict(self) -> Verdict:
        """The choice in words and figures; see `Reasoned`."""
        reason = f"upstream {self.name}: {self.reason.value}"
        return Verdict(
            STAGE,
            Outcome.PASSED,
            reason,
            self.race.name,
            facts=figures_as_facts(self.facts.upstreams),
        )


class _Standing:
    """What is known of one upstream. Changed in place, since each request does."""

    __slots__ = (
        "answers",
        "base_ns",
        "faults",
        "in_flight",
        "is_behind",
        "looked_ns",
        "looks",
        "part",
        "seen_ns",
        "silent_ns",
        "streak",
        "taken_ns",
    )

    def __init__(self) -> None:
        # Sums over its answers, of which old ones count for less.
        self.answers = 0.0
        self.faults = 0.0
        self.taken_ns = 0.0
        self.seen_ns = 0
        # The least that it took on average, lately.
        self.base_ns = math.inf
        self.in_flight = 0
        # Since when it has had something to answer, and has not.
        self.silent_ns = 0
        self.streak = 0
        self.part = 1.0
        self.is_behind = False
        self.looked_ns = 0
        # Its answers since it gets nothing.
        self.looks = 0

    def began(self, now_ns: int) -> None:
        if not self.in_flight:
            self.silent_ns = now_ns
        self.in_flight += 1

    def ended(self) -> None:
        self.in_flight -= 1

    def answered(self, taken_ns: int, now_ns: int, terms: BestOfTerms, *, failed: bool) -> None:
        self.in_flight -= 1
        self.silent_ns = now_ns
        if self.part:
            kept = math.exp(min(0, self.seen_ns - now_ns) / terms.memory_ns)
            kept = max(kept, 1.0 - 1.0 / _MEMORY_ANSWERS)
        elif self.streak >= terms.out_after and not failed:
            kept, self.looks = 0.0, 1
        else:
            kept = _LOOKS_KEPT
            self.looks += 1
        self.answers = self.answers * kept + 1.0
        self.faults = self.faults * kept + failed
        self.taken_ns = self.taken_ns * kept + (0 if failed else taken_ns)
        self.seen_ns = max(self.seen_ns, now_ns)
        self.streak = self.streak + 1 if failed else 0

    def rests(self, now_ns: int) -> None:
        """From now on it is only looked at."""
        self.part = 0.0
        self.is_behind = True
        self.looked_ns = now_ns
        self.looks = 0
        # Of all that it did only so much is kept that a few looks can outweigh it.
        kept = min(1.0, _MOST_LOOKS / self.answers) if self.answers else 1.0
        self.answers *= kept
        self.faults *= kept
        self.taken_ns *= kept

    def latency_ns(self) -> float:
        """Of its good answers, on average; 0 if there are none."""
        good = self.answers - self.faults
        return self.taken_ns / good if good > 1e-9 else 0.0

    def failed(self) -> float:
        """The part of its answers that are failures."""
        return self.faults / self.answers if self.answers else 0.0

    def cost_ns(self, now_ns: int, failure_ns: int) -> float:
        """How long an answer takes, failures included."""
        failed = self.failed()
        cost = self.latency_ns() * (1.0 - failed) + failure_ns * failed
        silence_ns = now_ns - self.silent_ns if self.in_flight else 0
        return max(cost, silence_ns, 1.0)

    def strained(self, cost_ns: float) -> float:
        """How many times as long as at best it takes; remembers what is best."""
        self.base_ns = min(self.base_ns * (1.0 + _FORGOTTEN), cost_ns)
        return cost_ns / self.base_ns


def next_part(part: float, times: float, *, is_behind: bool) -> float:
    """The part that an upstream gets in the next second.

    Args:
        part: what it gets now, 0 to 1.
        times: how many times as long as the best it takes.
        is_behind: whether it is behind.
    """
    if not is_behind:
        return min(1.0, part + _GROWTH)
    return part * max(_MOST_SHRUNK, 1.0 / times)


class UpstreamRace:
    """Chooses among the upstreams of a route by how they do; of one worker.

    Not pure, but a function of what it was told and of the times and numbers it is given.

    Args:
        best_of: the upstreams, and the terms.
        is_fit: tells of an upstream, by name, whether any of its servers is fit.
    """

    __slots__ = ("_best_of", "_figures", "_fits", "_is_fit", "_look_ns", "_standings", "_step_ns")

    def __init__(self, best_of: BestOf, is_fit: Callable[[str], bool]) -> None:
        self._best_of = best_of
        self._is_fit = is_fit
        self._standings = tuple(_Standing() for _ in best_of.upstreams)
        self._fits: list[bool] = [True] * len(best_of.upstreams)
        self._figures: tuple[UpstreamFigures, ...] = ()
        self._step_ns = 0
        self._look_ns = 0

    @property
    def name(self) -> str:
        """The name of the route."""
        return self._best_of.name

    def choose(
        self, allowed: Sequence[bool], now_ns: int, *, place: float, glance: float, is_bound: bool
    ) -> ChosenUpstream:
        """The upstream of a request; `answered` or `ended` is to follow `began`.

        Args:
            allowed: for each upstream, whether the request may use it.
            now_ns: the time.
            place: see `BestOfFacts`.
            glance: see there.
            is_bound: see there.
        """
        figures = self._looked_up(now_ns)
        due = self._due(figures, allowed, now_ns)
        facts = BestOfFacts(
            figures,
            tuple(allowed),
            place,
            is_bound=is_bound,
            glance=glance,
            look=self._best_of.terms.look,
            due=due,
            in_flight=tuple([standing.in_flight for standing in self._standings]),
        )
        index, reason = choose_upstream(facts)
        if reason is BestOfReason.LOOK:
            self._standings[index].looked_ns = now_ns
            self._plan_looks()
        return ChosenUpstream(self, index, reason, facts)

    def began(self, index: int, now_ns: int) -> None:
        """A request goes to an upstream."""
        self._standings[index].began(now_ns)

    def ended(self, index: int) -> None:
        """A request was given up, and tells nothing."""
        self._standings[index].ended()

    def answered(self, index: int, taken_ns: int, now_ns: int, *, failed: bool) -> None:
        """What came of a request, and how long that took."""
        terms, standing = self._best_of.terms, self._standings[index]
        before = standing.streak
        standing.answered(taken_ns, now_ns, terms, failed=failed)
        if standing.streak >= terms.out_after and standing.part:
            standing.rests(now_ns)
            self._plan_looks()
        if bool(before) is not failed or not standing.part:
            self._figures = ()

    def figures(self, now_ns: int) -> tuple[UpstreamFigures, ...]:
        """How all stand."""
        return tuple(self._figure(index, now_ns) for index in range(len(self._standings)))

    def _looked_up(self, now_ns: int) -> tuple[UpstreamFigures, ...]:
        fits = [self._is_fit(name) for name in self._best_of.upstreams]
        if now_ns >= self._step_ns:
            self._step(fits, now_ns)
            self._figures = ()
        if fits != self._fits or not self._figures:
            self._fits = fits
            self._figures = self.figures(now_ns)
        return self._figures

    def _figure(self, index: int, now_ns: int) -> UpstreamFigures:
        standing, best_of = self._standings[index], self._best_of
        return UpstreamFigures(
            best_of.upstreams[index],
            best_of.weights[index],
            part=standing.part,
            latency_ns=round(standing.latency_ns()),
            failed=standing.failed(),
            cost_ns=round(standing.cost_ns(now_ns, best_of.terms.failure_ns)),
            answers=standing.answers,
            is_behind=standing.is_behind,
            is_failing=standing.streak > 0,
            is_fit=self._fits[index],
        )

    def _step(self, fits: Sequence[bool], now_ns: int) -> None:
        """Compares all with the best, and gives each its next part."""
        self._step_ns = now_ns + _STEP_NS
        terms = self._best_of.terms
        costs = {
            index: standing.cost_ns(now_ns, terms.failure_ns)
            for index, standing in enumerate(self._standings)
            if fits[index] and self._best_of.weights[index] and self._is_known(standing, now_ns)
        }
        best = min(costs, key=costs.__getitem__, default=None)
        if best is None:
            return
        first = self._standings[best]
        strains = {at: self._standings[at].strained(cost) for at, cost in costs.items()}
        parts: dict[int, float] = {}
        # The worst first: it is what the others can take over most of all.
        for index, cost_ns in sorted(costs.items(), key=_cost_of, reverse=True):
            standing, times = self._standings[index], cost_ns / costs[best]
            answers = min(standing.answers, first.answers)
            standing.is_behind = _is_behind(terms, standing, times, answers)
            if standing.is_behind and times < terms.behind * strains[best]:
                continue
            parts[index] = next_part(standing.part, times, is_behind=standing.is_behind)
        self._give(parts, now_ns)
        self._plan_looks()

    def _give(self, parts: Mapping[int, float], now_ns: int) -> None:
        """Lets parts grow, and shrink as far as the others can be given what they lose."""
        weights, standings = self._best_of.weights, self._standings
        rest = sum(
            standing.part * weights[at]
            for at, standing in enumerate(standings)
            if parts.get(at, standing.part) >= standing.part
        )
        room = _MOST_MORE * rest
        for index, part in parts.items():
            standing = standings[index]
            if part >= standing.part:
                standing.part = part
                continue
            lost = min(standing.part - part, room / weights[index])
            room -= lost * weights[index]
            standing.part -= lost
            if standing.part < _LEAST_PART:
                standing.rests(now_ns)

    def _is_known(self, standing: _Standing, now_ns: int) -> bool:
        if standing.in_flight and not standing.answers:
            return now_ns - standing.silent_ns >= _STEP_NS
        if standing.part:
            return standing.answers >= _LEAST_ANSWERS
        return standing.looks >= _LEAST_LOOKS

    def _plan_looks(self) -> None:
        looks = [each.looked_ns for each in self._standings if not each.part]
        self._look_ns = min(looks, default=1 << 62) + self._best_of.terms.look_ns

    def _due(self, figures: Sequence[UpstreamFigures], allowed: Sequence[bool], now_ns: int) -> str:
        """The upstream that is to be looked at now."""
        if now_ns < self._look_ns:
            return ""
        due_ns = now_ns - self._best_of.terms.look_ns
        for index, standing in enumerate(self._standings):
            if (
                not standing.part
                and standing.looked_ns <= due_ns
                and allowed[index]
                and self._fits[index]
            ):
                return figures[index].name
        return ""


def _cost_of(entry: tuple[int, float]) -> float:
    return entry[1]


def _is_behind(terms: BestOfTerms, standing: _Standing, times: float, answers: float) -> bool:
    """Whether an upstream is behind the best.

    Args:
        terms: from where on it is, and until when.
        standing: what is known of it.
        times: how many times as long it takes.
        answers: so many answers of the one of which less is known.
    """
    if standing.is_behind:
        return times >= terms.level or standing.streak > 0
    return times >= terms.behind * (1.0 + 2.0 / math.sqrt(max(answers, 1.0)))
