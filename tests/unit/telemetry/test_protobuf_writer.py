"""Protobuf, field by field, read by another implementation."""

import struct

from google.protobuf.internal import decoder, wire_format
from hypothesis import given
from hypothesis import strategies as st

from lukhas.telemetry.protobuf_writer import delimited, double, message, signed, text, unsigned


def field_of(data: bytes) -> tuple[int, int, bytes]:
    """Number, wire type and the rest of a field."""
    tag, position = decoder._DecodeVarint(data, 0)  # type: ignore[attr-defined]
    return tag >> 3, tag & 7, data[position:]


def number_of(data: bytes) -> int:
    value, position = decoder._DecodeVarint(data, 0)  # type: ignore[attr-defined]
    assert position == len(data)
    return int(value)


@given(st.integers(1, 2**29 - 1), st.integers(0, 2**64 - 1))
def test_numbers_are_read_as_written(number: int, value: int) -> None:
    """Whatever their size."""
    found = field_of(unsigned(number, value))
    assert (found[0], found[1], number_of(found[2])) == (number, 0, value)


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_numbers_are_read_as_written(value: int) -> None:
    """In zigzag, so that small ones are short whatever their sign."""
    _, kind, rest = field_of(signed(5, value))
    assert kind == 0
    assert wire_format.ZigZagDecode(number_of(rest)) == value
    assert len(signed(5, -1)) == 2


@given(st.floats(allow_nan=False))
def test_doubles_are_read_as_written(value: float) -> None:
    """Bit by bit."""
    number, kind, rest = field_of(double(2, value))
    assert (number, kind) == (2, 1)
    assert struct.unpack("<d", rest)[0] == value


@given(st.text(max_size=300))
def test_texts_and_messages_have_their_length_before_them(value: str) -> None:
    """In bytes of UTF-8."""
    data = value.encode()
    number, kind, rest = field_of(text(7, value))
    assert (number, kind) == (7, 2)
    assert rest == delimited(data)
    assert message(7, data) == text(7, value)
    assert rest.endswith(data)
    assert number_of(rest[: len(rest) - len(data)]) == len(data)
