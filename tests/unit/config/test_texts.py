"""Settings as text: environment variables and flags."""

from pathlib import Path

import pytest

from lukhas.config.schema import leaves
from lukhas.config.texts import FLAG_PATHS, environment_layer, flag_layer, variable_name


def test_variables_are_nested_by_two_underscores() -> None:
    """Text stays text; numbers, lists and null are read as JSON."""
    layer, faults = environment_layer(
        {
            "LUKHAS_LISTEN": "127.0.0.1:80",
            "LUKHAS_CACHE__DEFAULT_TTL_S": "30",
            "LUKHAS_CACHE__MODE": "off",
            "LUKHAS_CACHE__PRIVATE": "True",
            "LUKHAS_TIERS__INTERNAL": "null",
            "LUKHAS_SERVER__BODY_BYTES": "10MiB",
            "LUKHAS_TRUSTED_PROXIES": '["10.0.0.0/8"]',
            "LUKHAS_STATE_DIR": "null",
            "PATH": "/bin",
        }
    )
    assert faults == []
    assert layer.tree == {
        "listen": "127.0.0.1:80",
        "cache": {"default_ttl_s": 30, "mode": "off", "private": True},
        "tiers": {"internal": None},
        "server": {"body_bytes": "10MiB"},
        "trusted_proxies": ["10.0.0.0/8"],
        "state_dir": "null",
    }
    assert layer.where(("cache", "mode")) == "LUKHAS_CACHE__MODE"
    assert layer.where(("trusted_proxies", 0)) == "LUKHAS_TRUSTED_PROXIES"


def test_the_upstream_may_be_written_short() -> None:
    """LUKHAS_UPSTREAM is the URL; one key of the section may stand beside it."""
    layer, faults = environment_layer(
        {"LUKHAS_UPSTREAM": "http://a:1", "LUKHAS_UPSTREAM__POOL_IDLE_S": "2"}
    )
    assert faults == []
    assert layer.tree == {"upstream": {"url": "http://a:1", "pool_idle_s": 2}}
    assert layer.where(("upstream", "url")) == "LUKHAS_UPSTREAM"


def test_a_section_may_be_json() -> None:
    """One key on its own wins over the same key in the JSON of its section."""
    layer, faults = environment_layer(
        {"LUKHAS_CACHE": '{"mode": "off", "private": true}', "LUKHAS_CACHE__MODE": "shadow"}
    )
    assert faults == []
    assert layer.tree == {"cache": {"mode": "shadow", "private": True}}
    assert layer.where(("cache", "private")) == "LUKHAS_CACHE"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("LUKHAS_LISTNE", "did you mean LUKHAS_LISTEN?"),
        ("LUKHAS_UPSTREAM__UR", "did you mean LUKHAS_UPSTREAM__URL?"),
        ("LUKHAS_CACHE_MODE", "did you mean LUKHAS_CACHE__MODE?"),
        ("LUKHAS_ROUTES__0__NAME", ""),
        ("LUKHAS_ZZZZZZZZZZZZ", "unset it"),
        ("LUKHAS_", ""),
    ],
)
def test_unknown_variables_are_mistakes(name: str, hint: str) -> None:
    """A LUKHAS_ variable that sets nothing is told, with the name that was probably meant."""
    layer, faults = environment_layer({name: "1"})
    assert layer.tree == {}
    (fault,) = faults
    assert fault.where == name
    assert hint in fault.hint


def test_variables_that_are_no_settings_are_left_alone() -> None:
    """LUKHAS_CONFIG names the file; LUKHAS_VENV belongs to the checkout."""
    layer, faults = environment_layer({"LUKHAS_CONFIG": "x.toml", "LUKHAS_VENV": ".venv"})
    assert (layer.tree, faults) == ({}, [])


def test_text_that_is_not_unicode_is_a_mistake() -> None:
    """Bytes that are not UTF-8 do not reach the settings."""
    layer, faults = environment_layer({"LUKHAS_LISTEN": "\udcff"})
    assert layer.tree == {}
    assert [fault.where for fault in faults] == ["LUKHAS_LISTEN"]
    layer, faults = flag_layer({"--listen": "\udcff"})
    assert layer.tree == {}
    assert [fault.where for fault in faults] == ["--listen"]


def test_flags_set_what_they_name() -> None:
    """A flag is the place of what it sets; --limit sets every tier but internal."""
    layer, faults = flag_layer({"--limit": "5/minute", "--cache-ttl": "30", "--workers": "x"})
    assert faults == []
    tiers = dict.fromkeys(("free", "basic", "premium", "enterprise"), "5/minute")
    assert layer.tree == {"tiers": tiers, "cache": {"default_ttl_s": 30}, "workers": "x"}
    assert layer.where(("tiers", "basic")) == "--limit"


def test_every_flag_sets_a_setting() -> None:
    """The flags know only paths that exist."""
    known = {leaf.path for leaf in leaves()}
    assert {path for paths in FLAG_PATHS.values() for path in paths} <= known


def test_every_setting_has_a_variable() -> None:
    """Names of variables are unique and lead back to their setting."""
    names = [variable_name(leaf.path) for leaf in leaves()]
    assert len(set(names)) == len(names)
    layer, faults = environment_layer(dict.fromkeys(names, "1"))
    assert faults == []
    assert {layer.where(leaf.path) for leaf in leaves()} == set(names)


def test_state_dirs_are_text() -> None:
    """A folder whose name is a number is still a name."""
    layer, _ = environment_layer({"LUKHAS_STATE_DIR": "1"})
    assert layer.tree == {"state_dir": "1"}
    assert Path(str(layer.tree["state_dir"])) == Path("1")
