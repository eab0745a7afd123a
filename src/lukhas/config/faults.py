"""What is wrong with settings: where, what, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import ErrorDetails

from lukhas.config.fields import CONFIG_FAULT
from lukhas.config.key_paths import KeyPath, dotted
from lukhas.config.lines import one_line
from lukhas.config.schema import field_at, is_secret, nearest_key
from lukhas.errors import ConfigError

__all__ = ("Fault", "SettingsError", "describe", "in_order")

_SHOWN_CHARACTERS = 60

_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text in quotes",
    "tuple": "a list",
    "model": "a table of keys",
    "path": "a path in quotes",
    "finite": "a finite number",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake.

    Attributes:
        where: `file:line`, a flag or an environment variable.
        what: what is wrong.
        hint: what to do about it.
        path: the value it is about, items of lists by their names; empty if it is about none.
    """

    where: str
    what: str
    hint: str
    path: KeyPath = field(default=(), compare=False)

    def __str__(self) -> str:
        return one_line(": ".join(part for part in (self.where, self.what, self.hint) if part))


class SettingsError(ConfigError):
    """Settings cannot be used.

    Attributes:
        faults: everything found wrong, at least one; `where`, `what` and `hint` are the first's.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        first = self.faults[0]
        more = len(self.faults) - 1
        hint = f"{first.hint} (and {more} more: see lukhas check)" if more else first.hint
        super().__init__(first.what, where=first.where, hint=hint)


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Faults by file and line, each once."""
    return tuple(sorted(dict.fromkeys(faults), key=_position))


def _position(fault: Fault) -> tuple[str, int]:
    file, _, line = fault.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (fault.where, 0)


def describe(error: ErrorDetails, place: str) -> tuple[str, str]:
    """What a pydantic error means and what to do about it.

    Args:
        error: the error.
        place: where the value was set.
    """
    path = error["loc"]
    kind = error["type"]
    name = dotted(path)
    if kind == CONFIG_FAULT:
        what = str(error["ctx"]["what"])
        # A flag and a variable name their setting themselves; one flag may set several.
        is_named = place.startswith(("--", "LUKHAS_"))
        return what if is_named else f"{name}: {what}", str(error["ctx"]["hint"])
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return f"{name} is missing", f"add {path[-1]} = ..."
    shown = "" if is_secret(path) else f", not {_shown(error['input'])}"
    if kind in {"enum", "literal_error"}:
        return f"{name} cannot be {_shown(error['input'])}", f"use {error['ctx']['expected']}"
    wanted = _WANTED.get(kind.split("_", 1)[0])
    if kind.endswith(("_type", "_parsing", "_from_float")) and wanted:
        return f"{name} must be {wanted}{shown}", _example(path) or f"write {wanted}"
    return f"{name} {_constraint(error)}{shown}", "choose another value"


def _unknown_key(path: KeyPath) -> tuple[str, str]:
    nearest = nearest_key(path)
    what = f"unknown key {dotted(path)!r}"
    if nearest is None:
        return what, "remove it; docs/reference/settings.md lists all keys"
    return what, f"did you mean {nearest!r}?"


def _example(path: KeyPath) -> str | None:
    info = field_at(path)
    default = None if info is None else info.get_default()
    if isinstance(default, bool):
        return f"write {path[-1]} = {str(default).lower()}"
    if isinstance(default, int | float):
        return f"write {path[-1]} = {default:g}" if default < 1e6 else None
    return None


def _constraint(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    texts = {
        "greater_than": "must be more than {gt}",
        "greater_than_equal": "must be at least {ge}",
        "less_than_equal": "must be at most {le}",
        "string_too_short": "must have at least {min_length} characters",
        "string_too_long": "must have at most {max_length} characters",
        "too_short": "must have at least {min_length} %s",
        "too_long": "must have at most {max_length} %s",
        "finite_number": "must be a finite number",
    }
    template = texts.get(error["type"])
    if template is None:
        return error["msg"]
    # To pydantic a secret is a value with a length, and a list a list.
    what = "characters" if context.get("field_type") == "Value" else "items"
    return template.replace("%s", what).format(**context)


def _shown(value: object) -> str:
    text = repr(value)
    if isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "null"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
