"""From a presented API key to its consumer, at the price of a dict look-up."""

from hmac import compare_digest
from typing import Protocol

from lukhas.identity.pepper import Pepper
from lukhas.identity.recent import RecentMap
from lukhas.policy.access.api_keys import (
    ApiKeyRecord,
    PresentedKey,
    Rejection,
    accepted_until_ns,
    consumer_of,
    parse_key,
)
from lukhas.policy.access.consumers import Consumer
from lukhas.units import MILLISECOND_NS

__all__ = ("CredentialCache", "KeyRecords")

LOOK_INTERVAL_NS = 20 * MILLISECOND_NS
_NO_HASH = bytes(32)


class KeyRecords(Protocol):
    """Where records of keys are looked up; `KeyTable` is one."""

    def get(self, key_id: str) -> ApiKeyRecord | None:
        """The record of a key, or None."""
        ...

    def generation(self) -> int:
        """A number that is raised by every change."""
        ...


class CredentialCache:
    """Knows which presented keys were verified, and forgets it when the table changes.

    The generation of the table is looked at once in 20 ms at most, so a revoked key stops working
    within that time, in every worker. A key that is not known here is always looked for in the
    table, so a new one works at once. Expiry is compared at every use.

    Args:
        table: where the records are.
        pepper: what the keys are hashed with.
        capacity: how many verified keys, and how many refused ones, are remembered.
        notes_uses: whether it is noted when keys were used last; only for who calls `drain_uses`
            again and again, since what is noted stays until then.
    """

    __slots__ = (
        "_accepted",
        "_generation",
        "_look_again_ns",
        "_pepper",
        "_refused",
        "_table",
        "_uses",
    )

    def __init__(
        self,
        table: KeyRecords,
        pepper: Pepper,
        *,
        capacity: int = 16_384,
        notes_uses: bool = False,
    ) -> None:
        self._table = table
        self._pepper = pepper
        # By the key itself: finding it by a dict's hash and equality tells an attacker nothing,
        # since the hash is seeded at random, and it saves hashing on each request.
        self._accepted: RecentMap[bytes, tuple[Consumer, int]] = RecentMap(capacity)
        self._refused: RecentMap[bytes, tuple[Rejection, str]] = RecentMap(capacity)
        self._generation = -1
        self._look_again_ns = 0
        self._uses: dict[str, int] | None = {} if notes_uses else None

    def consumer_for(self, presented: bytes, now_ns: int) -> Consumer | Rejection:
        """Whose key this is, or why it is refused.

        Args:
            presented: the key as the client sent it.
            now_ns: Unix time.

        Raises:
            StoreError: the table cannot be read.
        """
        if now_ns >= self._look_again_ns:
            self._look(now_ns)
        known = self._accepted.get(presented)
        if known is not None and now_ns < known[1]:
            consumer = known[0]
            if self._uses is not None:
                self._uses[consumer.credential_id] = now_ns
            return consumer
        return self._check(presented, now_ns)

    def drain_uses(self) -> dict[str, int]:
        """When each key was used last (Unix time), by key id: those used since the last call."""
        used = self._uses
        if not used:
            return {}
        self._uses = {}
        return used

    def _look(self, now_ns: int) -> None:
        generation = self._table.generation()
        if generation != self._generation:
            self._generation = generation
            self._accepted.clear()
            self._refused.clear()
        self._look_again_ns = now_ns + LOOK_INTERVAL_NS

    def _check(self, presented: bytes, now_ns: int) -> Consumer | Rejection:
        refused = self._refused.get(presented)
        if refused is not None:
            reason, key_id = refused
            # The table is asked in either case: no key id shows itself by a quicker answer.
            if (self._table.get(key_id) is None) is (reason is Rejection.UNKNOWN):
                return reason
        parsed = parse_key(presented)
        if isinstance(parsed, Rejection):
            return parsed
        answer = self._verify(parsed, now_ns)
        if isinstance(answer, Rejection):
            self._refused.put(presented, (answer, parsed.key_id))
            return answer
        self._accepted.put(presented, answer)
        if self._uses is not None:
            self._uses[answer[0].credential_id] = now_ns
        return answer[0]

    def _verify(self, key: PresentedKey, now_ns: int) -> tuple[Consumer, int] | Rejection:
        record = self._table.get(key.key_id)
        digest = self._pepper.digest(key.body)
        if record is None:
            # The same work as for a known id.
            compare_digest(_NO_HASH, digest)
            return Rejection.UNKNOWN
        until = accepted_until_ns(record, digest, now_ns)
        return until if isinstance(until, Rejection) else (consumer_of(record), until)
