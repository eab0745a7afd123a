"""lukhas.http.structured_reading."""

import pytest

from lukhas.http.structured_reading import SfToken, parse_dictionary, parse_string_list


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", {}),
        (b"a", {"a": True}),
        (b"a=1, b=-2", {"a": 1, "b": -2}),
        (b"a=1 ,\tb", {"a": 1, "b": True}),
        (b"a=1.5", {"a": 1.5}),
        (b'a="x \\"y\\" \\\\"', {"a": 'x "y" \\'}),
        (b"a=tok/en:*", {"a": SfToken("tok/en:*")}),
        (b"a=?0, b=?1", {"a": False, "b": True}),
        (b"a=:aGk=:", {"a": b"aGk="}),
        (b"a=@1659578233", {"a": 1659578233}),
        (b'a=%"f%c3%bc"', {"a": b"f%c3%bc"}),
        (b'a=(1 "b"  c);p=1', {"a": (1, "b", SfToken("c"))}),
        (b"a=()", {"a": ()}),
        (b"a=( 1 )", {"a": (1,)}),
        (b"a=(1;x=2 3)", {"a": (1, 3)}),
        (b"a;p;q=1; r=?0, b", {"a": True, "b": True}),
        (b"a=1, a=2", {"a": 2}),
        (b"  a  ", {"a": True}),
    ],
)
def test_rfc_9651_dictionaries_are_read(text: bytes, expected: dict[str, object]) -> None:
    """RFC 9651 section 4.2.2; of a key that comes twice the last value counts."""
    assert parse_dictionary([text]) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"A=1",
        b"a=1,",
        b"a=1,, b",
        b"a = 1",
        b"a= 1",
        b"a=1 b=2",
        b"a=1234567890123456",
        b"a=1.2345",
        b"a=1.",
        b'a="x',
        b'a="\xc3"',
        b'a="\\x"',
        b"a=(1",
        b'a=(1"b")',
        b"a=?2",
        b"a=:x",
        b"a;=1",
        b"a;p=",
        b"max-age=10000, &&&&&",
        b"a=",
    ],
)
def test_rfc_9651_one_fault_makes_no_field(text: bytes) -> None:
    """RFC 9651 section 4.2: a field that fails to parse is ignored as a whole."""
    assert parse_dictionary([text]) is None


def test_rfc_9651_lines_are_one_field() -> None:
    """RFC 9651 section 4.2: lines are joined by a comma before anything else."""
    assert parse_dictionary([b"a=1", b"b"]) == {"a": 1, "b": True}
    assert parse_string_list([b'"a"', b'"b";x, "c"']) == ("a", "b", "c")


@pytest.mark.parametrize("text", [b"a", b'"a", 1', b'"a" "b"', b'("a")', b'"a",'])
def test_rfc_9651_only_strings_are_strings(text: bytes) -> None:
    """A list with a member of another type is no list of strings."""
    assert parse_string_list([text]) is None
