"""Fields that are set, added and removed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.errors import ConfigError
from lukhas.http.headers import Headers
from lukhas.policy.field_rules import FieldRules, fields, parse_field, parse_field_name

GIVEN = Headers([(b"server", b"x"), (b"a", b"1"), (b"a", b"2"), (b"b", b"3")])


def test_rules_are_applied_in_order() -> None:
    """Removed, set, added, and what is missing at last."""
    rules = FieldRules(
        removed=frozenset((b"server",)),
        set=((b"a", b"new"),),
        added=((b"b", b"4"),),
        missing=((b"b", b"no"), (b"c", b"5")),
    )
    assert rules.applied(GIVEN).raw == [
        (b"b", b"3"),
        (b"a", b"new"),
        (b"b", b"4"),
        (b"c", b"5"),
    ]


def test_no_rules_change_nothing() -> None:
    """Not even the object."""
    assert FieldRules().applied(GIVEN) is GIVEN
    assert FieldRules().is_empty


def test_the_rules_of_a_route_have_the_last_word() -> None:
    """Over the general ones."""
    general = FieldRules(frozenset((b"x",)), ((b"a", b"1"), (b"b", b"2")), ((b"c", b"3"),))
    route = FieldRules(frozenset((b"y",)), ((b"a", b"9"),))
    assert general.then(route) == FieldRules(
        frozenset((b"x", b"y")), ((b"b", b"2"), (b"a", b"9")), ((b"c", b"3"),)
    )


def test_a_field_is_written_as_in_http() -> None:
    """Spaces around the value do not belong to it."""
    assert fields(["X-Frame-Options:  DENY ", "a:b:c", "Empty:"]) == (
        (b"x-frame-options", b"DENY"),
        (b"a", b"b:c"),
        (b"empty", b""),
    )


@pytest.mark.parametrize(
    "text", ["", "no colon", ": x", "a b: c", "a: b\r\nc: d", "a: b\nc", "a: \x00", "ä: b", "a: ä"]
)
def test_no_line_can_be_smuggled_in(text: str) -> None:
    """What is no field is an error."""
    with pytest.raises(ConfigError):
        parse_field(text)


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Host"])
def test_framing_and_host_cannot_be_changed(name: str) -> None:
    """They are the gateway's own business."""
    with pytest.raises(ConfigError, match="belongs to the connection"):
        parse_field_name(name)


@given(st.text(max_size=40))
def test_what_is_read_can_be_written(text: str) -> None:
    """A field that is accepted holds no line end, in its name or its value."""
    try:
        name, value = parse_field(text)
    except ConfigError:
        return
    assert not set(name + value) & {0, 10, 13}
