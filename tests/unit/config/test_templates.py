"""Path templates have one form, and alike ones the same shape."""

import pytest

from lukhas.config.templates import template_shape
from lukhas.errors import ConfigError


@pytest.mark.parametrize(
    ("template", "shape"),
    [
        ("/", ("",)),
        ("*", ("{:path}",)),
        ("/users/{id}", ("users", "{}")),
        ("/users/{who}/orders", ("users", "{}", "orders")),
        ("/static/{rest:path}", ("static", "{:path}")),
        ("/a%20b/~c", ("a%20b", "~c")),
    ],
)
def test_shapes_leave_names_out(template: str, shape: tuple[str, ...]) -> None:
    """The shape is the segments, without the names of the parts."""
    assert template_shape(template) == shape


@pytest.mark.parametrize(
    "template",
    [
        "",
        "users",
        "/users/{id",
        "/users/x{id}",
        "/users/{1d}",
        "/users/{id}/{id}",
        "/{rest:path}/more",
        "/users/{id:int}",
        "/a b",
        "/a%2",
        "/a?b",
        "/a#b",
        "/a/../b",
        "/./a",
        "/a/*",
    ],
)
def test_other_templates_are_refused(template: str) -> None:
    """What is no template is a mistake with a hint."""
    with pytest.raises(ConfigError) as caught:
        template_shape(template)
    assert caught.value.hint
