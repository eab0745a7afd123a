"""lukhas.policy.caching.leak_guard: rule R19, answers that depend on who asks."""

import pytest

from lukhas.policy.caching.leak_guard import Finding, LeakGuard, Observation, judge
from lukhas.units import SECOND_NS

UNIT = ("r", b"")
ROUTES = {name: number for number, name in enumerate("-ABCDE")}


def key(path: bytes = b"/x") -> tuple[tuple[str, bytes, bytes, bytes, str], tuple[()]]:
    return (("http", b"a", path, b"", ""), ())


def seen(*said: str, step_s: float = 1) -> tuple[Observation, ...]:
    """`"A:x"` is caller A getting x; `"A:x:v"` with a validator."""
    made = []
    for number, text in enumerate(said):
        who, body, *validator = text.split(":")
        made.append(
            Observation(
                ROUTES[who],
                body.encode(),
                "".join(validator).encode(),
                round(number * step_s * SECOND_NS),
            )
        )
    return tuple(made)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((), Finding.OPEN),
        (("A:x",), Finding.OPEN),
        (("A:x", "A:x"), Finding.OPEN),
        (("A:x", "B:x"), Finding.SETTLED),
        (("A:x", "A:y"), Finding.SETTLED),
        (("A:x", "B:y"), Finding.SUSPECT),
        (("A:x", "B:y", "A:x"), Finding.SUSPECT),
        (("A:x", "B:y", "A:z"), Finding.SETTLED),
        (("A:x", "B:y", "A:x", "B:y"), Finding.COMES_BACK),
        (("A:x", "B:y", "B:y", "A:x"), Finding.COMES_BACK),
        (("A:x", "A:x", "B:y", "B:y", "A:x"), Finding.COMES_BACK),
        (("A:x", "B:y", "C:z", "A:x", "B:y"), Finding.COMES_BACK),
        (("-:x", "A:y", "-:x", "A:y"), Finding.COMES_BACK),
        (("A:x", "A:x", "B:y", "B:y"), Finding.SUSPECT),
        (("A:x:v", "B:y:v"), Finding.SAME_VALIDATOR),
        (("A:x:v", "B:y:w"), Finding.SUSPECT),
        (("A:x:v", "A:y:v"), Finding.SETTLED),
    ],
)
def test_r19_bodies_tell_leaks_from_changes(said: tuple[str, ...], expected: Finding) -> None:
    """A leak needs a body that comes back, or one validator for two bodies."""
    assert judge(seen(*said)) is expected


def test_r19_only_what_is_close_in_time_is_compared() -> None:
    """A minute later, everything may rightly have changed."""
    assert judge(seen("A:x", "B:y", "A:x", "B:y", step_s=61)) is Finding.OPEN


@pytest.mark.parametrize("callers", ["ABABABAB", "ABCDEABCDE", "-A-A-A-A", "AABBAABB"])
@pytest.mark.parametrize("every", [1, 2, 3, 4])
def test_r19_content_that_changes_with_time_is_no_leak(callers: str, every: int) -> None:
    """However often it changes, and whoever asks."""
    guard = LeakGuard()
    said = [f"{who}:{number // every}" for number, who in enumerate(callers)]
    for one in seen(*said):
        guard.observe(UNIT, key(), one)
    assert not guard.quarantined


@pytest.mark.parametrize("callers", ["ABABA", "AABBA", "ABBAA", "-A-A-", "ABCAB"])
def test_r19_a_seeded_leak_is_caught_within_five_requests(callers: str) -> None:
    """Each caller has a body of their own."""
    guard = LeakGuard()
    for one in seen(*(f"{who}:body of {who}" for who in callers)):
        guard.observe(UNIT, key(), one)
    assert guard.quarantined == {UNIT: Finding.COMES_BACK.value}
    assert guard.found == 1


def test_r19_a_key_is_suspect_until_it_is_clear() -> None:
    """Meanwhile everybody's answer comes from the origin."""
    guard = LeakGuard()
    first, second, third = seen("A:x", "B:y", "A:z")
    guard.observe(UNIT, key(), first)
    assert not guard.is_suspect(key())
    guard.observe(UNIT, key(), second)
    assert guard.is_suspect(key())
    assert not guard.is_known(key())
    guard.observe(UNIT, key(), third)
    assert guard.is_known(key())
    assert guard.is_settled(UNIT, key())


def test_r19_a_route_with_settled_keys_is_trusted_and_looked_at_again() -> None:
    """After three keys, one response in 64 is watched."""
    guard = LeakGuard()
    for number in range(3):
        assert not guard.is_settled(UNIT, key(b"/other"))
        for one in seen("A:x", "B:x"):
            guard.observe(UNIT, key(b"/%d" % number), one)
    looks = [guard.is_settled(UNIT, key(b"/other")) for _ in range(128)]
    assert looks.count(False) == 2


def test_a_released_route_starts_anew() -> None:
    """Once its API is mended, an operator lets it be cached again."""
    guard = LeakGuard()
    for one in seen("A:x:v", "B:y:v"):
        guard.observe(UNIT, key(), one)
    guard.observe(UNIT, key(), seen("A:x:v")[0])
    assert guard.found == 1
    assert guard.release(UNIT)
    assert not guard.release(UNIT)
    assert not guard.is_suspect(key())


def test_the_guard_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys and routes there are."""
    for name in ("_MAX_KEYS", "_MAX_QUARANTINED"):
        monkeypatch.setattr(f"lukhas.policy.caching.leak_guard.{name}", 2)
    guard = LeakGuard()
    for number in range(6):
        for one in seen("A:x", "B:x"):
            guard.observe((str(number), b""), key(b"/%d" % number), one)
        for one in seen("A:x:v", "B:y:v"):
            guard.observe((str(number), b""), key(b"/leak%d" % number), one)
        for one in seen("A:x", "B:x"):
            guard.observe((f"more{number}", b""), key(b"/more%d" % number), one)
    assert len(guard._seen) == len(guard._settled) == len(guard.quarantined) == 2
    assert len(guard._cleared) <= 2
    assert guard.found == 6
