"""A purge of the node's file, in steps between which other workers can store."""

from dataclasses import dataclass

import lmdb

from lukhas.policy.caching.purges import Purge
from lukhas.storage.node_entry_file import NodeEntryFile, NodeState
from lukhas.storage.node_entry_keys import key_prefix, tag_digest
from lukhas.storage.purge_log import LoggedPurge

__all__ = ("PurgeStep", "purge_step")

Transaction = lmdb.Transaction

_LOOKS = 512


@dataclass(frozen=True, slots=True)
class PurgeStep:
    """How far a purge has come.

    Attributes:
        met: how many responses this step met.
        after: where the next one begins; None if this was the last.
    """

    met: int
    after: bytes | None


def purge_step(
    file: NodeEntryFile,
    transaction: "Transaction[bytes]",
    state: NodeState,
    logged: LoggedPurge,
    *,
    after: bytes = b"",
) -> PurgeStep:
    """Takes away some of what a purge fits, or ends its freshness.

    Args:
        file: the file.
        transaction: the change.
        state: what the file knows about itself.
        logged: the purge; it fits nothing that was stored later.
        after: where the step before ended.
    """
    purge = logged.purge
    if purge == Purge():
        met = file.count(transaction)
        file.clear(transaction, state)
        return PurgeStep(met, None)
    keys = _candidates(file, transaction, purge, after)
    met = 0
    for key in keys:
        found = file.load(transaction, key)
        if found is None:
            file.detach(transaction, state, key)
        elif found.serial <= logged.serial and purge.fits(
            (*found.known.resource, ""), found.known.tags
        ):
            met += 1
            if purge.soft:
                file.overwrite(transaction, key, found.serial, found.known.outdated())
            else:
                file.detach(transaction, state, key)
    return PurgeStep(met, keys[-1] if len(keys) >= _LOOKS else None)


def _candidates(
    file: NodeEntryFile, transaction: "Transaction[bytes]", purge: Purge, after: bytes
) -> list[bytes]:
    if purge.resource is not None:
        return file.keys_from(transaction, key_prefix(purge.resource), after, _LOOKS)
    if purge.tag is not None:
        return file.tagged_from(transaction, tag_digest(purge.tag), after, _LOOKS)
    return file.keys_from(transaction, b"", after, _LOOKS)
