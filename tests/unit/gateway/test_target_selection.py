"""Which target gets a request, and which is left out."""

import random

import pytest

from lukhas.gateway.target_selection import Target, TargetSelection
from lukhas.http.headers import Headers
from lukhas.http.messages import Pushed, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import close
from lukhas.policy.balancing.balancer import Candidate
from lukhas.policy.balancing.consistent_hash import ConsistentHash
from lukhas.policy.balancing.loads import Load
from lukhas.policy.balancing.peak_ewma import PeakEwma
from lukhas.policy.balancing.round_robin import RoundRobin
from lukhas.policy.resilience.probes import ProbeState
from lukhas.units import MILLISECOND_NS, SECOND_NS

T0 = 1_750_000_000 * SECOND_NS


async def nowhere(_exchange: Exchange) -> Response:
    raise AssertionError("nothing is sent here")


def target(key: str, weight: int = 1, back_ns: int = 0) -> Target:
    return Target(Candidate(key, Load(), weight), nowhere, back_ns=back_ns)


def selection(*targets: Target, told: list[tuple[str, int]] | None = None) -> TargetSelection:
    return TargetSelection(
        targets,
        balancer=RoundRobin(),
        draw=random.Random(1).random,
        on_ejected=None if told is None else lambda key, until_ns: told.append((key, until_ns)),
    )


def keys(chosen: TargetSelection, now_ns: int, times: int) -> list[str]:
    targets = [chosen.choose(now_ns) for _ in range(times)]
    return [target.candidate.key for target in targets if target is not None]


def test_a_drained_target_gets_nothing() -> None:
    """A weight of 0 is no part at all; where all have it, there is no target."""
    assert set(keys(selection(target("a"), target("b", 0)), T0, 6)) == {"a"}
    assert selection(target("a", 0)).choose(T0) is None
    assert selection().choose(T0) is None


def test_a_target_that_fails_is_left_out_and_comes_back_slowly() -> None:
    """Five failures, thirty seconds; then a tenth of its part, then all of it."""
    told: list[tuple[str, int]] = []
    bad = target("bad")
    chosen = selection(target("a"), target("b"), bad, told=told)
    for _ in range(5):
        assert "bad" in keys(chosen, T0, 3)
        chosen.report(bad, T0, failed=True)
    assert told == [("bad", T0 + 30 * SECOND_NS)]
    assert set(keys(chosen, T0 + 29 * SECOND_NS, 30)) == {"a", "b"}
    assert keys(chosen, T0 + 30 * SECOND_NS, 210).count("bad") in range(9, 12)
    chosen.report(bad, T0 + 31 * SECOND_NS, failed=False)
    assert keys(chosen, T0 + 60 * SECOND_NS, 30).count("bad") in range(9, 12)
    assert keys(chosen, T0 + 61 * SECOND_NS, 30).count("bad") in range(9, 12)


def test_a_new_target_starts_slowly() -> None:
    """One that began to serve just now gets a tenth of its part."""
    chosen = selection(target("old"), target("new", back_ns=T0))
    assert keys(chosen, T0, 110).count("new") == 10


def test_only_one_of_few_is_left_out() -> None:
    """A tenth of them, or one: the next that fails keeps its part."""
    one, other = target("one"), target("other")
    chosen = selection(target("a"), one, other)
    for failing in (one, other):
        for _ in range(7):
            chosen.report(failing, T0, failed=True)
    assert set(keys(chosen, T0, 9)) == {"a", "other"}


def test_the_last_target_is_never_left_out() -> None:
    """Better one that fails than none."""
    only = target("only")
    chosen = selection(only)
    for _ in range(20):
        chosen.report(only, T0, failed=True)
    assert chosen.choose(T0) is only


def test_health_is_not_believed_when_too_few_are_fit() -> None:
    """Below the threshold all are used."""
    bad = target("bad")
    chosen = TargetSelection(
        (target("a"), bad), balancer=RoundRobin(), draw=lambda: 0.0, panic_share=0.6
    )
    for _ in range(5):
        chosen.report(bad, T0, failed=True)
    assert bad.health.is_out(T0)
    assert set(keys(chosen, T0, 4)) == {"a", "bad"}


