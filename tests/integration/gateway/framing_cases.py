"""Raw requests, one a case, and what a strict gateway does with each."""

from dataclasses import dataclass

__all__ = ("CASES", "Case")

GET = b"GET /x HTTP/1.1\r\nHost: a.example\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a.example\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"
FIELD = b"X-Field: " + b"v" * 91 + b"\r\n"


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: what is tried.
        raw: what the client sends.
        statuses: the answers, in order.
        reached: the whole requests that the origin got, in order.
        closed: whether the connection is closed after them; else a further request is answered.
    """

    name: str
    raw: bytes
    statuses: tuple[int, ...] = (400,)
    reached: tuple[bytes, ...] = ()
    closed: bool = True


def _fine(name: str, raw: bytes, *reached: bytes, closed: bool = False) -> Case:
    return Case(name, raw, (200,) * len(reached), reached, closed)


def _target(name: str, target: bytes, status: int = 400) -> Case:
    return Case(name, b"GET %b HTTP/1.1\r\nHost: a.example\r\n\r\n" % target, (status,))


def _host(name: str, host: bytes) -> Case:
    return Case(name, b"GET /x HTTP/1.1\r\nHost: %b\r\n\r\n" % host)


def _length(name: str, lines: bytes) -> Case:
    return Case(name, POST + lines + b"\r\nhello" + SMUGGLED)


def _coding(name: str, lines: bytes) -> Case:
    return Case(name, POST + lines + b"\r\n5\r\nhello\r\n0\r\n\r\n" + SMUGGLED)


def _chunks(name: str, chunks: bytes) -> Case:
    return Case(name, CHUNKED + chunks)


_LENGTHS = (
    _length("length-then-coding", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    _length("coding-then-length", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    _length("two-equal-lengths", b"Content-Length: 5\r\nContent-Length: 5\r\n"),
    _length("two-differing-lengths", b"Content-Length: 5\r\nContent-Length: 6\r\n"),
    _length("length-list", b"Content-Length: 5, 5\r\n"),
    _length("length-plus", b"Content-Length: +5\r\n"),
    _length("length-minus", b"Content-Length: -5\r\n"),
    _length("length-hex", b"Content-Length: 0x5\r\n"),
    _length("length-inner-space", b"Content-Length: 5 5\r\n"),
    _length("length-empty", b"Content-Length: \r\n"),
    _length("length-letters", b"Content-Length: five\r\n"),
    _length("length-decimal-point", b"Content-Length: 5.0\r\n"),
    _length("length-overflow", b"Content-Length: 18446744073709551621\r\n"),
    _length("length-endless-digits", b"Content-Length: " + b"9" * 200 + b"\r\n"),
    _length("length-vertical-tab", b"Content-Length: \x0b5\r\n"),
    _length("length-underscore", b"Content-Length: 1_0\r\n"),
    Case("length-over-limit", POST + b"Content-Length: 4294967296\r\n\r\nhello", (413,)),
    _fine("length-outer-space", POST + b"Content-Length:   5 \r\n\r\nhello", b"POST /x"),
    _fine("length-zero", POST + b"Content-Length: 0\r\n\r\n", b"POST /x"),
    _fine("length-leading-zeros", POST + b"Content-Length: 005\r\n\r\nhello", b"POST /x"),
    _fine("get-with-body", GET + b"Content-Length: 5\r\n\r\nhello", b"GET /x"),
)

_CODINGS = (
    _coding("chunked-twice", b"Transfer-Encoding: chunked, chunked\r\n"),
    _coding("two-coding-fields", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    _coding("xchunked", b"Transfer-Encoding: xchunked\r\n"),
    _coding("chunkedx", b"Transfer-Encoding: chunkedx\r\n"),
    _coding("gzip", b"Transfer-Encoding: gzip\r\n"),
    _coding("gzip-chunked", b"Transfer-Encoding: gzip, chunked\r\n"),
    _coding("chunked-identity", b"Transfer-Encoding: chunked, identity\r\n"),
    _coding("identity", b"Transfer-Encoding: identity\r\n"),
    _coding("coding-empty", b"Transfer-Encoding: \r\n"),
    _coding("coding-quoted", b'Transfer-Encoding: "chunked"\r\n'),
    _coding("coding-parameter", b"Transfer-Encoding: chunked;q=1\r\n"),
    _coding("coding-trailing-comma", b"Transfer-Encoding: chunked,\r\n"),
    _coding("coding-vertical-tab", b"Transfer-Encoding: \x0bchunked\r\n"),
    _coding("coding-folded", b"Transfer-Encoding:\r\n chunked\r\n"),
    _coding("coding-space-before-colon", b"Transfer-Encoding : chunked\r\n"),
    _coding("coding-nul", b"Transfer-Encoding: chunked\0\r\n"),
    Case(
        "coding-in-1.0",
        b"POST /x HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    _fine(
        "coding-upper-case",
        POST + b"Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST /x",
    ),
)

_CHUNKS = (
    _chunks("chunk-minus", b"-5\r\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-hex-prefix", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-2^64", b"10000000000000000\r\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-2^64+5", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-size-empty", b"\r\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-size-space", b" 5\r\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-size-space-after", b"5 \r\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-size-bare-lf", b"5\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-size-bare-cr", b"5\rhello\r\n0\r\n\r\n"),
    _chunks("chunk-data-bare-lf", b"5\r\nhello\n0\r\n\r\n"),
    _chunks("chunk-data-too-long", b"5\r\nhellooo\r\n0\r\n\r\n"),
    _chunks("chunk-data-too-short", b"5\r\nhel\r\n0\r\n\r\n"),
    _chunks("chunk-last-bare-lf", b"5\r\nhello\r\n0\n\n"),
    _chunks("chunk-extension-bare-lf", b"5;a\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-extension-value-bare-lf", b"5;a=b\nhello\r\n0\r\n\r\n"),
    _chunks("chunk-extension-control", b"5;a=\x01\r\nhello\r\n0\r\n\r\n"),
    _chunks("trailer-folded", b"0\r\nX-A: b\r\n c\r\n\r\n"),
    _chunks("trailer-space-before-colon", b"0\r\nX-A : b\r\n\r\n"),
    _chunks("trailer-content-length", b"0\r\nContent-Length: 5\r\n\r\nhello"),
    _chunks("trailer-transfer-encoding", b"0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    _chunks("trailer-nul", b"0\r\nX-A: b\0\r\n\r\n"),
    Case("trailers-too-many", CHUNKED + b"0\r\n" + b"X-A: b\r\n" * 101 + b"\r\n", (431,)),
    _fine("chunk-extension", CHUNKED + b'5;a=b;c="d"\r\nhello\r\n0\r\n\r\n', b"POST /x"),
    _fine("chunk-leading-zeros", CHUNKED + b"0005\r\nhello\r\n000\r\n\r\n", b"POST /x"),
    _fine("chunk-upper-case", CHUNKED + b"A\r\nhellohello\r\n0\r\n\r\n", b"POST /x"),
    _fine(
        "trailers",
        CHUNKED + b"0\r\nHost: b.example\r\nX-Admin: yes\r\n\r\n",
        b"POST /x",
    ),
)

_LINES = (
    Case("version-2.0", b"GET /x HTTP/2.0\r\nHost: a.example\r\n\r\n", (505,)),
    Case("version-0.9", b"GET /x HTTP/0.9\r\nHost: a.example\r\n\r\n", (505,)),
    Case("no-version", b"GET /x\r\n\r\n", (505,)),
    Case("version-1.2", b"GET /x HTTP/1.2\r\nHost: a.example\r\n\r\n"),
    Case("version-11.1", b"GET /x HTTP/11.1\r\nHost: a.example\r\n\r\n"),
    Case("version-lower-case", b"GET /x http/1.1\r\nHost: a.example\r\n\r\n"),
    Case("version-other-protocol", b"GET /x HTTQ/1.1\r\nHost: a.example\r\n\r\n"),
    Case("version-space-after", b"GET /x HTTP/1.1 \r\nHost: a.example\r\n\r\n"),
    Case("http2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Case("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 40, (501,)),
    Case("bare-lf-lines", b"GET /x HTTP/1.1\nHost: a.example\n\n"),
    Case("bare-lf-field", b"GET /x HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n"),
    Case("bare-lf-length", POST + b"X: y\nContent-Length: 5\r\n\r\nhello"),
    Case("bare-lf-end", b"GET /x HTTP/1.1\r\nHost: a.example\r\n\n"),
    Case("bare-cr-in-value", GET + b"X: a\rb\r\n\r\n"),
    Case("bare-cr-line", b"GET /x HTTP/1.1\rHost: a.example\r\r"),
    Case("nul-in-value", GET + b"X: a\0b\r\n\r\n"),
    Case("control-in-value", GET + b"X: a\x01b\r\n\r\n"),
    Case("delete-in-value", GET + b"X: a\x7fb\r\n\r\n"),
    Case("space-before-colon", GET + b"X : a\r\n\r\n"),
    Case("tab-before-colon", GET + b"X\t: a\r\n\r\n"),
    Case("folded-value", GET + b"X: a\r\n b\r\n\r\n"),
    Case("folded-first-field", b"GET /x HTTP/1.1\r\n X: a\r\nHost: a.example\r\n\r\n"),
    Case("folded-host", b"GET /x HTTP/1.1\r\nHost:\r\n a.example\r\n\r\n"),
    Case("empty-name", GET + b": a\r\n\r\n"),
    Case("name-not-a-token", GET + b"X(y): a\r\n\r\n"),
    Case("name-with-space", GET + b"X y: a\r\n\r\n"),
    Case("name-non-ascii", GET + b"X-\xe9: a\r\n\r\n"),
    Case("no-colon", GET + b"X\r\n\r\n"),
    Case("method-unknown", b"FETCH /x HTTP/1.1\r\nHost: a.example\r\n\r\n", (501,)),
    Case("method-lower-case", b"get /x HTTP/1.1\r\nHost: a.example\r\n\r\n", (501,)),
    Case("method-not-a-token", b"G(T /x HTTP/1.1\r\nHost: a.example\r\n\r\n", (501,)),
    Case("method-rtsp", b"DESCRIBE /x HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    Case("trace", b"TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n", (405,)),
    Case("connect", b"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n", (405,)),
    Case("expect-other", GET + b"Expect: 200-ok\r\n\r\n", (417,)),
    Case("expect-two", POST + b"Expect: 100-continue\r\nExpect: x\r\nContent-Length: 1\r\n\r\n"),
    Case("content-type-two", POST + b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n"),
    Case("garbage", b"\x00\xff\x80garbage\r\n\r\n", (501,)),
    _fine("non-ascii-value", GET + b"X: caf\xe9\r\n\r\n", b"GET /x"),
    _fine("tab-in-value", GET + b"X:\ta\tb\r\n\r\n", b"GET /x"),
    _fine("empty-lines-before", b"\r\n\r\n" + GET + b"\r\n", b"GET /x"),
    _fine("lower-case-names", b"GET /x HTTP/1.1\r\nhost: A.EXAMPLE\r\n\r\n", b"GET /x"),
    Case("spaces-in-line", b"GET  /x  HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    Case("space-behind-target", b"GET /x  HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    _fine("version-1.0", b"GET /x HTTP/1.0\r\nHost: a.example\r\n\r\n", b"GET /x", closed=True),
)

_HOSTS = (
    Case("no-host", b"GET /x HTTP/1.1\r\n\r\n"),
    Case("no-host-1.0", b"GET /x HTTP/1.0\r\n\r\n"),
    Case("two-hosts", GET + b"Host: b.example\r\n\r\n"),
    Case("two-equal-hosts", GET + b"Host: a.example\r\n\r\n"),
    _host("host-empty", b""),
    _host("host-slash", b"a.example/x"),
    _host("host-at", b"b.example@a.example"),
    _host("host-userinfo", b"user:password@a.example"),
    _host("host-space", b"a.example b.example"),
    _host("host-comma", b"a.example, b.example"),
    _host("host-port-letters", b"a.example:http"),
    _host("host-port-empty", b"a.example:"),
    _host("host-port-large", b"a.example:65536"),
    _host("host-port-zero", b"a.example:0"),
    _host("host-port-minus", b"a.example:-80"),
    _host("host-two-ports", b"a.example:80:80"),
    _host("host-backslash", b"a.example\\b"),
    _host("host-question", b"a.example?x"),
    _host("host-fragment", b"a.example#x"),
    _host("host-percent", b"a%2eexample"),
    _host("host-non-ascii", b"\xe4.example"),
    _host("host-bad-ipv6", b"[::g]"),
    _host("host-open-bracket", b"[::1"),
    _host("host-empty-label", b"a..example"),
    _fine("host-ipv6", b"GET /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"GET /x"),
    _fine("host-outer-space", b"GET /x HTTP/1.1\r\nHost:  a.example \r\n\r\n", b"GET /x"),
)

_TARGETS = (
    _target("fragment", b"/x#y"),
    _target("absolute-other-host", b"http://b.example/x"),
    _target("absolute-userinfo", b"http://u@a.example/x"),
    _target("absolute-ftp", b"ftp://a.example/x"),
    _target("absolute-no-host", b"http:///x"),
    _target("authority-form", b"a.example:80"),
    _target("asterisk", b"*"),
    _target("relative", b"x"),
    _target("control", b"/x\x01"),
    _target("nul", b"/x\0"),
    _target("delete", b"/x\x7f"),
    _target("non-ascii", b"/x\xe9"),
    _target("tab", b"/x\ty"),
    _target("backslash", b"/x\\y"),
    _target("encoded-slash", b"/x%2fy"),
    _target("encoded-backslash", b"/x%5Cy"),
    _target("encoded-nul", b"/x%00"),
    _target("overlong-slash", b"/x%c0%afy"),
    _target("overlong-dot", b"/x/%c0%ae%c0%ae/y"),
    _target("surrogate", b"/x%ed%a0%80"),
    _target("broken-escape", b"/x%2"),
    _target("not-an-escape", b"/x%zz"),
    _target("above-root", b"/../x"),
    _target("above-root-later", b"/a/../../x"),
    _target("above-root-encoded", b"/%2e%2e/x"),
    _target("disguised-dots", b"/a/..;/x"),
    _target("space-in-target", b"/x y"),
    _fine("absolute", b"GET http://A.example:80/x HTTP/1.1\r\nHost: a.example\r\n\r\n", b"GET /x"),
    _fine("dots", b"GET /a/./../x HTTP/1.1\r\nHost: a.example\r\n\r\n", b"GET /x"),
    _fine("dots-encoded", b"GET /a/%2E%2e/x HTTP/1.1\r\nHost: a.example\r\n\r\n", b"GET /x"),
    _fine("unreserved", b"GET /%78 HTTP/1.1\r\nHost: a.example\r\n\r\n", b"GET /x"),
    _fine("double-encoded", b"GET /%252f HTTP/1.1\r\nHost: a.example\r\n\r\n", b"GET /%252f"),
    _fine("options-all", b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", b"OPTIONS *"),
)

_SIZES = (
    Case("head-33-kib", GET + b"X: " + b"v" * 33 * 1024 + b"\r\n\r\n", (431,)),
    Case("head-33-kib-many", GET + FIELD * 90 + b"Y: " + b"v" * 24_000 + b"\r\n\r\n", (431,)),
    Case("target-33-kib", b"GET /" + b"x" * 33 * 1024 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (431,)),
    Case("fields-101", GET + b"X: y\r\n" * 100 + b"\r\n", (431,)),
    Case("endless-line", GET + b"X: " + b"v" * 300_000, (431,)),
    Case("endless-name", GET + b"X" * 300_000, (431,)),
    Case("endless-target", b"GET /" + b"x" * 300_000, (431,)),
    Case("endless-empty-lines", b"\r\n" * 150_000, (431,)),
    Case("endless-method", b"G" * 300_000, (501,)),
    Case("endless-chunk-extension", CHUNKED + b"5;" + b"x" * 900_000, (431,)),
    Case("endless-trailer", CHUNKED + b"0\r\nX: " + b"v" * 900_000, (431,)),
    _fine("fields-100", GET + b"X: y\r\n" * 99 + b"\r\n", b"GET /x"),
    _fine("head-31-kib", GET + b"X: " + b"v" * 31 * 1024 + b"\r\n\r\n", b"GET /x"),
)

_UPGRADES = (
    _fine("upgrade-h2c", GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", b"GET /x"),
    _fine(
        "upgrade-websocket",
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"GET /x",
    ),
    _fine(
        "upgrade-pipelined",
        (GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n") * 2 + GET + b"\r\n",
        b"GET /x",
        b"GET /x",
        b"GET /x",
    ),
    _fine(
        "upgrade-smuggling-length",
        POST
        + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)
        + SMUGGLED,
        b"POST /x",
    ),
    _fine(
        "upgrade-smuggling-chunks",
        POST
        + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n0\r\nX: y\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
        b"POST /x",
    ),
    _fine(
        "upgrade-with-body-pipelined",
        POST
        + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello"
        + GET
        + b"\r\n",
        b"POST /x",
        b"GET /x",
    ),
)

_SEQUENCES = (
    Case("garbage-behind", GET + b"\r\n\x00garbage\r\n\r\n", (200, 501), (b"GET /x",)),
    Case("bad-request-behind", GET + b"\r\n" + GET + b"X : y\r\n\r\n", (200, 400), (b"GET /x",)),
    Case(
        "spaces-in-line-behind-length",
        POST + b"Content-Length: 5\r\n\r\nhelloGET  /x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        (200, 400),
        (b"POST /x",),
    ),
    Case(
        "spaces-in-line-behind-chunks",
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\nGET  /x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        (200, 400),
        (b"POST /x",),
    ),
    Case(
        "behind-two-minds",
        b"GET /x HTTP/1.0\r\nConnection: close\r\nHost: a.example\r\n"
        b"Connection: keep-alive\r\n\r\n" + SMUGGLED,
        (200,),
        (b"GET /x",),
    ),
    Case("good-behind-bad", GET + b"X : y\r\n\r\n" + SMUGGLED),
    Case("behind-close", GET + b"Connection: close\r\n\r\n" + SMUGGLED, (200,), (b"GET /x",)),
    Case(
        "behind-1.0",
        b"GET /x HTTP/1.0\r\nHost: a.example\r\n\r\n" + SMUGGLED,
        (200,),
        (b"GET /x",),
    ),
    _fine(
        "smuggled-in-length",
        POST + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
        b"POST /x",
    ),
    _fine(
        "smuggled-in-chunk",
        CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
        b"POST /x",
    ),
    _fine(
        "smuggled-in-get-body",
        GET + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
        b"GET /x",
    ),
    _fine("pipelined", (GET + b"\r\n") * 3, b"GET /x", b"GET /x", b"GET /x"),
    _fine(
        "length-named-in-connection",
        POST
        + b"Connection: content-length\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)
        + SMUGGLED,
        b"POST /x",
    ),
    _fine(
        "host-named-in-connection",
        GET + b"Connection: host, x-forwarded-for\r\n\r\n",
        b"GET /x",
    ),
)

CASES = _LENGTHS + _CODINGS + _CHUNKS + _LINES + _HOSTS + _TARGETS + _SIZES + _UPGRADES + _SEQUENCES
