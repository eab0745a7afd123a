"""States that are a list of 64-bit words: a kind, then the words, little-endian."""

import sys
from array import array

__all__ = ("KIND_BYTES", "is_words", "words_of", "write_words")

KIND_BYTES = 4
_WORD_BYTES = 8


def is_words(state: bytes | bytearray, kind: bytes) -> bool:
    """Whether it is a whole state of this kind."""
    return state.startswith(kind) and len(state) % _WORD_BYTES == KIND_BYTES


def words_of(state: bytes | bytearray) -> "array[int]":
    """The words of a state."""
    words = array("Q")
    words.frombytes(state[KIND_BYTES:])
    if sys.byteorder == "big":
        words.byteswap()
    return words


def write_words(state: bytearray, words: "array[int]") -> None:
    """Replaces the words of a state."""
    if sys.byteorder == "big":
        words = words[:]
        words.byteswap()
    state[KIND_BYTES:] = words.tobytes()
