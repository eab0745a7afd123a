"""Where settings come from outside of files and flags."""

import os
from pathlib import Path

import pytest

from lukhas.config.sources import config_file_of, default_state_dir, process_environment


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/x/state", "HOME": "/srv/a"}, "/x/state/lukhas"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/srv/a"}, "/srv/a/.local/state/lukhas"),
        ({"HOME": "/srv/a"}, "/srv/a/.local/state/lukhas"),
    ],
)
def test_the_state_directory_follows_xdg(environ: dict[str, str], expected: str) -> None:
    """XDG Base Directory 0.8: relative values count as not set."""
    assert default_state_dir(environ) == Path(expected)


def test_without_a_home_the_user_database_is_asked() -> None:
    """An empty environment still gives an absolute folder."""
    assert default_state_dir({}).is_absolute()


def test_the_environment_is_a_copy() -> None:
    """Changing what was read does not change the process."""
    environ = process_environment()
    environ["LUKHAS_TEST_ONLY"] = "1"
    assert "LUKHAS_TEST_ONLY" not in os.environ


def test_the_config_file_may_be_named_by_the_environment() -> None:
    """LUKHAS_CONFIG names the file, unless it is empty."""
    assert config_file_of({"LUKHAS_CONFIG": "a.toml"}) == Path("a.toml")
    assert config_file_of({"LUKHAS_CONFIG": ""}) is None
    assert config_file_of({}) is None
