"""Limit counters that many nodes share, in Redis or Valkey."""

import asyncio
import struct
from collections.abc import Coroutine, Sequence
from importlib.resources import files

from lukhas.errors import StoreError, StoreReplyError
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.counting import Counting
from lukhas.policy.rate_limiting.decisions import LimitDecision, Violation, violations_of
from lukhas.policy.rate_limiting.plans import LimitGroup, LimitPlan
from lukhas.storage.redis_groups import GroupWords
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_scripts import Script

__all__ = ("RedisCounterStore",)

_US_NS = 1000
_MOST_TRIES = 4
_MOST_GROUPS = 4096
_TIME_BYTES = 8
_FITS, _REFUSES, _FOREIGN = b"ynu"
_REPLACE = Script(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 end return 0"
)


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
        server_time: whether the server says what time it is; else the caller does, as in tests.

    Attributes:
        settle_failures: how often a charge could not be put right.
    """

    def __init__(
        self, link: RedisLink, *, prefix: str = "lukhas", server_time: bool = True
    ) -> None:
        self._link = link
        self._prefix = prefix.encode()
        self._server_time = server_time
        self._in_turn = link.settings.cluster
        source = files("lukhas.storage").joinpath("lua", "counters.lua")
        self._script = Script(source.read_text(encoding="utf-8"))
        self._groups: dict[int, GroupWords] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self.settle_failures = 0

    async def decide(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        now_ns: int,
        cost: int,
        costs: tuple[int, ...] = (),
    ) -> LimitDecision:
        """See `RemoteCounterStore.decide`.

        Args:
            plan: the limits.
            subjects: for each group, whom it is counted for.
            now_ns: the time here; with that of the server only periods of the calendar are named
                by it.
            cost: what the request uses.
            costs: what it uses of each group, where they differ.

        Raises:
            StoreError: the server cannot be asked, or refuses.
        """
        all_costs = costs or (cost,) * len(plan.groups)
        if plan.is_simple:
            words = self._words(plan.groups[0])
            if words.signature:
                return await self._take_ring(plan, subjects, words, now_ns, all_costs)
        if not self._in_turn or len(set(subjects)) == 1:
            found = await self._take(plan, subjects, all_costs, range(len(subjects)), now_ns)
        else:
            found = await self._take_in_turn(plan, subjects, all_costs, now_ns)
        return _decision(plan, found, all_costs)

    def settle(
        self,
        decision: LimitDecision,
        subjects: tuple[str, ...],
        now_ns: int,
        changes: Sequence[int],
    ) -> None:
        """See `RemoteCounterStore.settle`."""
        if isinstance(decision, _DecisionInTurn):
            times_ns = decision.times_ns
        else:
            times_ns = (decision.now_ns,) * len(changes)
        self._start(self._settle(decision.plan, subjects, changes, times_ns, now_ns))

    async def settled(self) -> None:
        """Waits until all that is to be put right was."""
        while self._settling:
            await asyncio.wait(self._settling)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        changes: Sequence[int],
        times_ns: Sequence[int],
        now_ns: int,
    ) -> None:
        indexes = [index for index, change in enumerate(changes) if change]
        # In a Cluster each subject has a server, and so a time, of its own.
        for subject in dict.fromkeys([subjects[index] for index in indexes]):
            mine = [index for index in indexes if subjects[index] == subject]
            words = [self._words(plan.groups[index]) for index in mine]
            keys = [self._key(word, subject) for word in words]
            groups = [
                word.with_cost(changes[index], now_ns)
                for word, index in zip(words, mine, strict=True)
            ]
            at_us = times_ns[mine[0]] // _US_NS
            try:
                await self._link.script(
                    self._script, keys, [b"settle", self._at(now_ns), at_us, *groups]
                )
            except StoreError:
                self.settle_failures += 1

    async def _take_ring(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        words: GroupWords,
        now_ns: int,
        costs: tuple[int, ...],
    ) -> LimitDecision:
        """The usual case: one group of strict limits, for which the script has a short way."""
        cost = costs[0]
        reply = await self._link.script(
            self._script,
            (self._key(words, subjects[0]),),
            (
                b"ring", self._at(now_ns), b"%d" % cost, words.with_cost(cost, now_ns),
                words.signature, words.head_end,
            ),
        )  # fmt: skip
        if type(reply) is bytes:
            server_ns = int.from_bytes(reply[:_TIME_BYTES], "little") * _US_NS
            return LimitDecision(plan, (reply[_TIME_BYTES:],), server_ns, cost)
        found = self._read(reply, (0,))
        if found is None:
            await self._adopt_all(plan, subjects, (0,), reply)
            found = await self._take(plan, subjects, costs, (0,), now_ns)
        return _decision(plan, found, costs)

    async def _take_in_turn(
        self, plan: LimitPlan, subjects: tuple[str, ...], costs: tuple[int, ...], now_ns: int
    ) -> "dict[int, _Taken]":
        found: dict[int, _Taken] = {}
        try:
            for subject in dict.fromkeys(subjects):
                indexes = [index for index, mine in enumerate(subjects) if mine == subject]
                taken = await self._take(plan, subjects, costs, indexes, now_ns)
                if any(
                    not one.fits and plan.groups[index].mode is Mode.ENFORCE
                    for index, one in taken.items()
                ):
                    self._give_back(plan, subjects, costs, found, now_ns)
                    found.update(taken)
                    break
                found.update(taken)
        except BaseException:
            # The request is not let through by this decision, whatever becomes of it.
            self._give_back(plan, subjects, costs, found, now_ns)
            raise
        for index, group in enumerate(plan.groups):
            if index not in found:
                # Not asked any more, since another limit refused: what it counts is not known.
                found[index] = _Taken(now_ns, bytes(group.counting.new_state(now_ns)), fits=True)
        return found

    def _give_back(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        costs: tuple[int, ...],
        found: "dict[int, _Taken]",
        now_ns: int,
    ) -> None:
        """Gives back what was charged to the subjects that were asked first."""
        groups = range(len(plan.groups))
        changes = [-costs[i] if i in found and found[i].fits else 0 for i in groups]
        if any(changes):
            times_ns = [found[i].now_ns if i in found else 0 for i in groups]
            self._start(self._settle(plan, subjects, changes, times_ns, now_ns))

    async def _take(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        costs: tuple[int, ...],
        indexes: Sequence[int],
        now_ns: int,
    ) -> "dict[int, _Taken]":
        words = [self._words(plan.groups[index]) for index in indexes]
        keys = [
            self._key(word, subjects[index]) for word, index in zip(words, indexes, strict=True)
        ]
        groups = [
            word.with_cost(costs[index], now_ns) for word, index in zip(words, indexes, strict=True)
        ]
        for _ in range(_MOST_TRIES):
            reply = await self._link.script(
                self._script, keys, (b"take", self._at(now_ns), b"", *groups)
            )
            found = self._read(reply, indexes)
            if found is not None:
                return found
            await self._adopt_all(plan, subjects, indexes, reply)
        raise StoreReplyError(
            self._name, "STALE", "the counters of a limit cannot be brought up to date"
        )

    def _read(self, reply: object, indexes: Sequence[int]) -> "dict[int, _Taken] | None":
        """What an answer says; None if states were made under other limits."""
        if not isinstance(reply, list) or len(reply) != len(indexes) + 2:
            raise StoreReplyError(self._name, "GARBAGE", "an answer of the counters cannot be read")
        server_us, flags, *states = reply
        if _FOREIGN in flags:
            return None
        now_ns = int(server_us) * _US_NS
        return {
            index: _Taken(now_ns, state, fits=flag == _FITS)
            for index, flag, state in zip(indexes, flags, states, strict=True)
        }

    async def _adopt_all(
        self,
        plan: LimitPlan,
        subjects: tuple[str, ...],
        indexes: Sequence[int],
        reply: list[bytes],
    ) -> None:
        server_us, flags, *states = reply
        for index, flag, state in zip(indexes, flags, states, strict=True):
            if flag == _FOREIGN:
                group = plan.groups[index]
                key = self._key(self._words(group), subjects[index])
                await self._adopt(group.counting, key, state, int(server_us) * _US_NS)

    async def _adopt(self, counting: Counting, key: bytes, state: bytes, now_ns: int) -> None:
        """Replaces a state made under other limits, unless somebody else was quicker."""
        try:
            adopted = counting.adopt(state, now_ns)
            expires_ns = counting.expires_ns(adopted)
        except (ValueError, struct.error):
            # No state at all: something else has written there.
            adopted = counting.new_state(now_ns)
            expires_ns = counting.expires_ns(adopted)
        ttl_ms = max(0, -(-(expires_ns - now_ns) // 1_000_000)) + 1000
        await self._link.script(_REPLACE, [key], [state, bytes(adopted), ttl_ms])

    @property
    def _name(self) -> str:
        return ",".join(str(address) for address in self._link.settings.addresses)

    def _at(self, now_ns: int) -> bytes:
        return b"" if self._server_time else b"%d" % (now_ns // _US_NS)

    def _key(self, words: GroupWords, subject: str) -> bytes:
        if "}" in subject or "%" in subject:
            # A bracket would end the hash tag.
            subject = subject.replace("%", "%25").replace("}", "%7D")
        tag = subject.encode("utf-8", "surrogatepass") or b"%"
        return b"%b:{%b}:%b" % (self._prefix, tag, words.table)

    def _words(self, group: LimitGroup) -> GroupWords:
        # By identity: plans are made once and kept by whoever asks with them.
        words = self._groups.get(id(group))
        if words is None or words.group is not group:
            if len(self._groups) >= _MOST_GROUPS:
                self._groups.clear()
            words = self._groups[id(group)] = GroupWords(group)
        return words


class _Taken:
    """What the server said about one group."""

    __slots__ = ("fits", "now_ns", "state")

    def __init__(self, now_ns: int, state: bytes, *, fits: bool) -> None:
        self.fits = fits
        self.now_ns = now_ns
        self.state = state


class _DecisionInTurn(LimitDecision):
    """A decision of several servers, each with its own time.

    Attributes:
        times_ns: when each group was charged, by the time of its server.
    """

    __slots__ = ("times_ns",)

    times_ns: tuple[int, ...]


def _decision(plan: LimitPlan, found: dict[int, _Taken], costs: tuple[int, ...]) -> LimitDecision:
    groups = range(len(plan.groups))
    times_ns = tuple([found[index].now_ns for index in groups])
    violations: list[Violation] = []
    shadow: list[Violation] = []
    for index, group in enumerate(plan.groups):
        taken = found[index]
        if not taken.fits:
            state = bytearray(taken.state)
            broken = violations_of(group, state, times_ns[index], costs[index])
            (violations if group.mode is Mode.ENFORCE else shadow).extend(broken)
    left = tuple([found[index].state for index in range(plan.enforced)])
    kind = _DecisionInTurn if len(set(times_ns)) > 1 else LimitDecision
    decision = kind(
        plan, left, times_ns[0], max(costs, default=1), tuple(violations), tuple(shadow), costs
    )
    decision.shadow_left = tuple([found[index].state for index in groups[plan.enforced :]])
    if isinstance(decision, _DecisionInTurn):
        decision.times_ns = times_ns
    return decision
