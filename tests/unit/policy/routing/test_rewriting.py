"""Paths made from the parameters of a route."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lukhas.errors import ConfigError
from lukhas.policy.routing.rewriting import Redirect, pattern_of


@pytest.mark.parametrize(
    ("text", "template", "params", "made"),
    [
        ("/v2/items/{id}", "/items/{id}", (b"7",), b"/v2/items/7"),
        ("/{b}/{a}", "/x/{a}/{b}", (b"1", b"2"), b"/2/1"),
        ("/static/{rest}", "/files/{rest:path}", (b"a/b%20c",), b"/static/a/b%20c"),
        ("/one", "/{a}", (b"1",), b"/one"),
        ("https://api.test/{a}", "/{a}", (b"1",), b"https://api.test/1"),
        ("/{rest}", "/old/{rest:path}", (b"/evil.test",), b"/evil.test"),
    ],
)
def test_parameters_go_where_they_are_named(
    text: str, template: str, params: tuple[bytes, ...], made: bytes
) -> None:
    """As they came; and never so that a browser takes them for a host."""
    assert pattern_of(text, template).filled(params) == made


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("/{other}", "names the parameter 'other'"),
        ("no/slash", "is not a path"),
        ("//evil.test/{id}", "is not a path"),
        ("/a b", "is not a path"),
        ("/a\r\nb", "is not a path"),
        ("ftp://x/{id}", "is not a path"),
        ("https://{id}.test/", "is not a path"),
        ("/a?b", "is not a path"),
    ],
)
def test_what_is_no_path_is_refused(text: str, what: str) -> None:
    """A parameter never names the host."""
    with pytest.raises(ConfigError, match=what):
        pattern_of(text, "/items/{id}")


def test_the_query_goes_along() -> None:
    """If there is one."""
    redirect = Redirect(pattern_of("/new/{id}", "/old/{id}"))
    assert redirect.location((b"7",), b"a=1") == b"/new/7?a=1"
    assert redirect.location((b"7",), b"") == b"/new/7"


@given(st.binary(max_size=30))
def test_a_redirect_within_stays_within(rest: bytes) -> None:
    """Whatever a client asks for."""
    made = pattern_of("/{rest}", "/{rest:path}").filled((rest,))
    assert made.startswith(b"/")
    assert not made.startswith(b"//")
