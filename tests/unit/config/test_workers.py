"""How many processes serve, as it is written in settings."""

import pytest

from lukhas.config.faults import SettingsError
from lukhas.config.loading import load_settings
from lukhas.config.workers import WorkerBounds, worker_bounds


@pytest.mark.parametrize(
    ("setting", "cpus", "least", "most"),
    [
        (5, 2, 5, 5),
        ("auto", 3, 3, 3),
        ("auto", 100, 64, 64),
        ("auto:1-8", 4, 1, 4),
        ("auto:1-8", 16, 1, 8),
        ("auto:4-8", 2, 4, 4),
        ("auto:2-2", 8, 2, 2),
    ],
)
def test_what_a_setting_means(setting: int | str, cpus: int, least: int, most: int) -> None:
    """A number is itself, `auto` one a CPU, a range ends at the CPUs but keeps its least."""
    bounds = worker_bounds(setting, cpus=cpus)
    assert bounds == WorkerBounds(least, most)
    assert bounds.follow_load == (least < most)


def test_the_nearest_number_within_bounds() -> None:
    """Never below, never above."""
    bounds = WorkerBounds(2, 4)
    assert [bounds.clamped(count) for count in (1, 2, 3, 4, 9)] == [2, 2, 3, 4, 4]


@pytest.mark.parametrize("text", ["auto:1-8", "auto:01-08"])
def test_a_range_is_taken_everywhere(text: str) -> None:
    """From a flag and from the environment, in one form."""
    assert load_settings({"--workers": text}, None, {}).settings.workers == "auto:1-8"
    assert load_settings({}, None, {"LUKHAS_WORKERS": text}).settings.workers == "auto:1-8"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("auto:0-4", "'auto:0-4' is no range from 1 to 64"),
        ("auto:5-4", "'auto:5-4' is no range from 1 to 64"),
        ("auto:1-65", "'auto:1-65' is no range from 1 to 64"),
        ("auto:1", "'auto:1' is neither a whole number nor"),
        ("auto:-", "'auto:-' is neither a whole number nor"),
        ("1-8", "'1-8' is neither a whole number nor"),
    ],
)
def test_what_is_no_range(text: str, what: str) -> None:
    """Is told with what can be written."""
    with pytest.raises(SettingsError, match="follow the load") as raised:
        load_settings({"--workers": text}, None, {})
    assert what in str(raised.value)
