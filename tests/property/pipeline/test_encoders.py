"""Encoders: what comes back is what went in, however it was cut and flushed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lukhas.pipeline.encoders import encode, encoder_of
from lukhas.policy.compression import CODINGS
from tests.unit.pipeline.decoding import decoded

codings = st.sampled_from(CODINGS)
efforts = st.integers(1, 9)
# Some are longer than what an encoder takes at once.
chunks = st.lists(
    st.tuples(st.binary(max_size=200), st.sampled_from((1, 3, 700)), st.booleans()), max_size=8
)


@given(codings, efforts, chunks)
def test_what_comes_back_is_what_went_in(
    coding: bytes, effort: int, pieces: list[tuple[bytes, int, bool]]
) -> None:
    """With flushes in between, after each of which all of it can be read."""
    encoder = encoder_of(coding, effort)
    body = made = b""
    for piece, times, flush in pieces:
        body += piece * times
        made += encoder.feed(piece * times, flush=flush)
        if flush:
            assert decoded(made, coding) == (body, False)
    assert decoded(made + encoder.finish(), coding) == (body, True)


@given(codings, efforts, st.binary(max_size=300), st.lists(st.integers(0, 90_000), max_size=4))
def test_the_cuts_do_not_show(coding: bytes, effort: int, seed: bytes, cuts: list[int]) -> None:
    """Without flushes the bytes are those of the whole body."""
    body = seed * 300
    encoder = encoder_of(coding, effort)
    ends = [0, *sorted(cuts), max(len(body), *cuts, 0)]
    parts = [body[start:end] for start, end in pairwise(ends)]
    made = b"".join(encoder.feed(part, flush=False) for part in parts)
    assert made + encoder.finish() == encode(body, coding, effort)
