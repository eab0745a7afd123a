"""Settings for JSON, and how they differ."""

from pathlib import Path
from typing import Any

from lukhas.config.loading import load_settings
from lukhas.config.plain_values import Difference, differences, effective_values, named_path, plain
from lukhas.config.settings import Settings

BASE: dict[str, Any] = {
    "state_dir": "/s",
    "upstream": {"url": "http://h:1"},
    "routes": [{"name": "a", "path": "/a"}, {"name": "b", "path": "/b"}],
}


def settings(**more: Any) -> Settings:
    return Settings.model_validate(BASE | more)


def test_differences_are_told_at_the_smallest_place() -> None:
    """Items of lists by their names, wherever they stand."""
    routes = [{"name": "b", "path": "/b", "cost": 2}, {"name": "c", "path": "/c"}]
    assert differences(settings(), settings(routes=routes, workers=2)) == [
        Difference("workers", 1, 2),
        Difference("routes.a", {"name": "a", "path": "/a"}, None),
        Difference("routes.b.cost", 1, 2),
        Difference("routes.c", None, {"name": "c", "path": "/c"}),
    ]
    assert differences(settings(), settings()) == []


def test_differences_within_sections_of_items_are_told() -> None:
    """As deep as they are."""
    before = settings(upstreams=[{"name": "u", "url": "http://u:1"}])
    after = settings(upstreams=[{"name": "u", "url": "http://u:1", "tls": {"verify": False}}])
    assert differences(before, after) == [Difference("upstreams.u.tls.verify", True, False)]


def test_a_secret_that_is_another_is_told_without_it() -> None:
    """That it has changed matters."""
    found = differences(settings(admin={"token": "x" * 16}), settings(admin={"token": "y" * 16}))
    assert found == [Difference("admin.token", "***", "***")]


def test_values_are_plain() -> None:
    """Only what was set of a section; enums by value, addresses and paths as text."""
    item = settings(routes=[{"name": "a", "path": "/", "methods": ["get"]}]).routes[0]
    assert plain(item) == {"name": "a", "path": "/", "methods": ["GET"]}
    found = settings()
    assert plain(found.listen) == "127.0.0.1:8000"
    assert plain(found.strategy) == "balanced"
    assert plain(found.state_dir) == "/s"
    assert plain({"a": (1.5, None)}) == {"a": [1.5, None]}
    tls = settings(upstreams=[{"name": "u", "url": "http://u:1", "tls": {"verify": False}}])
    assert plain(tls.upstreams[0])["tls"] == {"verify": False}


def test_effective_values_name_the_source_of_each(tmp_path: Path) -> None:
    """An empty list is one value, the items of another are one each."""
    file = tmp_path / "a.toml"
    file.write_text('[[routes]]\nname = "a"\npath = "/a"\n', encoding="utf-8")
    found = {each.path: each for each in effective_values(load_settings({}, file, {"HOME": "/"}))}
    assert found["routes.a"].source == f"{file}:1"
    assert found["workers"].source == "default"
    assert found["upstreams"].value == []


def test_paths_name_items() -> None:
    """What is not there is written as it is."""
    found = settings()
    assert named_path(("routes", 1, "cost"), found) == "routes.b.cost"
    assert named_path(("routes", 7, "cost"), found) == "routes.7.cost"
    assert named_path(("upstream", "url"), found) == "upstream.url"
