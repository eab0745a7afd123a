"""What the admin API has changed, as a value."""

from typing import Any

import pytest

from lukhas.config.changes import Changes, ItemChange, digest_of
from lukhas.errors import ConfigError


def test_changes_survive_as_plain_values() -> None:
    """But for the version, which is kept beside them."""
    changes = (
        Changes(3)
        .with_item("routes", "a", ItemChange({"name": "a", "path": "/"}, "d"))
        .with_item("upstreams", "b", ItemChange(None))
        .with_weight("c", "http://h:1", 0)
    )
    assert Changes.read(changes.document(), 3) == changes
    assert not changes.is_empty
    assert Changes.read(Changes().document(), 0).is_empty


def test_another_upstream_has_weights_of_its_own() -> None:
    """Those that were set for the one before are gone with it; routes have none."""
    weighed = Changes().with_weight("a", "http://h:1", 0).with_weight("b", "http://h:2", 3)
    changed = weighed.with_item("upstreams", "a", ItemChange({"name": "a"}))
    assert changed.weights == {"b": {"http://h:2": 3}}
    assert changed.with_item("routes", "b", ItemChange(None)).weights == changed.weights
    assert weighed.without_item("upstreams", "b").weights == {"a": {"http://h:1": 0}}


def test_a_weight_can_be_given_back() -> None:
    """And leaves nothing behind."""
    two = Changes().with_weight("a", "http://h:1", 0).with_weight("a", "http://h:2", 0)
    one = two.without_weight("a", "http://h:1")
    assert one.weights == {"a": {"http://h:2": 0}}
    assert one.without_weight("a", "http://h:2").is_empty
    assert one.without_weight("b", "http://h:2") == one


def test_there_is_an_end_to_changes() -> None:
    """The file that keeps them is read by every process that starts."""
    changes = Changes(items={"routes": {f"r{at}": ItemChange(None) for at in range(2000)}})
    changes.with_item("routes", "r0", ItemChange({}))
    with pytest.raises(ConfigError, match="more than 2000 routes"):
        changes.with_item("routes", "r2000", ItemChange({}))


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        {"format": 2},
        {"routes": []},
        {"routes": {"a": 1}},
        {"routes": {"a": {"item": None}}},
        {"routes": {"a": {"item": [], "below": ""}}},
        {"weights": {"a": 1}},
        {"weights": {"a": {"b": "1"}}},
        {"weights": {"a": {"b": True}}},
        {"upstreams": None},
    ],
)
def test_anything_else_is_refused(wrong: Any) -> None:
    """It was not written by us."""
    document = {**Changes().document(), **wrong} if wrong else wrong
    with pytest.raises((TypeError, ValueError)):
        Changes.read(document, 1)


def test_a_digest_tells_items_apart_whatever_their_order() -> None:
    """Of nothing there is none."""
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 1})
    assert digest_of(None) == ""


def test_items_are_not_in_the_repr() -> None:
    """They may hold credentials."""
    assert "s3cret" not in repr(Changes().with_item("routes", "a", ItemChange({"x": "s3cret"})))
