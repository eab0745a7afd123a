"""Plain heads: the pattern gives what the parser gives, or nothing."""

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lukhas.gateway.framing import FrontLimits, HeadReader, MalformedRequestError
from lukhas.gateway.plain_heads import PlainHeads
from lukhas.http.messages import RequestHead

PLAIN = b"GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nX-Trace: 12 ab\r\nAccept:*/*\r\n\r\n"


class Parsed:
    """The parser's opinion of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.raw: list[tuple[bytes, bytes]] = []
        self.target = b""
        self.heads = 0
        self.whole = 0
        self.bodies = 0
        self.parser: Any = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.raw.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.heads += 1

    def on_body(self, _piece: bytes) -> None:
        self.bodies += 1

    def on_message_complete(self) -> None:
        self.whole += 1

    def head(self, reader: HeadReader) -> RequestHead:
        parser = self.parser
        assert (self.heads, self.whole, self.bodies) == (1, 1, 0)
        assert parser.should_keep_alive()
        return reader.read(
            parser.get_method(), self.target, parser.get_http_version(), list(self.raw)
        )


def plain_heads(**limits: int) -> PlainHeads:
    return PlainHeads(HeadReader(FrontLimits(**limits)), 4096)  # type: ignore[arg-type]


def test_a_plain_head_is_read() -> None:
    """Names in lower case, values without the space in front."""
    head = plain_heads().read(PLAIN)
    assert head is not None
    assert (head.method, head.authority, head.path, head.query) == (
        "GET",
        b"a.example",
        b"/a",
        b"b=c",
    )
    assert head.headers.raw == [
        (b"host", b"a.example"),
        (b"x-trace", b"12 ab"),
        (b"accept", b"*/*"),
    ]
    assert head == Parsed(PLAIN).head(HeadReader(FrontLimits()))


@pytest.mark.parametrize(
    "data",
    [
        PLAIN + b"x",
        PLAIN + PLAIN,
        PLAIN[:-2],
        b"\r\n" + PLAIN,
        PLAIN.replace(b"GET", b"POST"),
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"\r\n", b"\n"),
        PLAIN.replace(b"X-Trace:", b"X-Trace :"),
        PLAIN.replace(b"X-Trace:", b" X-Trace:"),
        PLAIN.replace(b"12 ab", b"12\r\n ab"),
        PLAIN.replace(b"12 ab", b"12\rab"),
        PLAIN.replace(b"12 ab", b"12\0ab"),
        PLAIN.replace(b"12 ab", b" 12 ab"),
        PLAIN.replace(b"12 ab", b"12 ab "),
        PLAIN.replace(b"12 ab", b"12\tab"),
        PLAIN.replace(b"12 ab", b"\xff"),
        PLAIN.replace(b"12 ab", b""),
        PLAIN.replace(b"/a", b"http://a.example/a"),
        PLAIN.replace(b"/a", b"/a#b"),
        PLAIN.replace(b"/a", b"/%zz"),
        PLAIN.replace(b"Host", b"No-Host"),
        PLAIN.replace(b"X-Trace", b"Host"),
        PLAIN.replace(b"X-Trace: 12 ab", b"Content-Length: 0"),
        PLAIN.replace(b"X-Trace: 12 ab", b"Transfer-Encoding: chunked"),
        PLAIN.replace(b"X-Trace: 12 ab", b"Connection: close"),
        PLAIN.replace(b"X-Trace: 12 ab", b"UPGRADE: h2c"),
        PLAIN.replace(b"X-Trace: 12 ab", b"Expect: 100-continue"),
        PLAIN.replace(b"12 ab", b"x" * 5000),
    ],
)
def test_everything_else_is_left_to_the_parser(data: bytes) -> None:
    """Whether it is invalid, or only written in another way."""
    assert plain_heads().read(data) is None


def test_the_limits_hold() -> None:
    """A head with too many fields is refused by the parser's way."""
    assert plain_heads(header_count=2).read(PLAIN) is None
    assert PlainHeads(HeadReader(FrontLimits()), len(PLAIN) - 1).read(PLAIN) is None


def test_remembered_lines_are_bounded() -> None:
    """In number and in length, and they change nothing."""
    heads = plain_heads()
    for number in range(3000):
        head = heads.read(PLAIN.replace(b"12 ab", b"%d" % number))
        assert head is not None
        assert head.headers.get(b"x-trace") == b"%d" % number
        assert len(heads._lines) <= 1024
    known = len(heads._lines)
    assert heads.read(PLAIN.replace(b"12 ab", b"y" * 300)) is not None
    assert len(heads._lines) == known


_ODD = st.sampled_from([b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"\x7f", b"\xff", b"GET "])
_TEXT = st.text("abAB019-_.!#%/?&=;,:* ", max_size=8).map(str.encode)
_NAMES = st.sampled_from(
    [b"Host", b"X-A", b"Cookie", b"Content-Length", b"Connection", b"Transfer-Encoding", b"a.b"]
)
_LINES = st.tuples(_NAMES, st.sampled_from([b":", b": ", b":  ", b" : "]), _TEXT).map(b"".join)


def _with(target: bytes, lines: list[bytes], odd: bytes, at: int) -> bytes:
    rows = [b"GET /%b HTTP/1.1" % target, b"Host: a.example", *lines, b"", b""]
    data = b"\r\n".join(rows)
    return data[:at] + odd + data[at:]


_HEADS = st.builds(
    _with,
    _TEXT,
    st.lists(_LINES, max_size=4),
    st.one_of(st.just(b""), _ODD),
    st.integers(0, 120),
)


@given(_HEADS)
@example(PLAIN)
def test_the_pattern_agrees_with_the_parser(data: bytes) -> None:
    """Whatever it reads, the parser reads as the same one request, whole and without a body."""
    head = plain_heads().read(data)
    if head is not None:
        assert head == Parsed(data).head(HeadReader(FrontLimits()))


@given(_HEADS)
def test_what_the_reader_refuses_is_not_read(data: bytes) -> None:
    """Both ways ask the same strict reader."""
    reader = HeadReader(FrontLimits())
    try:
        Parsed(data).head(reader)
    except (MalformedRequestError, AssertionError, httptools.HttpParserError):
        assert PlainHeads(reader, 4096).read(data) is None
