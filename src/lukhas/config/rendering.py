"""Effective settings as text, each with where it comes from."""

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from lukhas.config.addresses import Address
from lukhas.config.loading import Loaded
from lukhas.config.schema import leaves

__all__ = ("SECRET", "render_settings", "render_value")

SECRET = "***"  # noqa: S105 - what is shown in place of a secret


def render_settings(loaded: Loaded) -> Iterator[str]:
    """One line for each setting: `path = value  # source`; values as TOML, absent ones as null."""
    for leaf in leaves():
        path = ".".join(leaf.path)
        value: Any = loaded.settings
        for name in leaf.path:
            value = getattr(value, name)
        yield f"{path} = {render_value(value)}  # {loaded.sources[path]}"


def render_value(value: Any) -> str:
    """A value as TOML would write it; secrets are never shown."""
    if isinstance(value, SecretStr):
        return json.dumps(SECRET)
    if isinstance(value, BaseModel):
        inner = (
            f"{name} = {render_value(getattr(value, name))}"
            for name in type(value).model_fields
            if name in value.model_fields_set
        )
        return "{ " + ", ".join(inner) + " }"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {render_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    if isinstance(value, tuple):
        return "[" + ", ".join(render_value(item) for item in value) + "]"
    if isinstance(value, Enum):
        return json.dumps(value.value)
    if isinstance(value, Address | Path):
        return json.dumps(str(value))
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False)
