"""Quality lists, content codings and media types."""

import pytest

from lukhas.http.content_negotiation import accepts_media_type, choose_coding, parse_quality_list


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", ()),
        (b"gzip", ((b"gzip", 1000),)),
        (b"GZip;Q=0.5 , BR", ((b"gzip", 500), (b"br", 1000))),
        (b"a;q=0,b;q=0.,c;q=0.001,d;q=1.000", ((b"a", 0), (b"b", 0), (b"c", 1), (b"d", 1000))),
        (b"a;q=0.1,b;q=0.12,c;q=1.", ((b"a", 100), (b"b", 120), (b"c", 1000))),
        (b"a \t; \tq=0.5", ((b"a", 500),)),
        (b"a;;q=0.5;", ((b"a", 500),)),
        (b"*;q=0, text/*;q=0.3", ((b"*", 0), (b"text/*", 300))),
        (b"a,,b, ,", ((b"a", 1000), (b"b", 1000))),
    ],
)
def test_quality_list(value: bytes, expected: tuple[tuple[bytes, int], ...]) -> None:
    """Names in lower case with weights in thousandths, in order (RFC 9110 section 12.4.2)."""
    assert parse_quality_list(value) == expected


@pytest.mark.parametrize(
    "member",
    [
        b"a;q=2",
        b"a;q=1.1",
        b"a;q=1.001",
        b"a;q=0.1234",
        b"a;q=.5",
        b"a;q=-1",
        b"a;q=",
        b"a;q",
        b"a;q =1",
        b"a;q= 1",
        b'a;q="1"',
        b"a;q=1;q=x",
        b"a b",
        b"a/b/c",
        b"/b",
        b"b/",
        b";q=1",
        b'"a"',
        b'"a";q=1',
        b"\xe9",
        b"a;level=1",
        b"a;x=y z",
        b"a;x",
        b"a;=y",
    ],
)
def test_malformed_members_are_dropped(member: bytes) -> None:
    """A bad member goes, its neighbours stay."""
    assert parse_quality_list(b"x," + member + b",y;q=0.5") == ((b"x", 1000), (b"y", 500))


AVAILABLE = (b"zstd", b"br", b"gzip")


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        (None, b"identity"),
        (b"", b"identity"),
        (b"gzip", b"gzip"),
        (b"gzip, deflate, br, zstd", b"zstd"),
        (b"gzip, deflate, br", b"br"),
        (b"gzip;q=1.0, br;q=0.5", b"gzip"),
        (b"GZIP", b"gzip"),
        (b"x-gzip", b"gzip"),
        (b"x-gzip;q=0, gzip", b"identity"),
        (b"deflate", b"identity"),
        (b"gzip;q=0", b"identity"),
        (b"*", b"zstd"),
        (b"*;q=0.5, zstd;q=0", b"br"),
        (b"*;q=0, gzip", b"gzip"),
        (b"identity", b"identity"),
        (b"identity, gzip", b"gzip"),
        (b"identity;q=0.5, gzip;q=0.4", b"identity"),
        (b"identity;q=0.5, gzip;q=0.6", b"gzip"),
        (b"gzip;q=0.3, *;q=0.5, br;q=0, zstd;q=0", b"identity"),
        (b"gzip;q=0.001", b"gzip"),
        (b"gzip;q=2", b"identity"),
        (b"*;q=0, identity;q=0.1", b"identity"),
        (b"br;q=0, br", b"identity"),
        (b"identity;q=0, br", b"br"),
    ],
)
def test_best_coding(accept_encoding: bytes | None, coding: bytes) -> None:
    """The highest weight wins, our order breaks ties (RFC 9110 section 12.5.3)."""
    assert choose_coding(accept_encoding, AVAILABLE) == coding


@pytest.mark.parametrize(
    "accept_encoding", [b"*;q=0", b"identity;q=0", b"deflate, identity;q=0", b"gzip;q=0, *;q=0"]
)
def test_no_coding_is_acceptable(accept_encoding: bytes) -> None:
    """None where identity is excluded and nothing on offer is left."""
    assert choose_coding(accept_encoding, AVAILABLE) is None


def test_nothing_on_offer_but_identity() -> None:
    """Without codings identity is the answer, unless it is excluded."""
    assert choose_coding(b"gzip", ()) == b"identity"
    assert choose_coding(b"*", ()) == b"identity"
    assert choose_coding(b"gzip, *;q=0", ()) is None


def test_identity_may_be_ranked() -> None:
    """A mention among the codings on offer gives identity a place in ties."""
    assert choose_coding(b"gzip, identity", (b"identity", b"gzip")) == b"identity"
    assert choose_coding(b"gzip, identity", (b"gzip", b"identity")) == b"gzip"


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        (None, True),
        (b"", True),
        (b"nonsense", True),
        (b"*/*", True),
        (b"*/*;q=0", False),
        (b"text/*", True),
        (b"TEXT/HTML", True),
        (b"text/plain", False),
        (b"application/*", False),
        (b"text/html;q=0", False),
        (b"text/html;q=0, */*", False),
        (b"*/*, text/html;q=0", False),
        (b"text/*;q=0, text/html", True),
        (b"text/html, text/*;q=0", True),
        (b"text/*;q=0, */*", False),
        (b"text/html;q=0, text/html", False),
        (b"text/html, text/html;q=0", True),
        (b"text/html;level=1", False),
        (b"text/html;level=1;q=0, text/html", True),
        (b'text/plain;x="a,text/html"', False),
    ],
)
def test_media_type_without_parameters(accept: bytes | None, *, accepted: bool) -> None:
    """The most specific matching range decides (RFC 9110 section 12.5.1)."""
    assert accepts_media_type(accept, b"text/html") is accepted


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        (b"text/html;level=1", True),
        (b"text/html;level=2", False),
        (b"text/html;level=1;q=0, text/html", False),
        (b"text/html, text/html;level=1;q=0", False),
        (b"text/html;q=0, text/html;level=1", True),
        (b'text/html;LEVEL="1"', True),
        (b"text/html;level=1;charset=utf-8", True),
        (b"text/html;level=1;charset=ascii", False),
    ],
)
def test_media_type_with_parameters(accept: bytes, *, accepted: bool) -> None:
    """A range with parameters needs them all, and is the more specific one."""
    assert accepts_media_type(accept, b"text/html; level=1; charset=UTF-8") is accepted


def test_malformed_media_type_is_not_accepted() -> None:
    """What is not a media type matches no range."""
    assert accepts_media_type(b"*/*", b"text html") is False
