"""The Huffman code of HPACK (RFC 7541 appendix B)."""

from functools import cache

__all__ = ("HuffmanError", "huffman_decoded")

# The code is canonical, so the length of each symbol's code says all: 0 to 255, then the end mark.
_LENGTHS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b"
    "080606060505050606060606060607080f060c0a0d0607070707070707070707070707070707070707070707"
    "0807080d130d0e060f05060506050606060507070606060506070605050607070707070f0b0e0d1c14161414"
    "1616161716171717171718171818161718171717171516171617171816151416161717151716161815161717"
    "151516151716171714161616171616171a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a"
    "1c1b1b1b14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e"
)
_END_MARK = 256
_MOST_PADDING_BITS = 7

_Step = tuple[int, bytes, bool]
"""What four bits lead to: the next state, the byte that is whole now, whether it may end here."""


class HuffmanError(Exception):
    """A string is not coded as it should be."""


def huffman_decoded(data: bytes) -> bytes:
    """The string that was coded.

    Raises:
        HuffmanError: it holds the end mark, or does not end with up to seven bits of padding.
    """
    steps = _steps()
    out = []
    state, may_end = 0, True
    for byte in data:
        for half in (byte >> 4, byte & 0xF):
            step = steps[state << 4 | half]
            if step is None:
                raise HuffmanError("the end mark within a string")
            state, decoded, may_end = step
            if decoded:
                out.append(decoded)
    if not may_end:
        raise HuffmanError("a string is not padded as it should be")
    return b"".join(out)


def _codes() -> dict[tuple[int, int], int]:
    """The symbol by length and value of its code."""
    codes = {}
    code, length = 0, 0
    for symbol in sorted(range(len(_LENGTHS)), key=lambda each: (_LENGTHS[each], each)):
        code <<= _LENGTHS[symbol] - length
        length = _LENGTHS[symbol]
        codes[length, code] = symbol
        code += 1
    return codes


@cache
def _steps() -> tuple[_Step | None, ...]:
    """By state and four bits what they lead to; a state is a place in the tree of codes."""
    codes = _codes()
    states = {(0, 0): 0}
    for length, code in codes:
        for short in range(1, length):
            states.setdefault((short, code >> (length - short)), len(states))
    steps: list[_Step | None] = [None] * (len(states) << 4)
    for (length, code), state in states.items():
        for half in range(16):
            steps[state << 4 | half] = _step(codes, states, (length, code), half)
    return tuple(steps)


def _step(
    codes: dict[tuple[int, int], int],
    states: dict[tuple[int, int], int],
    place: tuple[int, int],
    half: int,
) -> _Step | None:
    length, code = place
    decoded = b""
    for shift in (3, 2, 1, 0):
        length, code = length + 1, code << 1 | (half >> shift & 1)
        symbol = codes.get((length, code))
        if symbol == _END_MARK:
            return None
        if symbol is not None:
            decoded = bytes((symbol,))
            length = code = 0
    # Padding is the beginning of the end mark, which is all ones (RFC 7541 section 5.2).
    may_end = length <= _MOST_PADDING_BITS and code == (1 << length) - 1
    return states[length, code], decoded, may_end
