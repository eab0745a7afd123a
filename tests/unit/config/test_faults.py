"""Mistakes are told where, what, and what to do."""

from typing import Any

import pytest
from pydantic import ValidationError

from lukhas.config.faults import Fault, SettingsError, describe, in_order
from lukhas.config.settings import Settings


def told(tree: dict[str, Any], place: str = "lukhas.toml:1") -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(tree)
    (error,) = caught.value.errors()
    return describe(error, place)


@pytest.mark.parametrize(
    ("tree", "what", "hint"),
    [
        ({"listne": 1}, "unknown key 'listne'", "did you mean 'listen'?"),
        ({"zzz": 1}, "unknown key 'zzz'", "remove it; docs/reference/settings.md lists all keys"),
        (
            {"workers": "two"},
            "workers: 'two' is neither a whole number nor \"auto\"",
            'use a number of processes, "auto" for one a CPU, or "auto:1-8" to follow the load',
        ),
        (
            {"server": {"header_count": "two"}},
            "server.header_count must be a whole number, not 'two'",
            "write header_count = 100",
        ),
        (
            {"server": {"header_count": None}},
            "server.header_count must be a whole number, not null",
            "write header_count = 100",
        ),
        (
            {"cache": {"private": 5}},
            "cache.private must be true or false, not 5",
            "write private = false",
        ),
        ({"limits": 5}, "limits must be a list, not 5", "write a list"),
        ({"admin": True}, "admin must be a table of keys, not true", "write a table of keys"),
        ({"limits": [{"limits": "5/s"}]}, "limits[0].name is missing", "add name = ..."),
        (
            {"cache": {"mode": "of"}},
            "cache.mode cannot be 'of'",
            "use 'enforce', 'shadow' or 'off'",
        ),
        (
            {"cache": {"max_ttl_s": -1}},
            "cache.max_ttl_s must be at least 0, not -1",
            "choose another value",
        ),
        (
            {"cache": {"max_ttl_s": 1.5}},
            "cache.max_ttl_s must be a whole number, not 1.5",
            "write max_ttl_s = 604800",
        ),
        (
            {"alerts": {"inhibitions": [{"source": [], "target": ["a=b"]}]}},
            "alerts.inhibitions[0].source must have at least 1 items, not []",
            "choose another value",
        ),
        (
            {"compression": {"types": ["x"]}},
            (
                r"compression.types[0] String should match pattern "
                r"'^[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)$', not 'x'"
            ),
            "choose another value",
        ),
        (
            {"state_dir": ""},
            "state_dir: the path is empty",
            'write the whole path, or "." if that is meant',
        ),
        (
            {"log": {"level": "x" * 100}},
            f"log.level cannot be '{'x' * 58}…",
            "use 'debug', 'info', 'warning' or 'error'",
        ),
        (
            {"server": {"drain_s": float("nan")}},
            "server.drain_s must be a finite number, not nan",
            "choose another value",
        ),
        (
            {"server": {"body_bytes": []}},
            "server.body_bytes must be a whole number, not []",
            "write a whole number",
        ),
    ],
)
def test_mistakes_are_told_in_words(tree: dict[str, Any], what: str, hint: str) -> None:
    """Each says what is wrong and what to do."""
    assert told(tree) == (what, hint)


def test_secrets_are_not_repeated() -> None:
    """The value of a secret is in no message."""
    for wrong in (12345678, "hunter2"):
        assert "12345678" not in str(told({"admin": {"token": wrong}}))
        assert "hunter2" not in str(told({"admin": {"token": wrong}}))
    assert told({"admin": {"token": "hunter2"}})[0] == (
        "admin.token must have at least 16 characters"
    )


def test_a_flag_needs_no_name_of_its_setting() -> None:
    """The flag says what it is about."""
    assert told({"listen": "x"}, "--listen")[0] == "'x' is not an address"
    assert told({"listen": "x"}, "a.toml:3")[0] == "listen: 'x' is not an address"


def test_faults_are_one_line() -> None:
    """Line breaks in what was wrong do not break the message."""
    assert str(Fault("a\n", "b", "c")) == "a\\n: b: c"
    assert str(Fault("", "b", "")) == "b"


def test_faults_stand_in_the_order_of_the_file() -> None:
    """By line as a number, each once."""
    faults = [Fault(where, "x", "") for where in ("a:10", "a:9", "LUKHAS_X", "a:9", "a")]
    assert [fault.where for fault in in_order(faults)] == ["LUKHAS_X", "a", "a:9", "a:10"]


def test_the_error_is_the_first_fault_and_knows_all() -> None:
    """One line tells the first and how many more there are."""
    one = SettingsError([Fault("a:1", "what", "do")])
    assert str(one) == "a:1: what: do"
    two = SettingsError([Fault("a:1", "what", "do"), Fault("a:2", "else", "do")])
    assert str(two) == "a:1: what: do (and 1 more: see lukhas check)"
    assert len(two.faults) == 2
