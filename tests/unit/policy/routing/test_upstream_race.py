"""How upstreams that do the same are compared, and what part of the requests each gets."""

import pytest

from benchmarks.best_of import ChoiceScenario, simulated
from lukhas.policy.routing.best_of import BestOf, BestOfReason, BestOfTerms, UpstreamFigures
from lukhas.policy.routing.upstream_race import ChosenUpstream, UpstreamRace, next_part
from lukhas.units import MILLISECOND_NS, SECOND_NS

T0 = 1_750_000_000 * SECOND_NS
BOTH = (True, True)


class Race:
    """A race of two, its time, and which of them has fit servers."""

    def __init__(self, terms: BestOfTerms | None = None, weights: tuple[int, ...] = (1, 1)) -> None:
        self.unfit: set[str] = set()
        best_of = BestOf("r", ("a", "b"), weights, terms=terms or BestOfTerms())
        self.race = UpstreamRace(best_of, lambda name: name not in self.unfit)
        self.now_ns = T0

    def choose(self, place: float = 0.0, glance: float = 0.0) -> ChosenUpstream:
        return self.race.choose(BOTH, self.now_ns, place=place, glance=glance, is_bound=False)

    def answered(self, index: int, ms: int, times: int = 1, *, failed: bool = False) -> None:
        for _ in range(times):
            self.race.began(index, self.now_ns)
            self.race.answered(index, ms * MILLISECOND_NS, self.now_ns, failed=failed)

    def second(self, a_ms: int = 0, b_ms: int = 0, *, times: int = 100) -> None:
        """Both answer, or one of them, and a second later they are compared."""
        for index, ms in ((0, a_ms), (1, b_ms)):
            self.answered(index, ms, times if ms else 0)
        self.now_ns += SECOND_NS
        self.choose(glance=0.5)

    @property
    def a(self) -> UpstreamFigures:
        return self.race.figures(self.now_ns)[0]

    @property
    def b(self) -> UpstreamFigures:
        return self.race.figures(self.now_ns)[1]


def test_at_first_all_get_their_whole_part() -> None:
    """Nothing is known, so nobody is behind."""
    race = Race()
    race.second()
    assert (race.a.part, race.b.part, race.a.answers) == (1.0, 1.0, 0.0)