def test_another_try_goes_to_another_target() -> None:
    """While there is one; then to any."""
    a, b = target("a"), target("b")
    chosen = selection(a, b)
    assert chosen.choose(T0, tried=(a,)) is b
    assert chosen.choose(T0, tried=(b,)) is a
    assert chosen.choose(T0, tried=(a, b)) in {a, b}


def test_a_caller_stays_with_its_target() -> None:
    """What binds it is passed to the balancer."""
    chosen = TargetSelection(
        [target(f"t{number}") for number in range(5)],
        balancer=ConsistentHash(RoundRobin()),
        draw=lambda: 0.0,
    )
    assert len({id(chosen.choose(T0, sticky=b"me")) for _ in range(9)}) == 1
    assert len({id(chosen.choose(T0, sticky=b"c%d" % n)) for n in range(99)}) == 5


@pytest.mark.parametrize("how", ["refuses", "answers 500"])
def test_what_fails_quickly_does_not_look_quick(how: str) -> None:
    """Faults at once draw no requests to a target, even where it may not be left out."""
    good, bad = target("good"), target("bad")
    draws = random.Random(5)
    chosen = TargetSelection((good, bad), balancer=PeakEwma(), draw=draws.random)
    for answering in (good, bad):
        answering.candidate.load.began()
        chosen.answered(answering, Response(200, Headers([])), T0, T0 + 20 * MILLISECOND_NS)
    later = T0 + SECOND_NS
    bad.candidate.load.began()
    if how == "refuses":
        chosen.failed(bad, later, later)
        assert bad.candidate.load.latency_ns == SECOND_NS
        assert {chosen.choose(later) for _ in range(20)} == {good}
    else:
        chosen.answered(bad, Response(500, Headers([])), later, later)
        assert bad.candidate.load.latency_ns == 20 * MILLISECOND_NS
    assert bad.candidate.load.in_flight == 0
    assert bad.health.streak == 1


@pytest.mark.parametrize("held", [False, True])
def test_a_request_is_in_flight_until_its_response_has_ended(*, held: bool) -> None:
    """A stream counts as long as it flows; what else is freed with it is freed too."""
    freed: list[int] = []
    one = target("one")
    chosen = selection(one)
    load = one.candidate.load
    response = Response(200, Headers([]), Pushed())
    if held:
        response.on_close = lambda: freed.append(1)
    load.began()
    chosen.answered(one, response, T0, T0 + MILLISECOND_NS)
    assert (load.in_flight, load.latency_ns) == (1, MILLISECOND_NS)
    close(response)
    assert load.in_flight == 0
    assert len(freed) == held


def test_how_targets_stand() -> None:
    """As what decides about requests has it, at this moment."""
    bad, new, drained = target("bad"), target("new", back_ns=T0), target("drained", 0)
    chosen = selection(target("a"), bad, new, drained)
    for _ in range(5):
        chosen.report(bad, T0, failed=True)
    standings = [chosen.standing(each, T0) for each in (*chosen.targets, drained)]
    assert standings == ["healthy", "ejected", "starting", "draining"]
    later = [chosen.standing(bad, T0 + seconds * SECOND_NS) for seconds in (29, 30, 59, 60)]
    assert later == ["ejected", "starting", "starting", "healthy"]


def test_who_stands_by() -> None:
    """Those that are not of the first group with a fit target."""
    first, second = target("first"), target("second")
    second.priority = 1
    chosen = selection(first, second)
    assert [chosen.standing(each, T0) for each in (first, second)] == ["healthy", "standby"]
    chosen.probed(first, ProbeState(is_fit=False), T0)
    assert [chosen.standing(each, T0) for each in (first, second)] == ["unfit", "healthy"]
    chosen.probed(first, ProbeState(), T0)
    for _ in range(5):
        chosen.report(first, T0, failed=True)
    assert [chosen.standing(each, T0) for each in (first, second)] == ["ejected", "healthy"]
