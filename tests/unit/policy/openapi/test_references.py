"""References stay inside the description, and pointers lead where RFC 6901 says."""

from typing import Any

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.openapi.references import check_references, followed, joined, node_at

DOCUMENT: dict[str, Any] = {
    "a/b": {"~": [10, 20]},
    "first": {"$ref": "#/second"},
    "second": {"$ref": "#/a~1b"},
    "round": {"$ref": "#/about"},
    "about": {"$ref": "#/round"},
    "with space": 1,
    "spaced": {"$ref": "#/with%20space"},
}


def test_a_pointer_is_escaped() -> None:
    """RFC 6901 section 3: `~` is `~0` and `/` is `~1`."""
    assert joined("/x", "a/b", "~", 1) == "/x/a~1b/~0/1"
    assert node_at(DOCUMENT, joined("", "a/b", "~", 1)) == 20
    assert node_at(DOCUMENT, "") is DOCUMENT


@pytest.mark.parametrize(
    "pointer", ["/a~1b/~0/2", "/a~1b/~0/-1", "/a~1b/~0/x", "/none", "/with space/x"]
)
def test_a_pointer_to_nothing(pointer: str) -> None:
    with pytest.raises(KeyError):
        node_at(DOCUMENT, pointer)


def test_references_are_followed_to_the_end() -> None:
    assert followed(DOCUMENT, "/first") == ("/a~1b", {"~": [10, 20]})
    assert followed(DOCUMENT, "/spaced") == ("/with space", 1)
    assert followed(DOCUMENT, "/a~1b/~0") == ("/a~1b/~0", [10, 20])


def test_a_circle_ends() -> None:
    with pytest.raises(ConfigError, match="circle") as caught:
        followed(DOCUMENT, "/round")
    assert caught.value.where == "/round"


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("https://x.test/a", "leaves the file"),
        ("#anchor", "no JSON Pointer"),
        ("#/none", "points to nothing"),
    ],
)
def test_a_reference_that_cannot_be_used_has_a_place(target: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        check_references({"list": [{"schema": {"$ref": target}}]})
    assert caught.value.where == "/list/0/schema"


@pytest.mark.parametrize("key", ["example", "examples", "default", "enum", "const", "x-mine"])
def test_data_is_no_reference(key: str) -> None:
    """What only shows a value may hold a property with any name."""
    check_references({"whole": {"$ref": "#"}, key: {"$ref": "https://x.test/a"}})


def test_a_property_may_be_called_ref() -> None:
    check_references({"properties": {"$ref": {"type": "string"}}})
