"""Which part of a Redis Cluster keeps a key (Redis Cluster specification, key distribution)."""

import binascii
from collections.abc import Sequence

from lukhas.storage.redis_commands import Word

__all__ = ("SLOTS", "command_slot", "key_slot")

SLOTS = 16_384

# Commands that any node answers; the key of the others is their second word...
_WITHOUT_KEY = frozenset(
    b"ACL AUTH CLIENT CLUSTER COMMAND CONFIG DBSIZE ECHO FUNCTION HELLO INFO LATENCY MEMORY PING "
    b"PUBLISH ROLE SCRIPT TIME WAIT".split()
)
# ...but for these, which count their keys first.
_KEY_AT = {
    b"EVAL": 3, b"EVALSHA": 3, b"EVAL_RO": 3, b"EVALSHA_RO": 3, b"FCALL": 3, b"FCALL_RO": 3,
    b"OBJECT": 2, b"XGROUP": 2, b"XINFO": 2, b"BITOP": 2,
}  # fmt: skip


def key_slot(key: bytes) -> int:
    """The slot of a key: CRC16 (XMODEM) of what stands between the first braces, or of it all."""
    begin = key.find(b"{")
    if begin >= 0:
        end = key.find(b"}", begin + 1)
        if end > begin + 1:
            key = key[begin + 1 : end]
    return binascii.crc_hqx(key, 0) % SLOTS


def command_slot(command: Sequence[Word]) -> int | None:
    """The slot of the first key of a command; None if it has no key."""
    name = _bytes(command[0]).upper()
    if name in _WITHOUT_KEY:
        return None
    place = _KEY_AT.get(name, 1)
    return key_slot(_bytes(command[place])) if len(command) > place else None


def _bytes(word: Word) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()
