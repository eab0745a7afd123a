"""Header compression: the examples of RFC 7541 appendix C, and what is refused."""

import pytest

from lukhas.http import hpack
from lukhas.http.hpack import HpackDecoder, HpackError, encoded_field, encoded_status

EXAMPLES = {
    "C.2.1": (
        "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
        [("custom-key", "custom-header")],
    ),
    "C.2.2": ("040c2f73616d706c652f70617468", [(":path", "/sample/path")]),
    "C.2.3": ("100870617373776f726406736563726574", [("password", "secret")]),
    "C.2.4": ("82", [(":method", "GET")]),
    "C.4.1": (
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
        ],
    ),
}


@pytest.mark.parametrize(("block", "fields"), EXAMPLES.values(), ids=EXAMPLES)
def test_examples_of_the_rfc(block: str, fields: list[tuple[str, str]]) -> None:
    """As they stand there."""
    decoded = HpackDecoder(4096).decode(bytes.fromhex(block))
    assert decoded == [(name.encode(), value.encode()) for name, value in fields]


def test_the_table_over_three_requests() -> None:
    """RFC 7541 C.3: what one request put into the table, the next one names."""
    decoder = HpackDecoder(4096)
    decoder.decode(bytes.fromhex("828684410f7777772e6578616d706c652e636f6d"))
    second = decoder.decode(bytes.fromhex("828684be58086e6f2d6361636865"))
    assert second is not None
    assert second[3:] == [(b":authority", b"www.example.com"), (b"cache-control", b"no-cache")]
    third = decoder.decode(
        bytes.fromhex("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565")
    )
    assert third is not None
    assert third[3:] == [(b":authority", b"www.example.com"), (b"custom-key", b"custom-value")]


BROKEN = {
    "index 0": "80",
    "index beyond the table": "be",
    "cut string": "4003",
    "string longer than the block": "407f80ff",
    "endless number": "ffffffffffffffffff",
    "large table": "3fe2ff03",
    "change of the table behind a field": "8220",
    "bad padding": "4001618100",
    "end mark": "40016184ffffffff",
    "nothing behind a literal": "40",
}


@pytest.mark.parametrize("block", BROKEN.values(), ids=BROKEN)
def test_broken_blocks(block: str) -> None:
    """Nothing behind them could be read as it was meant."""
    with pytest.raises(HpackError):
        HpackDecoder(4096).decode(bytes.fromhex(block))


def test_a_smaller_table_forgets() -> None:
    """A change of size evicts what no longer fits."""
    decoder = HpackDecoder(4096)
    decoder.decode(indexed_field(b"x-a", b"1"))
    assert decoder.decode(b"\xbe") == [(b"x-a", b"1")]
    with pytest.raises(HpackError):
        decoder.decode(b"\x20\xbe")


def indexed_field(name: bytes, value: bytes) -> bytes:
    return b"\x40" + bytes((len(name),)) + name + bytes((len(value),)) + value


def test_what_is_too_large_for_the_table_empties_it() -> None:
    """RFC 7541 section 4.4: that is no error."""
    decoder = HpackDecoder(1 << 20)
    large = b"\x40\x01x\x7f" + b"\x81\x27" + bytes(5120)
    fields = decoder.decode(indexed_field(b"x-a", b"1") + large)
    assert fields is not None
    assert len(fields[1][1]) == 5120
    with pytest.raises(HpackError):
        decoder.decode(b"\xbe")


def test_too_many_fields_are_none() -> None:
    """More than the list may hold."""
    assert HpackDecoder(100).decode(b"\x82" * 3) is None


@pytest.mark.parametrize(
    ("status", "block"), [(200, b"\x88"), (404, b"\x8d"), (429, b"\x08\x03429")]
)
def test_statuses(status: int, block: bytes) -> None:
    """From the static table where it has them."""
    assert encoded_status(status) == block


@pytest.mark.parametrize("size", [0, 126, 127, 128, 300, 20_000])
def test_long_values(size: int) -> None:
    """Their lengths take more than one byte."""
    field = (b"x-a", b"v" * size)
    assert HpackDecoder(1 << 20).decode(encoded_field(*field)) == [field]


def test_known_blocks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many different ones come."""
    monkeypatch.setattr(hpack, "_KNOWN_BLOCKS", 2)
    decoder = HpackDecoder(1 << 14)
    for number in range(5):
        block = encoded_field(b"x-a", b"%d" % number)
        assert decoder.decode(block) == [(b"x-a", b"%d" % number)]
    assert len(decoder._known) <= 2
