"""Frames of WebSocket, however they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from lukhas.http.websocket_frames import FrameScanner


def frame(opcode: int, payload: bytes, *, masked: bool, final: bool = True) -> bytes:
    mask = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = bytes((opcode | 0x80 * final, mask | size))
    elif size < 65_536:
        head = bytes((opcode | 0x80 * final, mask | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((opcode | 0x80 * final, mask | 127)) + size.to_bytes(8, "big")
    return head + (b"mask" if masked else b"") + payload


PAYLOADS = st.one_of(st.binary(max_size=200), st.sampled_from([bytes(300), bytes(70_000)]))


def passed(scanner: FrameScanner, data: bytes, sizes: list[int]) -> bytes:
    """What goes through when the data comes in such pieces."""
    out = rest = b""
    at = 0
    while at < len(data) and scanner.violation is None:
        piece = data[at : at + (sizes.pop() if sizes else len(data))]
        at += len(piece)
        piece = rest + piece
        length = scanner.scan(piece, [])
        out += piece[:length]
        rest = piece[length:]
    return out


@given(
    st.lists(st.tuples(st.lists(PAYLOADS, min_size=1, max_size=4), st.booleans()), max_size=8),
    st.booleans(),
    st.lists(st.integers(1, 300), max_size=60),
)
def test_good_frames_pass_as_they_are(
    messages: list[tuple[list[bytes], bool]], masked: bool, sizes: list[int]
) -> None:
    """Every byte in its order, and each message is counted once, with pings between its parts."""
    data = b""
    for parts, pings in messages:
        for number, part in enumerate(parts):
            if pings:
                data += frame(0x9, b"ping", masked=masked)
            last = number == len(parts) - 1
            data += frame(0x2 if number == 0 else 0x0, part, masked=masked, final=last)
    scanner = FrameScanner(masked=masked, extended=False, message_bytes=0)
    assert passed(scanner, data, sizes) == data
    assert scanner.messages == len(messages)
    assert scanner.violation is None
    assert scanner.between_frames


@given(st.binary(max_size=400), st.booleans(), st.booleans(), st.lists(st.integers(1, 9)))
def test_garbage_is_judged_alike_in_any_pieces(
    data: bytes, masked: bool, extended: bool, sizes: list[int]
) -> None:
    """What passes and what is wrong does not depend on how it was cut, and nothing is raised."""
    whole, cut = (
        FrameScanner(masked=masked, extended=extended, message_bytes=1000) for _ in range(2)
    )
    assert passed(whole, data, []) == passed(cut, data, sizes)
    assert whole.violation == cut.violation
    assert (whole.messages, whole.closing) == (cut.messages, cut.closing)
