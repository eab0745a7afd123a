"""Changes of the admin API over all other sources."""

from pathlib import Path
from typing import Any

import pytest

from lukhas.config.changed_tree import apply_changes, item_below
from lukhas.config.changes import ADMIN_API, Changes, ItemChange, digest_of
from lukhas.config.faults import Fault, SettingsError
from lukhas.config.layers import Origins
from lukhas.config.loading import load_settings


def applied(changes: Changes, tree: dict[str, Any]) -> tuple[Origins, list[Fault]]:
    origins = Origins()
    origins.note((), tree, lambda path: "file:" + "/".join(map(str, path)))
    return origins, apply_changes(changes, tree, origins)


def test_items_keep_their_order_and_their_places() -> None:
    """A changed one stands where it stood, a new one at the end."""
    tree = {"routes": [{"name": "a"}, {"name": "b", "cost": 1}, {"name": "c"}]}
    changes = (
        Changes()
        .with_item("routes", "n", ItemChange({"name": "n"}))
        .with_item("routes", "a", ItemChange(None, digest_of({"name": "a"})))
        .with_item("routes", "b", ItemChange({"name": "b", "cost": 2}, ""))
    )
    origins, _ = applied(changes, tree)
    assert tree["routes"] == [{"name": "b", "cost": 2}, {"name": "c"}, {"name": "n"}]
    assert origins.place(("routes", 0, "cost")) == ADMIN_API
    assert origins.place(("routes", 1, "name")) == "file:routes/2/name"
    assert origins.place(("routes", 2)) == ADMIN_API
    assert origins.place(("routes", 3)) is None


def test_the_upstream_of_all_others_is_a_table() -> None:
    """It is called default."""
    tree: dict[str, Any] = {"upstream": {"url": "http://a:1", "host": "target"}}
    changes = Changes().with_item("upstreams", "default", ItemChange({"url": "http://b:1"}))
    origins, notes = applied(changes.with_weight("default", "http://b:1", 0), tree)
    assert tree == {"upstream": {"url": "http://b:1", "weights": {"http://b:1": 0}}}
    assert origins.place(("upstream", "host")) is None
    assert len(notes) == 1


def test_weights_are_laid_over_what_an_upstream_says() -> None:
    """Only for servers that it still has; others are told."""
    tree = {
        "upstreams": [
            {
                "name": "a",
                "url": "http://h:1/",
                "targets": ["http://h:2", 7, "?"],
                "weights": {"x": 1},
            }
        ]
    }
    changes = (
        Changes()
        .with_weight("a", "http://h:1", 0)
        .with_weight("a", "http://h:9", 3)
        .with_weight("gone", "http://h:1", 0)
    )
    origins, notes = applied(changes, tree)
    assert tree["upstreams"][0]["weights"] == {"x": 1, "http://h:1": 0}
    assert origins.place(("upstreams", 0, "weights", "http://h:1")) == ADMIN_API
    assert [note.what.partition(" ")[0] for note in notes] == ["http://h:9", "there"]


@pytest.mark.parametrize("broken", ["text", {"name": "a"}, [1, {"name": 2}, "x"]])
def test_a_tree_that_is_wrong_is_left_to_the_check_of_the_whole(broken: Any) -> None:
    """It says what is wrong, and where."""
    changes = (
        Changes()
        .with_item("routes", "a", ItemChange({"name": "a"}))
        .with_item("upstreams", "default", ItemChange(None))
        .with_weight("default", "http://h:1", 0)
    )
    tree: dict[str, Any] = {"routes": broken, "upstream": "text"}
    applied(changes, tree)
    kept = tree["routes"][: len(broken)] if isinstance(broken, list) else tree["routes"]
    assert kept == broken
    assert item_below({"routes": broken}, "routes", "a") is None


@pytest.mark.parametrize(
    ("below", "change", "told"),
    [
        ({"name": "a"}, ItemChange({"name": "a"}, digest_of({"name": "a"})), ""),
        ({"name": "a"}, ItemChange({"name": "a"}, ""), "something new"),
        ({"name": "a"}, ItemChange(None, "other"), "taken away"),
        (None, ItemChange(None, "other"), ""),
        (None, ItemChange({"name": "a"}, ""), ""),
        (None, ItemChange({"name": "a"}, "other"), "is gone"),
    ],
)
def test_what_a_source_says_in_vain_is_told(below: Any, change: ItemChange, told: str) -> None:
    """And only that."""
    tree = {"routes": [below] if below else []}
    _, notes = applied(Changes().with_item("routes", "a", change), tree)
    assert bool(notes) is bool(told)
    assert told in "".join(note.what for note in notes)


def test_changes_are_checked_with_the_whole(tmp_path: Path) -> None:
    """A mistake in one has its place, and the value that it is about."""
    file = tmp_path / "a.toml"
    file.write_text('[[routes]]\nname = "a"\npath = "/a"\n', encoding="utf-8")
    environ = {"HOME": str(tmp_path)}
    good = Changes().with_item("routes", "b", ItemChange({"name": "b", "path": "/b"}))
    loaded = load_settings({}, file, environ, changes=lambda _: good)
    assert [route.name for route in loaded.settings.routes] == ["a", "b"]
    assert loaded.sources["routes"] == ADMIN_API
    assert loaded.tree["routes"] == [{"name": "a", "path": "/a"}]
    bad = Changes().with_item("routes", "b", ItemChange({"name": "b", "path": "b"}))
    with pytest.raises(SettingsError) as caught:
        load_settings({}, file, environ, changes=lambda _: bad)
    (fault,) = caught.value.faults
    assert (fault.where, fault.path) == (ADMIN_API, ("routes", "b", "path"))


@pytest.mark.parametrize("state_dir", ["7", '"~nobody-at-all/x"'])
def test_without_a_state_directory_there_are_no_changes(tmp_path: Path, state_dir: str) -> None:
    """What is wrong with it is told, and nothing is looked for."""
    file = tmp_path / "a.toml"
    file.write_text(f"state_dir = {state_dir}\n", encoding="utf-8")

    def never(_: Path) -> Changes:
        raise AssertionError("looked for")

    with pytest.raises(SettingsError, match="state_dir"):
        load_settings({}, file, {}, changes=never)
