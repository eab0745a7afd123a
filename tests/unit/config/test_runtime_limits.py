"""Limits changed through the admin API, as a file."""

import json
from pathlib import Path

import pytest

from lukhas.config.loading import load_settings
from lukhas.config.runtime_limits import (
    RuntimeLimits,
    RuntimeLimitsFile,
    read_runtime_limits,
    with_runtime_limits,
    write_runtime_limits,
)
from lukhas.config.settings import Settings
from lukhas.errors import ConfigError, LimitSyntaxError, StateDirError
from lukhas.policy.rate_limiting.tiers import Tier


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Texts, no limit, and how often it was changed; for nobody else to read."""
    limits = RuntimeLimits().with_tier(Tier.FREE, "5/minute").with_tier(Tier.BASIC, None)
    write_runtime_limits(tmp_path, limits)
    assert read_runtime_limits(tmp_path) == limits
    assert limits == RuntimeLimits(2, {Tier.FREE: "5/minute", Tier.BASIC: None})
    assert [path.name for path in tmp_path.iterdir()] == ["limits.json"]
    assert (tmp_path / "limits.json").stat().st_mode & 0o777 == 0o600


def test_without_a_file_nothing_is_changed(tmp_path: Path) -> None:
    """Nor without a state directory."""
    for state_dir in (tmp_path, tmp_path / "missing"):
        assert read_runtime_limits(state_dir) == RuntimeLimits()


def test_they_win_over_the_settings(tmp_path: Path) -> None:
    """Only where something was changed; going back is a change too."""
    settings = Settings.model_validate({"state_dir": tmp_path, "tiers": {"free": "9/minute"}})
    assert RuntimeLimits().applied(settings) is settings
    changed = RuntimeLimits().with_tier(Tier.FREE, "5/minute").with_tier(Tier.BASIC, None)
    tiers = changed.applied(settings).tiers
    assert (tiers.free, tiers.basic) == ("5/minute", None)
    assert tiers.premium == settings.tiers.premium
    back = changed.without_tier(Tier.FREE).without_tier(Tier.FREE)
    assert (back.version, back.applied(settings).tiers.free) == (4, "9/minute")


def test_a_text_that_is_no_limit_is_refused() -> None:
    """Before anything is written."""
    with pytest.raises(LimitSyntaxError, match="often"):
        RuntimeLimits().with_tier(Tier.FREE, "often")


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"format": 2, "version": 1, "tiers": {}}',
        '{"format": 1, "version": -1, "tiers": {}}',
        '{"format": 1, "version": true, "tiers": {}}',
        '{"format": 1, "version": 1}',
        '{"format": 1, "version": 1, "tiers": []}',
        '{"format": 1, "version": 1, "tiers": {"gold": "1/minute"}}',
        '{"format": 1, "version": 1, "tiers": {"free": "often"}}',
        '{"format": 1, "version": 1, "tiers": {"free": 5}}',
        json.dumps({"format": 1, "version": 1, "tiers": {}, "more": "x" * 70_000}),
    ],
)
def test_a_file_that_holds_something_else_is_told(tmp_path: Path, content: str) -> None:
    """With its place and what to do."""
    (tmp_path / "limits.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="go back to the settings") as caught:
        read_runtime_limits(tmp_path)
    assert caught.value.where == str(tmp_path / "limits.json")


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """When reading, and when writing."""
    (tmp_path / "limits.json").mkdir()
    with pytest.raises(StateDirError, match="cannot be read"):
        read_runtime_limits(tmp_path)
    with pytest.raises(StateDirError, match="cannot be written"):
        write_runtime_limits(tmp_path, RuntimeLimits())
    assert [path.name for path in tmp_path.iterdir()] == ["limits.json"]
    with pytest.raises(StateDirError, match="cannot be written"):
        write_runtime_limits(tmp_path / "missing", RuntimeLimits())


def test_a_change_is_seen_once(tmp_path: Path) -> None:
    """Also when the file goes away, and when it is broken."""
    file = RuntimeLimitsFile(tmp_path)
    assert file.changed() is None
    limits = RuntimeLimits().with_tier(Tier.FREE, "5/minute")
    write_runtime_limits(tmp_path, limits)
    assert (file.changed(), file.changed()) == (limits, None)
    (tmp_path / "limits.json").write_text("broken", encoding="utf-8")
    with pytest.raises(ConfigError):
        file.changed()
    assert file.changed() is None
    (tmp_path / "limits.json").unlink()
    assert (file.changed(), file.changed()) == (RuntimeLimits(), None)


def test_loaded_settings_say_where_they_come_from(tmp_path: Path) -> None:
    """So that `config show` can tell."""
    environ = {"LUKHAS_STATE_DIR": str(tmp_path), "LUKHAS_TIERS__FREE": "9/minute"}
    write_runtime_limits(tmp_path, RuntimeLimits().with_tier(Tier.FREE, "5/minute"))
    before = load_settings({}, None, environ)
    loaded = with_runtime_limits(before)
    assert loaded.settings.tiers.free == "5/minute"
    assert loaded.sources["tiers.free"] == "admin API"
    assert loaded.sources["tiers.basic"] == "default"
    assert loaded.origins.place(("tiers", "free")) == "admin API"
    assert before.origins.place(("tiers", "free")) == "LUKHAS_TIERS__FREE"
