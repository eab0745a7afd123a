"""Effective settings are shown with their source, and without secrets."""

import tomllib

from lukhas.config.loading import load_settings
from lukhas.config.rendering import render_settings


def test_every_setting_is_shown_with_its_source() -> None:
    """One line each: path, value, source; the values are TOML, except null."""
    environ = {
        "LUKHAS_ROUTES": '[{"name": "a", "path": "/x", "methods": ["GET"]}]',
        "LUKHAS_CACHE__MODE": "off",
    }
    lines = list(render_settings(load_settings({"--listen": "127.0.0.1:80"}, None, environ)))
    assert 'listen = "127.0.0.1:80"  # --listen' in lines
    assert 'cache.mode = "off"  # LUKHAS_CACHE__MODE' in lines
    assert "cache.default_ttl_s = null  # default" in lines
    assert "server.drain_s = 30  # default" in lines
    assert 'routes = [{ name = "a", path = "/x", methods = ["GET"] }]  # LUKHAS_ROUTES' in lines
    tomllib.loads("\n".join(line for line in lines if " = null " not in line))


def test_secrets_are_never_shown() -> None:
    """A token is shown as stars."""
    environ = {"LUKHAS_ADMIN__TOKEN": "0123456789abcdef"}
    text = "\n".join(render_settings(load_settings({}, None, environ)))
    assert "0123456789abcdef" not in text
    assert 'admin.token = "***"  # LUKHAS_ADMIN__TOKEN' in text
