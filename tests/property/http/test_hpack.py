"""Our HPACK against that of the `hpack` package, and against garbage."""

import contextlib

from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st

from lukhas.http.hpack import HpackDecoder, HpackError, encoded_field, encoded_status
from lukhas.http.huffman import HuffmanError, huffman_decoded

NAMES = st.one_of(
    st.sampled_from([b":method", b":path", b"cookie", b"user-agent", b"x-a", b"accept"]),
    st.binary(min_size=1, max_size=40),
)
VALUES = st.one_of(st.sampled_from([b"GET", b"/", b"", b"a" * 300]), st.binary(max_size=200))
BLOCKS = st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=8), max_size=6)


@given(BLOCKS, st.booleans(), st.lists(st.sampled_from([0, 100, 4096]), max_size=6))
def test_what_they_encode_we_decode(
    blocks: list[list[tuple[bytes, bytes]]], huffman: bool, sizes: list[int]
) -> None:
    """Block by block over one table, whose size changes in between."""
    encoder, decoder = Encoder(), HpackDecoder(1 << 20)
    for number, fields in enumerate(blocks):
        if number < len(sizes):
            encoder.header_table_size = sizes[number]
        block = encoder.encode(fields, huffman=huffman)
        assert decoder.decode(block) == fields


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.integers(100, 599))
def test_what_we_encode_they_decode(fields: list[tuple[bytes, bytes]], status: int) -> None:
    """Literals that need no table."""
    block = encoded_status(status) + b"".join(encoded_field(*each) for each in fields)
    decoded = [(n, v) for n, v in Decoder(max_header_list_size=1 << 20).decode(block, raw=True)]
    assert decoded == [(b":status", b"%d" % status), *fields]


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda rest: b"\x40" + rest)))
def test_garbage_is_refused_and_never_more(block: bytes) -> None:
    """Nothing but `HpackError` comes out, whatever goes in."""
    decoder = HpackDecoder(4096)
    with contextlib.suppress(HpackError):
        for _ in range(3):
            fields = decoder.decode(block)
            assert fields is None or sum(len(n) + len(v) + 32 for n, v in fields) <= 4096


@given(st.binary(max_size=100))
def test_huffman_of_garbage(data: bytes) -> None:
    """It is decoded as the other one does, or refused as it does."""
    from hpack.exceptions import HPACKDecodingError
    from hpack.huffman_table import decode_huffman

    try:
        theirs = decode_huffman(data)
    except HPACKDecodingError:
        theirs = None
    try:
        ours = huffman_decoded(data)
    except HuffmanError:
        ours = None
    # Theirs takes a string whose padding is longer than seven bits.
    assert ours == theirs or ours is None


def test_a_list_that_is_too_large_keeps_the_table() -> None:
    """What comes behind it is still read as it was meant."""
    encoder, decoder = Encoder(), HpackDecoder(1000)
    assert decoder.decode(encoder.encode([(b"x-a", b"y" * 990), (b"x-b", b"1")])) is None
    assert decoder.decode(encoder.encode([(b"x-b", b"1")])) == [(b"x-b", b"1")]