def test_one_that_is_slower_gets_less_until_it_is_only_looked_at() -> None:
    """In a second the other gets at most half as much more."""
    race = Race()
    parts = []
    for _ in range(6):
        race.second(100, 10)
        parts.append(round(race.a.part, 2))
    assert parts == [0.5, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert race.a.is_behind
    assert not race.b.is_behind
    assert race.choose(place=0.0, glance=0.5).name == "b"
    assert race.choose(glance=0.01).reason is BestOfReason.LOOK


def test_between_level_and_behind_nothing_changes() -> None:
    """Neither for who is level, nor for who is behind."""
    race = Race()
    race.second(12, 10, times=400)
    assert (race.a.part, race.a.is_behind) == (1.0, False)
    race.second(30, 10, times=400)
    part = race.a.part
    assert part < 1.0
    for _ in range(9):
        race.second(12, 10, times=4000)
    was = race.a.part
    race.second(12, 10, times=4000)
    assert race.a.is_behind
    assert race.a.part == was


def test_one_that_is_level_again_gets_its_part_back_by_and_by() -> None:
    """A tenth of its weight a second."""
    race = Race()
    for _ in range(6):
        race.second(100, 10)
    assert not race.a.part
    parts = []
    for _ in range(12):
        race.second(10, 10, times=40)
        parts.append(round(race.a.part, 1))
    assert parts[0] == 0.1
    assert parts[-1] == 1.0
    assert parts == sorted(parts)


def test_a_few_answers_must_differ_by_more() -> None:
    """Chance alone makes two of a hundred alike, and not two of two."""
    few, many = Race(), Race()
    few.second(20, 10, times=3)
    many.second(20, 10, times=300)
    assert not few.a.is_behind
    assert many.a.is_behind


def test_a_failure_is_a_very_slow_answer() -> None:
    """A quick failure does not make an upstream look quick."""
    race = Race()
    race.answered(0, 1, 20, failed=False)
    race.answered(0, 1, 4, failed=True)
    race.answered(0, 1, 20, failed=False)
    race.second(0, 10, times=40)
    assert race.a.is_behind
    assert 0.05 < race.a.failed < 0.15
    assert race.a.latency_ns == MILLISECOND_NS


def test_many_failures_in_a_row_end_it_at_once() -> None:
    """And it is looked at by time alone, until an answer is good."""
    race = Race(BestOfTerms(look_ns=5 * SECOND_NS))
    race.second(10, 10)
    race.answered(0, 1, 4, failed=True)
    assert race.choose(glance=0.5).facts.upstreams[0].part == 1.0
    race.answered(0, 1, failed=True)
    chosen = race.choose(glance=0.0)
    assert (chosen.name, chosen.facts.upstreams[0].part) == ("b", 0.0)
    race.now_ns += 5 * SECOND_NS
    looking = race.choose(glance=0.5)
    assert (looking.name, looking.reason) == ("a", BestOfReason.LOOK)
    assert race.choose(glance=0.0).name == "b"
    race.answered(0, 10)
    # Its last answer was good, so a part of the requests looks again; and what was before counts
    # for nothing.
    assert race.choose(glance=0.0).name == "a"
    assert (race.a.failed, race.a.latency_ns) == (0.0, 10 * MILLISECOND_NS)
    race.answered(0, 10, 2)
    race.second(0, 10)
    assert race.a.part == pytest.approx(0.1)


def test_rare_looks_are_enough() -> None:
    """Where there are few requests, three looks with half a minute between them."""
    race = Race(BestOfTerms(look=0.0))
    race.answered(0, 1, 5, failed=True)
    race.second(0, 10)
    looks = 0
    for _ in range(20):
        race.now_ns += 5 * SECOND_NS
        chosen = race.choose(place=0.9, glance=0.5)
        looks += chosen.reason is BestOfReason.LOOK
        race.answered(chosen.index, 10)
    assert looks == 3
    assert race.a.part > 0.9


def test_one_that_does_not_answer_is_as_slow_as_it_is_silent() -> None:
    """Nothing else would tell of a server that hangs."""
    race = Race()
    race.second(10, 10)
    race.race.began(0, race.now_ns)
    race.second(0, 10)
    assert race.a.is_behind
    new = Race()
    new.race.began(0, new.now_ns)
    new.second(0, 10)
    assert new.a.is_behind
    # What was given up is no longer waited for.
    race.race.ended(0)
    for _ in range(4):
        race.second(10, 10)
    assert not race.a.is_behind


def test_where_the_best_is_strained_the_others_keep_their_part() -> None:
    """What they lose would overrun it."""
    calm, strained = Race(), Race()
    calm.second(40, 10)
    strained.second(10, 10)
    for race in (calm, strained):
        for _ in range(6):
            race.second(40, 10 if race is calm else 30)
    assert not calm.a.part
    assert strained.a.part == 1.0


def test_of_one_without_fit_servers_nothing_is_compared() -> None:
    """It gets nothing while that lasts, and goes on as before."""
    race = Race()
    race.second(10, 100)
    race.unfit = {"a"}
    assert {race.choose(place).name for place in (0.0, 0.5, 0.9)} == {"b"}
    part = race.b.part
    race.second(0, 100)
    assert race.b.part >= part
    race.unfit = set()
    assert race.choose(0.0, 0.1).name == "a"


def test_a_choice_tells_why() -> None:
    """With the figures of all."""
    race = Race()
    race.second(10, 20, times=300)
    chosen = race.choose(0.0, 0.1)
    verdict = chosen.verdict()
    assert (verdict.stage, verdict.policy) == ("best_of", "r")
    assert verdict.reason == "upstream a: by its part of the requests"
    assert verdict.facts == (
        ("a", "part 100% of weight 1, 10.0 ms, 0.0% failed"),
        ("b", "part 50% of weight 1, 20.0 ms, 0.0% failed, behind"),
    )


@pytest.mark.parametrize(
    ("part", "times", "is_behind", "found"),
    [(0.5, 9.0, False, 0.6), (0.95, 1.0, False, 1.0), (0.5, 2.0, True, 0.25), (1.0, 99, True, 0.1)],
)
def test_the_next_part(part: float, times: float, *, is_behind: bool, found: float) -> None:
    """Grows by a tenth, shrinks by as much as it is slower, and by no more than to a tenth."""
    assert next_part(part, times, is_behind=is_behind) == pytest.approx(found)


@pytest.mark.parametrize(
    ("scenario", "bound"),
    [
        (ChoiceScenario(slow=3.0, seconds=12.0), 0.7),
        (ChoiceScenario(slow=10.0, use=0.08, seconds=30.0), 0.4),
        (ChoiceScenario(slow=3.0, use=0.7, seconds=12.0), 0.1),
    ],
)
def test_a_slow_upstream_is_kept_clear_of(scenario: ChoiceScenario, bound: float) -> None:
    """Also where the others can just not do all."""
    ours, fixed = simulated(scenario), simulated(scenario, by_weight=True)
    assert ours.at(0.99) <= bound * fixed.at(0.99)
    assert ours.swings() == 0


def test_where_all_are_alike_and_busy_nothing_swings() -> None:
    """What one loses by chance would overrun the others."""
    ours = simulated(ChoiceScenario(use=0.9, seconds=15.0))
    assert ours.looks == 0
    assert all(0.2 < part < 0.45 for part in ours.first[:-1])


def test_one_that_recovers_is_found_again() -> None:
    """And one that fails a fifth is left alone but for a few looks."""
    scenario = ChoiceScenario(slow=10.0, use=0.1, until_s=10.0, seconds=40.0)
    first = simulated(scenario).first
    assert sum(first[6:10]) < 0.4
    assert sum(first[-5:]) > 1.0
    failing = simulated(ChoiceScenario(failing=0.2, use=0.1, seconds=30.0))
    assert failing.failed < 0.02 * failing.requests


def test_the_worst_is_left_first() -> None:
    """What the others can take over in a second comes from it."""
    race = UpstreamRace(BestOf("r", ("a", "b", "c"), (1, 1, 1)), lambda _name: True)
    every = (True, True, True)
    now_ns = T0
    for index, ms in enumerate((30, 10, 100)):
        for _ in range(100):
            race.began(index, now_ns)
            race.answered(index, ms * MILLISECOND_NS, now_ns, failed=False)
    now_ns += SECOND_NS
    chosen = race.choose(every, now_ns, place=0.0, glance=0.5, is_bound=False)
    assert [each.part for each in chosen.facts.upstreams] == [1.0, 1.0, 0.5]
