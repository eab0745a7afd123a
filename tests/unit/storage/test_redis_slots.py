"""Which part of a cluster keeps a key."""

import pytest

from lukhas.storage.redis_commands import Word
from lukhas.storage.redis_slots import command_slot, key_slot


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        # The first is the example of the specification (CRC16 0x31C3); the others as
        # CLUSTER KEYSLOT of Valkey says.
        (b"123456789", 12739),
        (b"", 0),
        (b"foo", 12182),
        (b"{foo}bar", 12182),
        (b"a{foo}b{bar}", 12182),
    ],
)
def test_slots_are_those_of_the_specification(key: bytes, slot: int) -> None:
    """CRC16 (XMODEM) of the hash tag, or of the key."""
    assert key_slot(key) == slot


@pytest.mark.parametrize("key", [b"{}foo", b"{foo", b"foo}", b"}foo{"])
def test_what_is_no_hash_tag(key: bytes) -> None:
    """Empty braces and half ones count as they are."""
    assert key_slot(key) != key_slot(b"foo")
    assert key_slot(key) != key_slot(b"")


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "k"), b"k"),
        (("INCRBY", b"k", 2), b"k"),
        (("eval", "return 1", 1, "k", "a"), b"k"),
        (("OBJECT", "ENCODING", "k"), b"k"),
        (("GET", 5), b"5"),
        (("PING",), None),
        (("info", "all"), None),
        (("EVAL", "return 1", 0), None),
    ],
)
def test_the_key_of_a_command(command: tuple[Word, ...], key: bytes | None) -> None:
    """It is found for the commands that the link is made for."""
    assert command_slot(command) == (None if key is None else key_slot(key))
