"""A path leads to the operation with the most fixed text."""

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.openapi.operations import Operation
from lukhas.policy.openapi.paths import OperationPaths


def operation(template: str, method: str = "GET") -> Operation:
    return Operation(method, template, (), None, body_required=False, responses={})


def paths(*templates: str, base_path: str = "") -> OperationPaths:
    return OperationPaths([operation(each) for each in templates], base_path=base_path)


TEMPLATES = paths(
    "/",
    "/items/new",
    "/items/{id}",
    "/items/{id}.json",
    "/items/{id}/notes/{note}",
    "/items/new/{part}",
    "/files/{name}-{version}.tar",
    "/a.b/{x}",
)


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        (b"/", "/", {}),
        (b"/items/new", "/items/new", {}),
        (b"/items/7", "/items/{id}", {"id": "7"}),
        (b"/items/7.json", "/items/{id}.json", {"id": "7"}),
        (b"/items/a%2Fb", "/items/{id}", {"id": "a/b"}),
        (b"/items/a%0Ab", "/items/{id}", {"id": "a\nb"}),
        # The literal leads nowhere, so the parameter is tried.
        (b"/items/new/notes/2", "/items/{id}/notes/{note}", {"id": "new", "note": "2"}),
        (b"/items/new/2", "/items/new/{part}", {"part": "2"}),
        (b"/files/a-b-1.tar", "/files/{name}-{version}.tar", {"name": "a-b", "version": "1"}),
        (b"/a.b/%ff", "/a.b/{x}", {"x": "\ufffd"}),
    ],
)
def test_a_path_finds(path: bytes, template: str, params: dict[str, str]) -> None:
    found = TEMPLATES.find(path)
    assert found is not None
    assert found.operations["GET"].template == template
    assert found.params == params


@pytest.mark.parametrize(
    "path", [b"", b"/items", b"/items/", b"/items/7/notes", b"/items/7/notes/", b"/aXb/1", b"/no"]
)
def test_a_path_leads_nowhere(path: bytes) -> None:
    assert TEMPLATES.find(path) is None


def test_paths_begin_with_the_base() -> None:
    based = paths("/items", base_path="/v1")
    assert based.find(b"/v1/items") is not None
    assert based.find(b"/items") is None


def test_head_is_get_without_a_body() -> None:
    """RFC 9110 section 9.3.2; a HEAD of its own comes first."""
    found = paths("/a").find(b"/a")
    assert found is not None
    assert found.operation("HEAD") is found.operation("GET") is not None
    assert found.operation("POST") is None
    own = operation("/a", "HEAD")
    both = OperationPaths([operation("/a"), own]).find(b"/a")
    assert both is not None
    assert both.operation("HEAD") is own


def test_methods_of_one_path() -> None:
    found = OperationPaths([operation("/{x}"), operation("/{x}", "PUT")]).find(b"/1")
    assert found is not None
    assert sorted(found.operations) == ["GET", "PUT"]


@pytest.mark.parametrize("pair", [("/a/{x}", "/a/{y}"), ("/a", "/a")])
def test_two_paths_that_are_alike(pair: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match="twice"):
        paths(*pair)
