"""The purges of a cluster, in Redis or Valkey: every node hears of them, and old entries show.

One hash holds marks: the epoch (another one after the server lost its data), the number of the last
purge, a floor, and for each resource and tag the number of its last purge. One list holds the last
purges. All marks are in one key, so that a server that evicts keys loses all of them or none: an
entry without marks of its epoch is never used.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from lukhas.policy.caching.keys import ResourceKey
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.tags import Tags
from lukhas.storage.entry_codec import decode_purge, encode_purge
from lukhas.storage.node_entries import ClusterMark
from lukhas.storage.node_entry_keys import key_prefix, tag_digest
from lukhas.storage.redis_link import RedisLink
from lukhas.storage.redis_scripts import Script

__all__ = ("ClusterPurges", "Marks")

_MARKS = b"lukhas:{cache}:marks"
_LOG = b"lukhas:{cache}:log"
_EPOCH_BYTES = 8
_MAX_OWED = 1024

# ARGV: an epoch to begin with if there is none. Gives epoch, last number and floor.
_BEGIN = Script(
    """
if redis.call('HSETNX', KEYS[1], 'e', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 's', 0, 'f', 0)
  redis.call('DEL', KEYS[2])
end
return redis.call('HMGET', KEYS[1], 'e', 's', 'f')
"""
)
# ARGV: an epoch to begin with, the record, the field to mark. Gives epoch and number.
_PURGE = Script(
    """
if redis.call('HSETNX', KEYS[1], 'e', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 's', 0, 'f', 0)
  redis.call('DEL', KEYS[2])
