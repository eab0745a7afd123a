"""The gate: what its short ways do is what the long ones do."""

from lukhas.policy.overload.gate import Gate
from lukhas.policy.overload.gradient import GradientSettings
from lukhas.policy.overload.shedding import Access, TierShare
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import MILLISECOND_NS, SECOND_NS

SHARES = (TierShare(Tier.FREE, 20, 0), TierShare(Tier.INTERNAL, 30, 1))
NOW_NS = 100 * SECOND_NS
FIXED = GradientSettings(4, 4, 4)


def test_slots_are_taken_and_given_back() -> None:
    """As many as the limit, and again after they came back."""
    gate = Gate(FIXED, SHARES)
    found = [gate.enter(0, NOW_NS) for _ in range(5)]
    assert found == [Access.OWN, Access.LENT, Access.LENT, Access.LENT, Access.FULL]
    gate.leave(0)
    assert gate.enter(0, NOW_NS) is Access.LENT
    gate.done(0, NOW_NS, NOW_NS)
    gate.done(0, NOW_NS, NOW_NS)
    assert gate.standing.total == 2
    assert [gate.enter(1, NOW_NS) for _ in range(3)] == [Access.OWN, Access.LENT, Access.FULL]


def test_a_slot_for_one_who_waits_is_taken_at_once() -> None:
    """The tier that comes next waits no more and has the slot."""
    gate = Gate(FIXED, SHARES)
    assert gate.next_waiting() is None
    gate.standing.waiting[1] = 1
    assert gate.next_waiting() == 1
    assert (gate.standing.waiting, gate.standing.in_flight) == ([0, 0], [0, 1])


def test_the_limit_follows_answers_and_failures() -> None:
    """Those that keep their slot for a stream, those that end, and those that fail."""
    settings = GradientSettings(4, 100, 20, window_samples=10, probe_interval_ns=0)
    gate = Gate(settings, SHARES)
    now_ns = NOW_NS
    limits = []
    for turn in range(3):
        for _ in range(12):
            gate.enter(0, now_ns)
            now_ns += 20 * MILLISECOND_NS
            began_ns = now_ns - 5 * MILLISECOND_NS
            if turn == 0:
                gate.answered(began_ns, now_ns)
            elif turn == 1:
                gate.done(0, began_ns, now_ns)
            else:
                gate.dropped(now_ns)
        limits.append(gate.standing.limit)
        assert gate.standing.limit == gate.adaptive.limit
    assert limits[0] > 20
    assert limits[1] > limits[0]
    assert limits[2] < limits[1]
