"""Limit counters that many nodes share, in Redis or Valkey."""

import asyncio
from collections.abc import Sequence
from importlib.resources import files

import msgspec

from lukhas.errors import StoreError, StoreReplyError
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.calendar_quota import CalendarQuota
from lukhas.policy.rate_limiting.concurrency import Concurrency
from lukhas.policy.rate_limiting.counting import Counting
from lukhas.policy.rate_limiting.decisions import LimitDecision, Violation, violations_of
from lukhas.policy.rate_limiting.exact_log import ExactLog
from lukhas.policy.rate_limiting.gcra import Gcra
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan
from lukhas.policy.rate_limiting.strict_ring import StrictRing
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_scripts import Script

__all__ = ("RedisCounterStore",)

_US_NS = 1000
_MOST_TRIES = 4
_encode = msgspec.msgpack.Encoder().encode


class RedisCounterStore:
    """A `RemoteCounterStore` in Redis or Valkey, alone or as a Cluster.

    All limits of a subject are decided in one script, with the time of the server. Their keys hold
    the subject as hash tag, so that in a Cluster they lie on one server. Every key expires when it
    counts nothing any more. Where a plan counts several subjects, a single server still decides on
    all of them at once; in a Cluster they are asked one after the other, and what was charged to
    the first is given back when a later one refuses.

    Args:
        link: to the servers.
        prefix: of all keys.

    Attributes:
        settle_failures: how often a charge could not be put right.
    """

    def __init__(self, link: RedisLink, *, prefix: str = "lukhas") -> None:
        self._link = link
        self._prefix = prefix.encode()
        source = files("lukhas.storage").joinpath("lua", "counters.lua")
        self._script = Script(source.read_text(encoding="utf-8"))
        self._groups: dict[int, _Words] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self.settle_failures = 0

    async def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
        *,
        at_us: int | None = None,
    ) -> LimitDecision:
        """See `RemoteCounterStore.decide`.

        Args:
            plan: the limits.
            subjects: for each group, whom it is counted for.
            now_ns: the time here; only periods of the calendar are named by it.
            cost: what the request uses.
            costs: what it uses of each group, where they differ.
            at_us: the time to decide by, in place of the server's; for tests.

        Raises:
            StoreError: the server cannot be asked, or refuses.
        """
        all_costs = costs or (cost,) * len(plan.groups)
        indexes = range(len(plan.groups))
        if not self._link.settings.cluster or len(set(subjects)) == 1:
            found = await self._take(plan, subjects, all_costs, indexes, (now_ns, at_us))
        else:
            found = await self._take_in_turn(plan, subjects, all_costs, (now_ns, at_us))
        return _decision(plan, found, all_costs)

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `RemoteCounterStore.settle`."""
        task = asyncio.get_running_loop().create_task(
            self._settle(decision.plan, subjects, changes, (now_ns, decision.now_ns // _US_NS))
        )
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def settled(self) -> None:
        """Waits until all that is to be put right was."""
        while self._settling:
            await asyncio.wait(self._settling)

    async def _settle(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        changes: Sequence[int],
        times: tuple[int, int],
    ) -> None:
        now_ns, at_us = times
        indexes = [index for index, change in enumerate(changes) if change]
        # In a Cluster each subject has a server of its own.
        for subject in dict.fromkeys(subjects[index] for index in indexes):
            mine = [index for index in indexes if subjects[index] == subject]
            words = [self._words(plan.groups[index]) for index in mine]
            keys = [self._key(plan.groups[index], subject) for index in mine]
            groups = [
                word.with_cost(changes[index], now_ns)
                for word, index in zip(words, mine, strict=True)
            ]
            try:
                await self._link.script(self._script, keys, [b"settle", b"", at_us, *groups])
            except StoreError:
                self.settle_failures += 1

    async def _take_in_turn(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        costs: tuple[int, ...],
        times: tuple[int, int | None],
    ) -> "dict[int, _Taken]":
        found: dict[int, _Taken] = {}
        for subject in dict.fromkeys(subjects):
            indexes = [index for index, mine in enumerate(subjects) if mine == subject]
            taken = await self._take(plan, subjects, costs, indexes, times)
            found.update(taken)
            if any(
                not one.fits and plan.groups[i].mode is Mode.ENFORCE for i, one in taken.items()
            ):
                await self._give_back(plan, subjects, costs, found)
                break
        for index in range(len(plan.groups)):
            if index not in found:
                # Not asked any more, since another limit refused: what it counts is not known.
                group = plan.groups[index]
                found[index] = _Taken(
                    times[0], bytes(group.counting.new_state(times[0])), fits=True
                )
        return found

    async def _give_back(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        costs: tuple[int, ...],
        found: "dict[int, _Taken]",
    ) -> None:
        refusing = {
            subjects[index]
            for index, one in found.items()
            if not one.fits and plan.groups[index].mode is Mode.ENFORCE
        }
        changes = [
            -costs[index]
            if index in found and found[index].fits and subjects[index] not in refusing
            else 0
            for index in range(len(plan.groups))
        ]
        first = next(iter(found.values()))
        await self._settle(plan, subjects, changes, (first.now_ns, first.now_ns // _US_NS))

    async def _take(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        costs: tuple[int, ...],
        indexes: Sequence[int],
        times: tuple[int, int | None],
    ) -> "dict[int, _Taken]":
        now_ns, at_us = times
        keys = [self._key(plan.groups[index], subjects[index]) for index in indexes]
        words = [self._words(plan.groups[index]) for index in indexes]
        at = b"" if at_us is None else b"%d" % at_us
        for _ in range(_MOST_TRIES):
            groups = [
                word.with_cost(costs[index], now_ns)
                for word, index in zip(words, indexes, strict=True)
            ]
            reply = await self._link.script(self._script, keys, [b"take", at, b"", *groups])
            server_us, flags, states = _read(reply, len(indexes))
            if b"u" not in flags:
                return {
                    index: _Taken(server_us * _US_NS, state, fits=flag == _FITS)
                    for index, flag, state in zip(indexes, flags, states, strict=True)
                }
            for key, index, flag, state in zip(keys, indexes, flags, states, strict=True):
                if flag == _FOREIGN:
                    counting = plan.groups[index].counting
                    await self._adopt(counting, key, state, server_us * _US_NS)
        raise StoreReplyError(
            self._name, "STALE", "the counters of a limit cannot be brought up to date"
        )

    async def _adopt(self, counting: Counting, key: bytes, state: bytes, now_ns: int) -> None:
        """Replaces a state made under other limits, unless somebody else was quicker."""
        adopted = bytes(counting.adopt(state, now_ns))
        ttl_ms = max(1, (counting.expires_ns(bytearray(adopted)) - now_ns) // 1_000_000) + 1000
        await self._link.script(_REPLACE, [key], [state, adopted, ttl_ms])

    @property
    def _name(self) -> str:
        return ",".join(str(address) for address in self._link.settings.addresses)

    def _key(self, group: LimitGroup, subject: str) -> bytes:
        tag = subject.replace("}", ")").encode("utf-8", "surrogatepass")
        return b"%b:{%b}:%b" % (self._prefix, tag or b"-", group.table.encode())

    def _words(self, group: LimitGroup) -> "_Words":
        words = self._groups.get(id(group))
        if words is None or words.group is not group:
            words = self._groups[id(group)] = _Words(group)
        return words


_FITS, _FOREIGN = ord("y"), ord("u")

_REPLACE = Script(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 end return 0"
)


class _Taken:
    """What the server said about one group."""

    __slots__ = ("fits", "now_ns", "state")

    def __init__(self, now_ns: int, state: bytes, *, fits: bool) -> None:
        self.now_ns = now_ns
        self.state = state
        self.fits = fits


class _Words:
    """A group as the script reads it: MessagePack, its cost last.

    GROUPS: `kind` 1 to 5, `enforced`; of a ring `sig`, `cell` and `cell_most`, `width` and `quota`
    of each window, `least` and `longest`, `head`; of a log `window`, `quota`, `longest`; of GCRA
    `window_s`, `each`, `most`; of calendar quotas `code`, `quota`, `start`, `ends`, `next_end`; of
    what is in flight `quota`, `hold`. Times in microseconds.
    """

    __slots__ = ("_encoded", "_until_us", "group")

    def __init__(self, group: LimitGroup) -> None:
        self.group = group
        self._encoded = b""
        self._until_us = -1

    def with_cost(self, cost: int, now_ns: int) -> bytes:
        """The group and what it is charged."""
        if self._until_us <= now_ns // _US_NS:
            self._encode(now_ns // _US_NS)
        return self._encoded + _encode(cost)

    def _encode(self, now_us: int) -> None:
        counting = self.group.counting
        members: dict[str, object] = {"enforced": self.group.mode is Mode.ENFORCE}
        self._until_us = 2**62
        if isinstance(counting, StrictRing):
            layout = counting.layout
            members |= {"kind": 1, **layout, "sig": _raw(counting.signature)}
        elif isinstance(counting, ExactLog):
            members |= {"kind": 2, **counting.layout}
        elif isinstance(counting, Gcra):
            members |= {"kind": 3, **counting.layout}
        elif isinstance(counting, CalendarQuota):
            spans = counting.spans(now_us)
            self._until_us = min(span.end_us for _code, span, _next in spans)
            members |= {
                "kind": 4,
                "code": [code for code, _span, _next in spans],
                "quota": [limit.quota for limit in counting.limits],
                "start": [span.start_us for _code, span, _next in spans],
                "ends": [span.end_us for _code, span, _next in spans],
                "next_end": [following.end_us for _code, _span, following in spans],
            }
        elif isinstance(counting, Concurrency):
            members |= {"kind": 5, **counting.layout}
        # A cost of 0 is one byte: without it, what is left waits for a cost.
        self._encoded = _encode({**members, "cost": 0})[:-1]


def _raw(value: bytes) -> msgspec.Raw:
    # The Lua reader knows strings only, not binary values.
    return msgspec.Raw(b"\xda" + len(value).to_bytes(2, "big") + value)


def _read(reply: object, groups: int) -> tuple[int, bytes, list[bytes]]:
    if not isinstance(reply, list) or len(reply) != groups + 2:
        raise StoreReplyError("redis", "GARBAGE", "an answer of the counters cannot be read")
    server_us, flags, *states = reply
    return int(server_us), flags, states


def _decision(plan: LimitPlan, found: dict[int, _Taken], costs: tuple[int, ...]) -> LimitDecision:
    now_ns = found[0].now_ns
    violations: list[Violation] = []
    shadow: list[Violation] = []
    for index, group in enumerate(plan.groups):
        taken = found[index]
        if not taken.fits:
            state = bytearray(taken.state)
            broken = violations_of(group, state, now_ns, costs[index])
            (violations if group.mode is Mode.ENFORCE else shadow).extend(broken)
    left = tuple(found[index].state for index in range(plan.enforced))
    cost = max(costs, default=1)
    return LimitDecision(plan, left, now_ns, cost, tuple(violations), tuple(shadow), costs)
