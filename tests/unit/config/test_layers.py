"""Layers of settings: the one on top wins, and everybody knows who set what."""

from lukhas.config.key_paths import KeyPath
from lukhas.config.layers import Layer, merge


def layer(name: str, **tree: object) -> Layer:
    def where(path: KeyPath) -> str:
        return f"{name}:{'.'.join(map(str, path))}"

    return Layer(tree, where)


def test_tables_are_merged_and_lists_replaced() -> None:
    """Tables merge key by key; a list or a value replaces what lies below."""
    low = layer("low", cache={"mode": "off", "max_ttl_s": 5}, limits=[1, 2], workers=1)
    high = layer("high", cache={"max_ttl_s": 7}, limits=[3])
    tree, _ = merge([low, high])
    assert tree == {"cache": {"mode": "off", "max_ttl_s": 7}, "limits": [3], "workers": 1}
    assert low.tree["cache"] == {"mode": "off", "max_ttl_s": 5}


def test_origins_follow_the_winner() -> None:
    """Each value knows its place; replaced values are forgotten."""
    low = layer("low", cache={"mode": "off", "max_ttl_s": 5}, limits=[{"name": "a"}, {"name": "b"}])
    high = layer("high", cache={"max_ttl_s": 7}, limits=[{"name": "c"}])
    _, origins = merge([low, high])
    assert origins.place(("cache", "mode")) == "low:cache.mode"
    assert origins.place(("cache", "max_ttl_s")) == "high:cache.max_ttl_s"
    assert origins.place(("limits", 0, "name")) == "high:limits.0.name"
    assert origins.place(("limits", 1)) is None
    assert origins.nearest(("limits", 1, "name")) == "high:limits"
    assert origins.nearest(("log", "level")) is None


def test_a_table_replaces_a_value_and_the_other_way_round() -> None:
    """What changes its kind is replaced as a whole."""
    tree, origins = merge([layer("low", a=1, b={"c": 2}), layer("high", a={"c": 3}, b=4)])
    assert tree == {"a": {"c": 3}, "b": 4}
    assert origins.place(("a", "c")) == "high:a.c"
    assert origins.place(("b", "c")) is None
