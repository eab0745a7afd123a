"""Responses of upstreams in the plainest form, read by a pattern instead of by the parser."""

import re

from lukhas.http.headers import HOP_BY_HOP, Headers
from lukhas.http.status import status_line

__all__ = ("NOT_RELAYED", "PlainAnswer", "PlainAnswers")

NOT_RELAYED = HOP_BY_HOP | {b"x-request-id", b"trailer"}
"""Fields of a response that are said by us, or by the framing that we choose ourselves."""

_LONGEST_BYTES = 2048
_KNOWN_HEADS = 128
_KNOWN_LINES = 256
_LONGEST_KNOWN_LINE = 256

# A part of what RFC 9112 allows, as for requests (see `plain_heads`): whatever is written in another
# way goes through the parser. Nothing is tried twice (`++`), so the time is linear in the length.
_NAME = rb"[A-Za-z0-9!#$%&'*+.^_`|~-]++"
_VALUE = rb"[ -~]++(?<! )"
_match = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) [ -~]*+\r\n((?:%b: ?(?! )%b\r\n)++)\r\n" % (_NAME, _VALUE)
).fullmatch
_length = re.compile(rb"[0-9]{1,15}").fullmatch
# Responses that have no body, whatever their fields say.
_BODILESS = frozenset((204, 304))
# Heads with these do something to the connection, or frame the body in another way.
_NOT_PLAIN = frozenset((b"transfer-encoding", b"upgrade", b"trailer", b"proxy-connection"))


class PlainAnswer:
    """The head of a response that leaves its connection open, before a body of known length.

    Attributes:
        status: the status.
        headers: the fields that are relayed. Shared: never changed in place.
        length: the bytes of the body.
        size: the bytes of the head, empty line included.
        ready_head: see `Response`; None where the front server has a Date to add.
    """

    __slots__ = ("headers", "length", "ready_head", "size", "status")

    def __init__(self, status: int, headers: Headers, length: int, size: int) -> None:
        self.status = status
        self.headers = headers
        self.length = length
        self.size = size
        self.ready_head: bytes | None = None
        if b"date" in headers.index():
            lines = [b": ".join(field) for field in headers.raw]
            self.ready_head = b"%b%b\r\n" % (status_line(status), b"\r\n".join(lines))


class PlainAnswers:
    """Reads responses that came whole and in one piece, and nothing else.

    An upstream answers most requests of one second with the very same head, and those are
    remembered, a bounded number of them. Where a head differs, most of its lines are the same, and
    they are remembered too; the parser calls back for each field every time.
    """

    __slots__ = ("_known", "_lines")

    def __init__(self) -> None:
        self._known: dict[bytes, PlainAnswer | None] = {}
        self._lines: dict[bytes, tuple[bytes, bytes]] = {}

    def read(self, data: bytes) -> PlainAnswer | None:
        """The head of the response that `data` is: the same that the parser would give.

        Returns:
            None for all that is not that plain, not valid, or not one whole response; the parser
            must look at it.
        """
        size = data.find(b"\r\n\r\n", 0, _LONGEST_BYTES) + 4
        head = data[:size]
        known = self._known
        answer = known.get(head)
        if answer is None:
            if size == 3 or head in known:
                return None
            if len(known) >= _KNOWN_HEADS:
                known.clear()
            answer = known[head] = self._read(head)
            if answer is None:
                return None
        return answer if len(data) - size == answer.length else None

    def _read(self, head: bytes) -> PlainAnswer | None:
        match = _match(head)
        if match is None:
            return None
        code, fields = match.groups()
        known = self._lines.get
        raw = [known(line) or self._field(line) for line in fields[:-2].split(b"\r\n")]
        index = dict(raw)
        length = index.get(b"content-length", b"")
        connection = index.get(b"connection", b"keep-alive")
        status = int(code)
        if (
            _length(length) is None
            or connection.lower() != b"keep-alive"
            or status in _BODILESS
            or not _NOT_PLAIN.isdisjoint(index)
        ):
            return None
        if len(index) != len(raw):
            names = [name for name, _ in raw]
            if names.count(b"content-length") != 1 or names.count(b"connection") > 1:
                return None
        headers = Headers([field for field in raw if field[0] not in NOT_RELAYED])
        return PlainAnswer(status, headers, int(length), len(head))

    def _field(self, line: bytes) -> tuple[bytes, bytes]:
        name, _, value = line.partition(b":")
        field = (name.lower(), value.lstrip(b" "))
        if len(line) <= _LONGEST_KNOWN_LINE:
            if len(self._lines) >= _KNOWN_LINES:
                self._lines.clear()
            self._lines[line] = field
        return field
