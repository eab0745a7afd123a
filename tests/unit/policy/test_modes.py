"""Modes."""

from lukhas.policy.modes import FailureMode, Mode


def test_modes_are_read_by_the_names_of_the_settings() -> None:
    """These words stand in configuration files and metrics."""
    assert [mode.value for mode in Mode] == ["enforce", "shadow", "off"]
    assert [mode.value for mode in FailureMode] == ["open", "closed"]
    assert Mode("shadow") is Mode.SHADOW
    assert FailureMode("open") is FailureMode.OPEN
