"""Commands as bytes."""

import pytest

from lukhas.storage.redis_commands import Word, pack


def test_words_of_any_type_become_bulk_strings() -> None:
    """An array of bulk strings (RESP 2)."""
    assert pack("SET", b"\r\n", 1, 0.5) == (
        b"*4\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$1\r\n1\r\n$3\r\n0.5\r\n"
    )


def test_other_types_are_a_mistake_of_the_caller() -> None:
    """They are not guessed at."""
    word: Word = object()  # type: ignore[assignment]
    with pytest.raises(TypeError):
        pack("SET", "k", word)
