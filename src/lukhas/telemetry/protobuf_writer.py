"""Writes protobuf messages, field by field (protobuf.dev, Encoding)."""

import struct

__all__ = ("delimited", "double", "message", "signed", "text", "unsigned")

_DOUBLE = struct.Struct("<d")
_VARINT, _FIXED_64, _BYTES = 0, 1, 2
_64_BITS = (1 << 64) - 1


def unsigned(number: int, value: int) -> bytes:
    """A field of type uint32, uint64, bool or enum.

    Args:
        number: of the field.
        value: 0 or more.
    """
    return _varint(number << 3 | _VARINT) + _varint(value)


def signed(number: int, value: int) -> bytes:
    """A field of type sint32 or sint64."""
    return _varint(number << 3 | _VARINT) + _varint((value << 1 ^ value >> 63) & _64_BITS)


def double(number: int, value: float) -> bytes:
    """A field of type double."""
    return _varint(number << 3 | _FIXED_64) + _DOUBLE.pack(value)


def text(number: int, value: str) -> bytes:
    """A field of type string."""
    return message(number, value.encode())


def message(number: int, value: bytes) -> bytes:
    """A field that holds a message, or bytes."""
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def delimited(value: bytes) -> bytes:
    """A message in a stream of messages, its length before it."""
    return _varint(len(value)) + value


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
