"""States that are a list of words."""

import sys

import pytest

from lukhas.policy.rate_limiting.words import is_words, words_of, write_words

KIND = b"\x02\0\0\0"


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_states_are_little_endian_everywhere(
    monkeypatch: pytest.MonkeyPatch, byteorder: str
) -> None:
    """Machines of either order read the state of the other: bytes are swapped just where needed."""
    swapped = byteorder != sys.byteorder
    monkeypatch.setattr(sys, "byteorder", byteorder)
    state = bytearray(KIND + (1).to_bytes(8, "little") + (2).to_bytes(8, "little"))
    words = words_of(state)
    assert list(words) == [number << 56 if swapped else number for number in (1, 2)]
    before = words[:]
    written = bytearray(KIND)
    write_words(written, words)
    assert written == state
    assert words == before


def test_a_state_is_whole_words_behind_its_kind() -> None:
    """Anything else is none."""
    assert is_words(KIND, KIND)
    assert is_words(bytearray(KIND + bytes(8)), KIND)
    for other in (b"", KIND[:3], KIND + bytes(7), b"\x03\0\0\0", KIND + bytes(9)):
        assert not is_words(other, KIND)
