"""Multi-value header fields."""

import pytest

from lukhas.http.headers import HOP_BY_HOP, Headers, connection_options


def sample() -> Headers:
    return Headers([(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"c", b""), (b"a", b"4")])


def test_of_lowers_names_and_encodes_latin_1() -> None:
    """Loose pairs become bytes with lower-case names; values keep their case."""
    headers = Headers.of([("X-Name", "Zoë"), (b"ETag", b'"Q"')])
    assert headers.raw == [(b"x-name", b"Zo\xeb"), (b"etag", b'"Q"')]


def test_of_refuses_what_latin_1_cannot_hold() -> None:
    """A character beyond Latin-1 has no byte in a field value."""
    with pytest.raises(UnicodeEncodeError):
        Headers.of([("a", "€")])


def test_get_gives_the_first_value() -> None:
    """The first of several lines; None where there is none; an empty value is a value."""
    headers = sample()
    assert headers.get(b"a") == b"1"
    assert headers.get(b"b") == b"2"
    assert headers.get(b"c") == b""
    assert headers.get(b"d") is None


def test_index_is_built_once() -> None:
    """The second look-up uses the same mapping."""
    headers = sample()
    assert headers.index() is headers.index()
    assert headers.index() == {b"a": b"1", b"b": b"2", b"c": b""}


def test_index_of_unique_names() -> None:
    """Without repeated names each name has its only value."""
    assert Headers([(b"a", b"1"), (b"b", b"2")]).index() == {b"a": b"1", b"b": b"2"}


def test_get_all_keeps_order() -> None:
    """Every line of the name, in the order received (RFC 9110 section 5.3)."""
    assert sample().get_all(b"a") == [b"1", b"3", b"4"]
    assert sample().get_all(b"d") == []


def test_joined_combines_lines_with_a_comma() -> None:
    """A list field's lines make one list (RFC 9110 section 5.3)."""
    assert sample().joined(b"a") == b"1, 3, 4"
    assert sample().joined(b"c") == b""
    assert sample().joined(b"d") is None


def test_contains_iterates_and_counts() -> None:
    """Membership is by name, iteration and length are by line."""
    headers = sample()
    assert b"a" in headers
    assert b"d" not in headers
    assert list(headers) == headers.raw
    assert len(headers) == 5


def test_equality_is_by_lines_and_order() -> None:
    """Equal lines in equal order make equal headers; other objects never equal them."""
    assert sample() == sample()
    assert sample() != Headers(list(reversed(sample().raw)))
    assert sample() != sample().raw


def test_headers_are_no_key() -> None:
    """They hold a list, so they cannot be hashed."""
    with pytest.raises(TypeError):
        hash(sample())


def test_repr_hides_values() -> None:
    """Values may be credentials: only names are shown."""
    text = repr(Headers([(b"authorization", b"Bearer hunter2")]))
    assert text == "Headers(['authorization'])"


def test_without_drops_every_line_of_the_names() -> None:
    """The copy lacks the fields; the original keeps them."""
    headers = sample()
    assert headers.without([b"a", b"d"]).raw == [(b"b", b"2"), (b"c", b"")]
    assert headers == sample()


def test_replaced_has_just_the_new_values() -> None:
    """Old lines of the names go, the new ones come last; the original keeps its own."""
    headers = sample()
    replaced = headers.replaced([(b"a", b"9"), (b"d", b"5"), (b"a", b"8")])
    assert replaced.raw == [(b"b", b"2"), (b"c", b""), (b"a", b"9"), (b"d", b"5"), (b"a", b"8")]
    assert headers == sample()


def test_connection_options_of_all_lines() -> None:
    """Lower case, over all lines, empty ones skipped (RFC 9110 section 7.6.1)."""
    headers = Headers([(b"connection", b"Keep-Alive, X-Hop,,"), (b"connection", b" close ")])
    assert connection_options(headers) == {b"keep-alive", b"x-hop", b"close"}


def test_connection_options_absent() -> None:
    """Without the field there are none."""
    assert connection_options(Headers([])) == frozenset()


def test_hop_by_hop_fields_are_lower_case() -> None:
    """The fields of RFC 9110 section 7.6.1 are named as Headers names them."""
    assert {b"connection", b"keep-alive", b"te", b"transfer-encoding", b"upgrade"} <= HOP_BY_HOP
    assert b"proxy-connection" in HOP_BY_HOP
    assert all(name == name.lower() for name in HOP_BY_HOP)
