"""Targets that are asked how they are."""

import asyncio
from collections.abc import Iterable

from lukhas.errors import UpstreamBusyError, UpstreamConnectError
from lukhas.gateway.probing import Probing
from lukhas.gateway.target_selection import Target, TargetSelection
from lukhas.http.headers import Headers
from lukhas.http.messages import Pushed, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.balancing.balancer import Candidate
from lukhas.policy.balancing.loads import Load
from lukhas.policy.balancing.round_robin import RoundRobin
from lukhas.policy.resilience.probes import ProbeSettings
from lukhas.testing.clock import ManualClock
from lukhas.units import MILLISECOND_NS

SETTINGS = ProbeSettings(
    path=b"/health?deep=1",
    interval_ns=MILLISECOND_NS,
    timeout_ns=20 * MILLISECOND_NS,
    unfit_after=2,
    fit_after=2,
)


class Script:
    """A target whose answers are written down: a status, an error, or silence (None)."""

    def __init__(self, key: str, answers: Iterable[int | Exception | None] = ()) -> None:
        self._answers = iter(answers)
        self.asked: list[Exchange] = []
        self.closed = 0
        self.thrice = asyncio.Event()
        self.target = Target(Candidate(key, Load()), self._forward)

    async def _forward(self, exchange: Exchange) -> Response:
        self.asked.append(exchange)
        if len(self.asked) >= 3:
            self.thrice.set()
        answer = next(self._answers, 200)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return Response(answer or 0, Headers([]), Pushed(), on_close=self._close)

    def _close(self) -> None:
        self.closed += 1


def probing(*scripts: Script, clock: ManualClock) -> tuple[TargetSelection, Probing]:
    selection = TargetSelection(
        [script.target for script in scripts], balancer=RoundRobin(), draw=lambda: 0.5
    )
    made = Probing(selection, SETTINGS, clock=clock, draw=lambda: 0.5, authority=b"a.example")
    return selection, made


def keys(selection: TargetSelection, clock: ManualClock) -> list[str]:
    chosen = [selection.choose(clock.now_ns()) for _ in range(110)]
    return [target.candidate.key for target in chosen if target is not None]


async def test_a_target_that_answers_badly_gets_nothing_until_it_answers_well() -> None:
    """Refusal, silence and a bad status are all bad; then it starts slowly."""
    clock = ManualClock()
    refusal = UpstreamConnectError("b", "refused", sent=False)
    good, bad = Script("a"), Script("b", (500, refusal, None, 200, 204))
    selection, probes = probing(good, bad, clock=clock)
    await probes.probe(bad.target)
    assert set(keys(selection, clock)) == {"a", "b"}
    for _ in range(3):
        await probes.probe(bad.target)
        assert set(keys(selection, clock)) == {"a"}
        clock.advance(seconds=100)
    await probes.probe(bad.target)
    assert keys(selection, clock).count("b") in range(9, 12)
    clock.advance(seconds=30)
    assert keys(selection, clock).count("b") == 55
    assert keys(selection, clock).count("b") == 55
    assert bad.closed == 3


async def test_what_is_asked() -> None:
    """The path of the settings, at the given host."""
    script = Script("a")
    _selection, probes = probing(script, clock=ManualClock())
    await probes.probe(script.target)
    head = script.asked[0].head
    assert (head.method, head.authority) == ("GET", b"a.example")
    assert (head.path, head.query) == (b"/health", b"deep=1")


async def test_our_own_full_pool_says_nothing() -> None:
    """A probe that found no connection is not counted."""
    busy = UpstreamBusyError("a", "all in use", sent=False)
    script = Script("a", [busy] * 5)
    _selection, probes = probing(script, clock=ManualClock())
    for _ in range(5):
        await probes.probe(script.target)
    assert script.target.probed.is_fit


async def test_where_none_is_fit_all_are_used() -> None:
    """Probably the probe is wrong."""
    clock = ManualClock()
    one, other = Script("a", [500] * 2), Script("b", [500] * 2)
    selection, probes = probing(one, other, clock=clock)
    for script in (one, other) * 2:
        await probes.probe(script.target)
    assert set(keys(selection, clock)) == {"a", "b"}


async def test_every_target_is_asked_again_and_again_until_it_is_stopped() -> None:
    """Each on its own: one that is silent holds nobody up."""
    one, other = Script("a"), Script("b", [None])
    _selection, probes = probing(one, other, clock=ManualClock())
    before = asyncio.all_tasks()
    probes.start()
    await one.thrice.wait()
    await other.thrice.wait()
    await probes.stop()
    assert asyncio.all_tasks() == before
