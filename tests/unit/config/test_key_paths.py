"""Paths are shown as people write them."""

from lukhas.config.key_paths import dotted


def test_paths_are_dotted() -> None:
    """Keys are joined by dots, list positions stand in brackets."""
    assert dotted(("routes", 0, "name")) == "routes[0].name"
    assert dotted(("admin", "listen")) == "admin.listen"
    assert dotted(()) == ""
