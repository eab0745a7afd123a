"""Request heads of the plainest form, read by a pattern instead of by the parser."""

import re

from lukhas.gateway.framing import HeadReader, MalformedRequestError
from lukhas.http.messages import RequestHead

__all__ = ("PlainHeads",)

_LONGEST_BYTES = 4096
_KNOWN_LINES = 1024
_LONGEST_KNOWN_LINE = 256

# A part of what RFC 9112 allows: at most one space before a value, none behind it, and printable
# ASCII alone. Whatever is written in another way goes through the parser, which decides about it.
# Nothing is tried twice (`++`), so the time is linear in the length, whatever is sent.
_TARGET = rb"/[A-Za-z0-9/._~%?&=+,:;@!$'()*-]*+"
_NAME = rb"[A-Za-z0-9!#$%&'*+.^_`|~-]++"
_VALUE = rb"[ -~]++(?<! )"
_match = re.compile(
    rb"GET (%b) HTTP/1\.1\r\n((?:%b: ?(?! )%b\r\n)++)\r\n" % (_TARGET, _NAME, _VALUE)
).fullmatch
# Heads with these do something to the connection besides asking, or have a body.
_NOT_PLAIN = frozenset(
    (b"connection", b"content-length", b"expect", b"transfer-encoding", b"upgrade")
)


class PlainHeads:
    """Reads whole, ordinary GETs without a body, and nothing else.

    Heads that differ from request to request, say by a trace id, are no known heads. But most of
    their lines are the same, and those are remembered, a bounded number of them; the parser calls
    back for each field every time.

    Args:
        reader: makes the heads, and refuses what cannot be believed.
        limit_bytes: longer heads are left to the parser.
    """

    __slots__ = ("_limit_bytes", "_lines", "_reader")

    def __init__(self, reader: HeadReader, limit_bytes: int) -> None:
        self._reader = reader
        self._limit_bytes = min(limit_bytes, _LONGEST_BYTES)
        self._lines: dict[bytes, tuple[bytes, bytes]] = {}

    def read(self, data: bytes) -> RequestHead | None:
        """What `data` reads as: the same that the parser would give.

        Returns:
            None for all that is not that plain or not valid; the parser must look at it.
        """
        if len(data) > self._limit_bytes:
            return None
        match = _match(data)
        if match is None:
            return None
        target, fields = match.groups()
        known = self._lines.get
        raw = [known(line) or self._field(line) for line in fields[:-2].split(b"\r\n")]
        try:
            head = self._reader.read(b"GET", target, "1.1", raw)
        except MalformedRequestError:
            return None
        return head if _NOT_PLAIN.isdisjoint(head.headers.index()) else None

    def _field(self, line: bytes) -> tuple[bytes, bytes]:
        name, _, value = line.partition(b":")
        field = (name.lower(), value.lstrip(b" "))
        if len(line) <= _LONGEST_KNOWN_LINE:
            if len(self._lines) >= _KNOWN_LINES:
                self._lines.clear()
            self._lines[line] = field
        return field
