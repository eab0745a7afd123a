"""Header compression of HTTP/2: reading what clients send, writing what they get (RFC 7541)."""

from collections import deque

from lukhas.http.headers import HeaderPairs
from lukhas.http.huffman import HuffmanError, huffman_decoded

__all__ = ("HpackDecoder", "HpackError", "encoded_field", "encoded_status")

# RFC 7541 appendix A: name, and value where it has one; `_` stands for a space.
_STATIC_TEXT = """
:authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https
:status=200 :status=204 :status=206 :status=304 :status=400 :status=404 :status=500
accept-charset accept-encoding=gzip,_deflate accept-language accept-ranges accept
access-control-allow-origin age allow authorization cache-control content-disposition
content-encoding content-language content-length content-location content-range content-type
cookie date etag expect expires from host if-match if-modified-since if-none-match if-range
if-unmodified-since last-modified link location max-forwards proxy-authenticate
proxy-authorization range referer refresh retry-after server set-cookie
strict-transport-security transfer-encoding user-agent vary via www-authenticate
"""
_STATIC = tuple(
    (name.encode(), value.replace("_", " ").encode())
    for name, _, value in (entry.partition("=") for entry in _STATIC_TEXT.split())
)
_TABLE_BYTES = 4096
_ENTRY_BYTES = 32  # RFC 7541 section 4.1
_MOST_INTEGER = 2**28
_SHORT = tuple(bytes((number,)) for number in range(0x7F))
_KNOWN_BLOCKS = 64
_KNOWN_BLOCK_BYTES = 512
_STATUS_INDEX = {200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}


class HpackError(Exception):
    """A header block cannot be read, so nothing after it could be either."""


class HpackDecoder:
    """Reads the header blocks of one connection, in their order.

    The table has the default size of 4096 bytes.

    Args:
        list_bytes: the largest list of fields, each counted with 32 bytes on top.
    """

    __slots__ = ("_entries", "_known", "_limit", "_most", "_size")

    def __init__(self, list_bytes: int) -> None:
        self._limit = list_bytes
        self._entries: deque[tuple[bytes, bytes]] = deque()
        self._size = 0
        self._most = _TABLE_BYTES
        # Blocks read before that did not change the table, as long as nothing else has since.
        self._known: dict[bytes, HeaderPairs] = {}

    def decode(self, block: bytes) -> HeaderPairs | None:
        """The fields of a block, not to be changed; None if they are more than there may be.

        Raises:
            HpackError: the block is broken.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        fields, changed = self._read(block)
        if changed:
            self._known.clear()
        elif fields is not None and len(block) <= _KNOWN_BLOCK_BYTES:
            if len(self._known) >= _KNOWN_BLOCKS:
                self._known.clear()
            self._known[block] = fields
        return fields

    def _read(self, block: bytes) -> tuple[HeaderPairs | None, bool]:
        """The fields, and whether the table is another one now."""
        fields: HeaderPairs = []
        changed = False
        size = at = 0
        end = len(block)
        try:
            while at < end:
                first = block[at]
                if first & 0x80:
                    index, at = _integer(block, at, 0x7F)
                    field = self._field(index)
                elif first & 0xE0 == 0x20:
                    if fields or size:
                        raise HpackError("a change of the table within a block")
                    at = self._resize(block, at)
                    changed = True
                    continue
                else:
                    field, at = self._literal(block, at, 0x3F if first & 0x40 else 0x0F)
                    if first & 0x40:
                        self._add(field)
                        changed = True
                size += len(field[0]) + len(field[1]) + _ENTRY_BYTES
                if size <= self._limit:
                    fields.append(field)
        except (IndexError, HuffmanError) as error:
            raise HpackError(f"a broken header block: {error}") from None
        return (fields if size <= self._limit else None), changed

    def _literal(self, block: bytes, at: int, mask: int) -> tuple[tuple[bytes, bytes], int]:
        index, at = _integer(block, at, mask)
        if index:
            name = self._field(index)[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        return (name, value), at

    def _field(self, index: int) -> tuple[bytes, bytes]:
        if index == 0:
            raise HpackError("a field with the index 0")
        if index <= len(_STATIC):
            return _STATIC[index - 1]
        return self._entries[index - len(_STATIC) - 1]

    def _add(self, field: tuple[bytes, bytes]) -> None:
        self._entries.appendleft(field)
        self._size += len(field[0]) + len(field[1]) + _ENTRY_BYTES
        self._evict()

    def _evict(self) -> None:
        while self._size > self._most:
            name, value = self._entries.pop()
            self._size -= len(name) + len(value) + _ENTRY_BYTES

    def _resize(self, block: bytes, at: int) -> int:
        size, at = _integer(block, at, 0x1F)
        if size > _TABLE_BYTES:
            raise HpackError("a table larger than it may be")
        self._most = size
        self._evict()
        return at


def encoded_field(name: bytes, value: bytes) -> bytes:
    """A field as a literal that no table remembers; that needs no state to be kept."""
    return b"".join((b"\x00", _length(len(name)), name, _length(len(value)), value))


def encoded_status(status: int) -> bytes:
    """The `:status` field."""
    index = _STATUS_INDEX.get(status)
    return bytes((0x80 | index,)) if index is not None else b"\x08\x03%d" % status


def _length(number: int) -> bytes:
    """A length of seven bits, as of a string that is not Huffman-coded."""
    if number < 0x7F:
        return _SHORT[number]
    out = bytearray((0x7F,))
    number -= 0x7F
    while number >= 0x80:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)
    return bytes(out)


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    number = block[at] & mask
    at += 1
    if number < mask:
        return number, at
    shift = 0
    while True:
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if number > _MOST_INTEGER or shift > 28:
            raise HpackError("a number that is too large")
        if not byte & 0x80:
            return number, at
        shift += 7


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    coded = block[at] & 0x80
    length, at = _integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise HpackError("a string that is cut off")
    data = block[at:end]
    return (huffman_decoded(data) if coded else data), end