end
local number = redis.call('HINCRBY', KEYS[1], 's', 1)
redis.call('HSET', KEYS[1], ARGV[3], number)
local epoch = redis.call('HGET', KEYS[1], 'e')
if redis.call('HLEN', KEYS[1]) > 100000 then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'e', epoch, 's', number, 'f', number)
end
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('LTRIM', KEYS[2], -4096, -1)
return {epoch, number}
"""
)


class _Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    origin: bytes
    purge: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(_Record).decode


@dataclass(frozen=True, slots=True)
class Marks:
    """From which purge on an entry is still true.

    Attributes:
        epoch: of which count.
        least: the least number that its position may have.
    """

    epoch: bytes
    least: int


class ClusterPurges:
    """Tells the cluster what this node purges, and this process what the cluster does.

    Args:
        link: to the server.
        node_name: what tells this node from others; the same for all its workers.
        apply: takes away what another node has purged, or everything where that is not known;
            None where it was this node's own, which only is to be noted.
        sequence: gives the number of the last purge known in this process.
        known: the last purge of the cluster that the node has taken notice of.

    Attributes:
        applied: how many purges of other nodes were applied.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        node_name: bytes,
        apply: Callable[[Purge | None, ClusterMark], None],
        sequence: Callable[[], int],
        known: ClusterMark | None = None,
    ) -> None:
        self._link = link
        self._node_name = node_name
        self._apply = apply
        self._sequence = sequence
        self._mark = known
        # Each pair: from this purge of the process on, that purge of the cluster is known.
        self._positions: list[tuple[int, int]] = []
        self._owed: list[Purge] = []
        self._is_flushing = False
        self.applied = 0

    def position(self, ticket: int) -> ClusterMark | None:
        """The last purge of the cluster that was surely known when a ticket was drawn."""
        mark = self._mark
        if mark is None:
            return None
        for sequence, number in reversed(self._positions):
            if sequence <= ticket:
                return ClusterMark(mark.epoch, number)
        return None

    async def least(self, resource: ResourceKey) -> Marks | None:
        """From when on what was stored of a resource is still true, its tags aside."""
        field = _resource_field(resource)
        found = await self._link.call("HMGET", _MARKS, "e", "f", field, key=_MARKS)
        epoch, floor, number = found
        if epoch is None:
            return None
        return Marks(bytes(epoch), max(int(floor or 0), int(number or 0)))

    async def are_untouched(self, tags: Tags, position: int) -> bool:
        """Whether none of these tags was purged since."""
        fields = [_tag_field(tag) for tag in tags]
        found = await self._link.call("HMGET", _MARKS, "e", *fields, key=_MARKS)
        return found[0] is not None and all(int(number or 0) <= position for number in found[1:])

    def owe(self, purge: Purge) -> None:
        """Takes a purge that the cluster has to be told; `flush` does it."""
        if len(self._owed) >= _MAX_OWED:
            self._owed = [Purge()]
        else:
            self._owed.append(purge)

    async def flush(self) -> None:
        """Tells the cluster what it has to be told.

        Raises:
            StoreError: the server does not answer; what it was not told stays owed.
        """
        if self._is_flushing:
            return
        self._is_flushing = True
        try:
            while self._owed:
                purge = self._owed[0]
                sequence = self._sequence()
                record = _encode(_Record(self._node_name, encode_purge(purge)))
                answer = await self._link.script(
                    _PURGE,
                    [_MARKS, _LOG],
                    [os.urandom(_EPOCH_BYTES), record, _field(purge)],
                )
                if self._owed and self._owed[0] is purge:
                    del self._owed[0]
                self._acknowledged(ClusterMark(bytes(answer[0]), int(answer[1])), sequence)
        finally:
            self._is_flushing = False

    def _acknowledged(self, mark: ClusterMark, sequence: int) -> None:
        known = self._mark
        if known is not None and known.epoch == mark.epoch and known.number + 1 == mark.number:
            self._advance(mark, sequence)
            self._apply(None, mark)

    async def follow(self) -> None:
        """Applies what other nodes have purged since the last time.

        Raises:
            StoreError: the server does not answer.
        """
        await self.flush()
        answer = await self._link.script(_BEGIN, [_MARKS, _LOG], [os.urandom(_EPOCH_BYTES)])
        epoch, last = bytes(answer[0]), int(answer[1] or 0)
        known = self._mark
        if known is not None and known.epoch == epoch and known.number >= last:
            if not self._positions:
                self._advance(known, self._sequence())
            return
        if known is None or known.epoch != epoch:
            self._missed(ClusterMark(epoch, last))
            return
        records: list[Any] = await self._link.call("LRANGE", _LOG, known.number - last, -1)
        # The list may have grown since; what is beyond comes with the next look.
        if len(records) < last - known.number:
            self._missed(ClusterMark(epoch, last))
            return
        grown = await self._link.call("HMGET", _MARKS, "e", "s", key=_MARKS)
        if grown[0] is None or bytes(grown[0]) != epoch or int(grown[1]) != last:
            return
        for number, record in enumerate(records, known.number + 1):
            self._take(record, ClusterMark(epoch, number))

    def _take(self, packed: bytes, mark: ClusterMark) -> None:
        if self._mark is not None and self._mark.number >= mark.number:
            return
        try:
            record = _decode_record(packed)
        except msgspec.MsgspecError:
            purge: Purge | None = Purge()
        else:
            own = record.origin == self._node_name
            purge = None if own else decode_purge(record.purge)
        self._apply(purge, mark)
        self.applied += purge is not None
        self._advance(mark, self._sequence())

    def _missed(self, mark: ClusterMark) -> None:
        """Nobody knows what was purged in the meantime, so everything was."""
        self._apply(Purge(), mark)
        self._positions.clear()
        self._mark = None
        self._advance(mark, self._sequence())

    def _advance(self, mark: ClusterMark, sequence: int) -> None:
        positions = self._positions
        if positions:
            sequence = max(sequence, positions[-1][0])
        self._mark = mark
        positions.append((sequence, mark.number))
        if len(positions) > _MAX_OWED:
            del positions[: _MAX_OWED // 2]


def _field(purge: Purge) -> bytes:
    """What a purge marks: its resource or its tag; a wide one everything that is stored."""
    if purge.resource is not None:
        return _resource_field(purge.resource)
    return b"f" if purge.tag is None else _tag_field(purge.tag)


def _resource_field(resource: ResourceKey) -> bytes:
    return b"r" + key_prefix(resource)


def _tag_field(tag: str) -> bytes:
    return b"t" + tag_digest(tag)
