"""Responses of upstreams in the plainest form, read by a pattern instead of by the parser."""

import re
from typing import Final

from lukhas.http.headers import HOP_BY_HOP, HeaderPairs, Headers
from lukhas.http.status import status_line

__all__ = ("NOT_RELAYED", "PlainAnswer", "PlainAnswers")

NOT_RELAYED = HOP_BY_HOP | {b"x-request-id", b"trailer"}
"""Fields of a response that are said by us, or by the framing that we choose ourselves."""

_LONGEST_BYTES = 2048
_KNOWN_HEADS = 128
_KNOWN_LINES = 256
_LONGEST_KNOWN_LINE = 256

# A part of what RFC 9112 allows, as for requests (see `plain_heads`): whatever is written in
# another way goes through the parser. Nothing is tried twice (`++`), so the time is linear in the
# length.
_NAME = rb"[A-Za-z0-9!#$%&'*+.^_`|~-]++"
_VALUE = rb"[ -~]++(?<! )"
_match = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) [ -~]*+\r\n((?:%b: ?(?! )%b\r\n)++)\r\n" % (_NAME, _VALUE)
).fullmatch
# Responses that have no body, whatever their fields say.
_BODILESS = frozenset((204, 304))
_MOST_DIGITS = 15
# What a line does. Any other than these frames the body in another way, or ends the connection.
_RELAYED: Final = 0
_DATED: Final = 1
_SIZED: Final = 2
_DROPPED: Final = 3
_NOT_PLAIN: Final = 4

_Line = tuple[int, tuple[bytes, bytes], bytes]
"""What a line does, its field, and the line as it is sent on."""


class PlainAnswer:
    """The head of a response that leaves its connection open, before a body of known length.

    Attributes:
        status: the status.
        headers: the fields that are relayed. Shared: never changed in place.
        length: the bytes of the body.
        head: the bytes of the head, empty line included.
        size: how many these are.
        ready_head: see `Response`; None where the front server has a Date to add.
    """

    __slots__ = ("head", "headers", "length", "ready_head", "size", "status")

    def __init__(
        self, status: int, headers: Headers, length: int, *, head: bytes, ready_head: bytes | None
    ) -> None:
        self.status = status
        self.headers = headers
        self.length = length
        self.head = head
        self.size = len(head)
        self.ready_head = ready_head


class PlainAnswers:
    """Reads responses that came whole and in one piece, and nothing else.

    An upstream answers most requests of one second with the very same head, and those are
    remembered, a bounded number of them. Where a head differs, most of its lines are the same, and
    they are remembered too; the parser calls back for each field every time.
    """

    __slots__ = ("_known", "_last", "_lines")

    def __init__(self) -> None:
        self._last: PlainAnswer | None = None
        self._known: dict[bytes, PlainAnswer | None] = {}
        self._lines: dict[bytes, _Line] = {}

    def read(self, data: bytes) -> PlainAnswer | None:
        """The head of the response that `data` is: the same that the parser would give.

        Returns:
            None for all that is not that plain, not valid, or not one whole response; the parser
            must look at it.
        """
        answer = self._last
        if answer is not None and data.startswith(answer.head):
            return answer if len(data) - answer.size == answer.length else None
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
        self._last = answer
        return answer if len(data) - size == answer.length else None

    def _read(self, head: bytes) -> PlainAnswer | None:
        match = _match(head)
        if match is None:
            return None
        code, fields = match.groups()
        status = int(code)
        known = self._lines.get
        raw: HeaderPairs = []
        lines = [status_line(status)]
        length = b""
        is_dated = False
        for each in fields[:-2].split(b"\r\n"):
            does, field, line = known(each) or self._line(each)
            if does == _DROPPED:
                continue
            if does == _NOT_PLAIN or (does == _SIZED and length):
                return None
            if does == _SIZED:
                length = field[1]
            elif does == _DATED:
                is_dated = True
            raw.append(field)
            lines.append(line)
        if not length or status in _BODILESS:
            return None
        ready_head = b"".join(lines) if is_dated else None
        return PlainAnswer(status, Headers(raw), int(length), head=head, ready_head=ready_head)

    def _line(self, text: bytes) -> _Line:
        name, _, value = text.partition(b":")
        field = (name.lower(), value.lstrip(b" "))
        line = (_does(*field), field, b"%b: %b\r\n" % field)
        if len(text) <= _LONGEST_KNOWN_LINE:
            if len(self._lines) >= _KNOWN_LINES:
                self._lines.clear()
            self._lines[text] = line
        return line


def _does(name: bytes, value: bytes) -> int:
    if name == b"content-length":
        return _SIZED if value.isdigit() and len(value) <= _MOST_DIGITS else _NOT_PLAIN
    if name == b"connection":
        return _DROPPED if value.lower() == b"keep-alive" else _NOT_PLAIN
    if name in {b"keep-alive", b"x-request-id"}:
        return _DROPPED
    if name in NOT_RELAYED:
        return _NOT_PLAIN
    return _DATED if name == b"date" else _RELAYED
