"""The leak guard: notices that a response shared by many depends on who asks.

An API that calls a personal answer `public` makes every shared cache show one caller's data to
another. Nobody but the cache can see it: the same key, different callers, different bodies. But
bodies also differ because content changes. Only two observations tell the one from the other:

- two callers get different bodies under the same validator, which says that nothing changed;
- a body comes back: the first caller gets their old body again after another one got theirs, and
  so does the second. Content that merely changes with time does not come back.

A caller whose own body changes shows that the content changes, and two callers with one body show
that it is shared; either settles the key.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from lukhas.policy.caching.keys import CacheKey
from lukhas.policy.caching.variants import SelectingValues
from lukhas.units import MINUTE_NS

__all__ = ("Finding", "GuardKey", "GuardUnit", "LeakGuard", "Observation", "judge")

GuardUnit: TypeAlias = tuple[str, bytes]
"""What is quarantined: the name of a route and, where the route is every path, the path."""

GuardKey: TypeAlias = tuple[CacheKey, SelectingValues]
"""What is compared: one variant of one key, since variants differ rightly."""

_WINDOW_NS = MINUTE_NS
_MAX_OBSERVATIONS = 12
_MAX_KEYS = 2048
_MAX_QUARANTINED = 1024
_TRUSTED_AFTER = 3
_LOOK_AGAIN = 64
_ENOUGH = 2


@dataclass(frozen=True, slots=True)
class Observation:
    """One answer of the origin that would be shared.

    Attributes:
        principal: who asked, as a number; 0 for nobody.
        digest: of the body.
        validator: its entity tag or date of modification; empty for none.
        at_ns: when it came.
    """

    principal: int
    digest: bytes
    validator: bytes
    at_ns: int


class Finding(Enum):
    """What observations of one key tell."""

    OPEN = "open"
    """Nothing yet: only one caller was seen."""
    SUSPECT = "suspect"
    """Callers got different bodies, and it is not clear why."""
    SETTLED = "settled"
    """The body is shared, or changes by itself."""
    SAME_VALIDATOR = "different bodies for different callers under the same validator"
    """A leak."""
    COMES_BACK = "each caller keeps getting a body of their own"
    """A leak."""


def judge(observations: tuple[Observation, ...]) -> Finding:
    """What the observations of one key, in order, tell about it."""
    if not observations:
        return Finding.OPEN
    since_ns = observations[-1].at_ns - _WINDOW_NS
    recent = [one for one in observations if one.at_ns >= since_ns]
    bodies: dict[int, list[bytes]] = {}
    for one in recent:
        bodies.setdefault(one.principal, []).append(one.digest)
    if _share_a_validator(recent):
        return Finding.SAME_VALIDATOR
    if any(len(set(digests)) > 1 for digests in bodies.values()):
        return Finding.SETTLED
    if len(bodies) < _ENOUGH:
        return Finding.OPEN
    own = {digests[0] for digests in bodies.values()}
    if len(own) == 1:
        return Finding.SETTLED
    steady = {digests[0] for digests in bodies.values() if len(digests) >= _ENOUGH}
    return Finding.COMES_BACK if len(steady) > 1 and _comes_back(recent) else Finding.SUSPECT


def _share_a_validator(observations: list[Observation]) -> bool:
    seen: dict[bytes, Observation] = {}
    for one in observations:
        if one.validator:
            first = seen.setdefault(one.validator, one)
            if first.digest != one.digest and first.principal != one.principal:
                return True
    return False


def _comes_back(observations: list[Observation]) -> bool:
    last: dict[int, int] = {}
    for position, one in enumerate(observations):
        before = last.get(one.principal)
        if before is not None and any(
            between.digest != one.digest for between in observations[before + 1 : position]
        ):
            return True
        last[one.principal] = position
    return False


class LeakGuard:
    """Remembers what was observed, and which routes leak. Bounded in size; time comes in.

    Attributes:
        suspects: the keys under which callers got different bodies, and it is not clear why.
        quarantined: the routes that leak, with the reason.
        found: how many leaks were found.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[GuardKey, tuple[Observation, ...]] = OrderedDict()
        self.suspects: set[GuardKey] = set()
        self._settled: OrderedDict[GuardKey, None] = OrderedDict()
        self._cleared: dict[GuardUnit, int] = {}
        self._looks = 0
        self.quarantined: dict[GuardUnit, str] = {}
        self.found = 0

    def is_settled(self, unit: GuardUnit, key: GuardKey) -> bool:
        """Whether a response newly stored under this key needs no watching.

        A route of which several keys are settled is trusted, but for one response in 64.
        """
        if key in self._settled:
            return True
        if self._cleared.get(unit, 0) < _TRUSTED_AFTER:
            return False
        self._looks += 1
        return self._looks % _LOOK_AGAIN != 0

    def is_known(self, key: GuardKey) -> bool:
        """Whether it was seen that this is shared, or changes by itself."""
        return key in self._settled

    def is_suspect(self, key: GuardKey) -> bool:
        """Whether callers got different bodies, so that the origin is asked for each of them."""
        return key in self.suspects

    def observe(self, unit: GuardUnit, key: GuardKey, seen: Observation) -> Finding:
        """Takes an observation in; a leak puts the route into quarantine."""
        observations = (*self._seen.get(key, ()), seen)[-_MAX_OBSERVATIONS:]
        self._seen[key] = observations
        self._seen.move_to_end(key)
        if len(self._seen) > _MAX_KEYS:
            self.suspects.discard(self._seen.popitem(last=False)[0])
        finding = judge(observations)
        if finding is Finding.SUSPECT:
            self.suspects.add(key)
        else:
            self.suspects.discard(key)
        if finding is Finding.SETTLED and key not in self._settled:
            self._settled[key] = None
            if len(self._settled) > _MAX_KEYS:
                self._settled.popitem(last=False)
            if len(self._cleared) >= _MAX_KEYS:
                self._cleared.clear()
            self._cleared[unit] = self._cleared.get(unit, 0) + 1
        elif finding in {Finding.SAME_VALIDATOR, Finding.COMES_BACK}:
            self._quarantine(unit, finding.value)
        return finding

    def release(self, unit: GuardUnit) -> bool:
        """Lets a route be cached again; whether it was in quarantine."""
        self._seen.clear()
        self.suspects.clear()
        return self.quarantined.pop(unit, None) is not None

    def _quarantine(self, unit: GuardUnit, reason: str) -> None:
        if unit in self.quarantined:
            return
        self.found += 1
        self._cleared.pop(unit, None)
        if len(self.quarantined) < _MAX_QUARANTINED:
            self.quarantined[unit] = reason
