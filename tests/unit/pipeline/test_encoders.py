"""lukhas.pipeline.encoders: whole bodies, pieces, flushes, ends."""

import pytest

from lukhas.pipeline.encoders import encode, encoder_of
from lukhas.policy.compression import CODINGS
from tests.unit.pipeline.decoding import decoded

TEXT = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(9000))
EFFORTS = (1, 4, 9)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("body", [b"", b"a", TEXT[:5000], TEXT], ids=["none", "one", "5k", "large"])
def test_a_whole_body_comes_back(coding: bytes, effort: int, body: bytes) -> None:
    """Each coding, each effort; and it is smaller, if there is something to gain."""
    encoded = encode(body, coding, effort)
    assert decoded(encoded, coding) == (body, True)
    if len(body) > 1000:
        assert len(encoded) < len(body) / 3


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("size", [1000, 65_536, 65_537, 300_000])
def test_the_same_body_becomes_the_same_bytes(coding: bytes, effort: int, size: int) -> None:
    """However it is cut: the leak guard takes other bytes for another answer."""
    encoder = encoder_of(coding, effort)
    pieces = [TEXT[:1], *(TEXT[start : start + size] for start in range(1, len(TEXT), size))]
    made = b"".join(encoder.feed(piece, flush=False) for piece in pieces) + encoder.finish()
    assert made == encode(TEXT, coding, effort)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_flush_gives_all_that_was_taken(coding: bytes) -> None:
    """The receiver can read each piece when it comes; the end comes only with the end."""
    encoder = encoder_of(coding, 4)
    made = b""
    for number in range(1, 4):
        made += encoder.feed(b"data: %d\n\n" % number, flush=True)
        text, ended = decoded(made, coding)
        assert text == b"".join(b"data: %d\n\n" % each for each in range(1, number + 1))
        assert not ended
    made += encoder.feed(TEXT, flush=True)
    assert len(decoded(made, coding)[0]) == 27 + len(TEXT)
    assert decoded(made + encoder.finish(), coding)[1]


def test_an_unknown_coding_is_refused() -> None:
    """There is no silent identity."""
    with pytest.raises(ValueError, match="deflate"):
        encoder_of(b"deflate", 4)
