"""lukhas.http.rerouting: rule R19.1."""

from lukhas.http.headers import Headers
from lukhas.http.rerouting import rerouting_digest


def digest(*pairs: tuple[str, str]) -> bytes:
    return rerouting_digest(Headers.of(pairs))


def test_r19_1_plain_requests_have_none() -> None:
    """An address of the client reroutes nothing."""
    assert digest() == digest(("accept", "x"), ("x-forwarded-for", "10.0.0.1")) == b""


def test_r19_1_each_field_and_value_counts() -> None:
    """Whatever their order."""
    one, two = ("x-forwarded-host", "a"), ("x-original-url", "/b")
    assert len({digest(one), digest(two), digest(one, two), digest(("x-forwarded-host", "b"))}) == 4
    assert digest(one, two) == digest(two, one) == digest(two, ("accept", "x"), one)
    assert digest(("x-host", "a"), ("x-scheme", "b")) != digest(("x-host", "a8:x-scheme1:b"))


def test_r19_1_rfc_7239_5_of_forwarded_host_and_proto_count() -> None:
    """Who the client is, is no part of the key."""
    said = digest(("forwarded", "for=1.1.1.1;host=a;proto=https"))
    assert said == digest(("forwarded", 'For="2.2.2.2";host=a; Proto=https;by=x'))
    assert said != digest(("forwarded", "for=1.1.1.1;host=b;proto=https"))
