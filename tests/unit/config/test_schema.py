"""The tree of settings as data."""

import pytest

from lukhas.config.schema import ListLeaf, field_at, is_secret, leaves, nearest_key
from lukhas.config.settings import Settings


def test_every_setting_is_described() -> None:
    """No setting is without a description, in lists of tables neither."""
    nameless = []
    for leaf in leaves():
        if not leaf.info.description:
            nameless.append(leaf.path)
        if isinstance(leaf, ListLeaf):
            inner = leaf.section.model_fields.items()
            nameless += [(*leaf.path, name) for name, info in inner if not info.description]
    assert nameless == []


def test_leaves_can_be_read_from_settings() -> None:
    """Each path leads to a value of the default settings."""
    for leaf in leaves():
        value: object = Settings()
        for name in leaf.path:
            value = getattr(value, name)


@pytest.mark.parametrize(
    "path",
    [("listen",), ("admin",), ("admin", "token"), ("routes",), ("routes", 3, "name")],
)
def test_fields_are_found(path: tuple[str | int, ...]) -> None:
    """Fields of sections and of list items are found."""
    assert field_at(path) is not None


@pytest.mark.parametrize(
    "path",
    [("x",), ("admin", "x"), ("listen", "x"), ("x", "y"), ("routes", 0, "x"), ("log", 0, "level")],
)
def test_other_paths_are_no_fields(path: tuple[str | int, ...]) -> None:
    """What does not exist is not found."""
    assert field_at(path) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("listne",), "listen"),
        (("admin", "listne"), "listen"),
        (("routes", 0, "cache-ttl"), "cache_ttl_s"),
        (("token",), "admin.token"),
        (("zzz",), None),
        (("admin", "zzz"), None),
        (("listen", "zzz"), None),
        (("zzz", "listen"), None),
    ],
)
def test_unknown_keys_have_a_nearest_one(path: tuple[str | int, ...], expected: str | None) -> None:
    """The closest key of the same section is proposed, or the only place the key exists at."""
    assert nearest_key(path) == expected


def test_secrets_are_known_by_their_type() -> None:
    """The token, and addresses that may hold a password."""
    secret = [leaf.path for leaf in leaves() if is_secret(leaf.path)]
    assert secret == [("admin", "token"), ("cache", "redis"), ("analytics", "database")]
