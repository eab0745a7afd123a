"""Credentials in the values of header fields: never shown, and kept when they come back masked."""

import re
from collections.abc import Mapping
from typing import Any

from lukhas.config.rendering import SECRET

__all__ = ("masked", "unmasked")

_FIELDS = frozenset(
    (
        "set_request",
        "add_request",
        "set_response",
        "add_response",
        "set_request_headers",
        "set_response_headers",
    )
)
_SECRET_NAME = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)


def masked(path: str, value: Any) -> Any:
    """A value for JSON with what header fields hold of credentials as `***`.

    Args:
        path: where it stands; what is in a table is told by its key.
        value: the value.
    """
    if isinstance(value, Mapping):
        return {key: masked(key, inner) for key, inner in value.items()}
    if isinstance(value, list) and path.rpartition(".")[2] in _FIELDS:
        return [_masked_field(field) for field in value]
    if isinstance(value, list):
        return [masked(path, inner) for inner in value]
    return value


def unmasked(value: Any, kept: Any, *, key: str = "") -> Any:
    """A value with what is masked in it as it was before; unchanged where there was nothing.

    Args:
        value: as a client sends it.
        kept: the same place as it is now.
        key: the key of it.
    """
    if isinstance(value, Mapping):
        known = kept if isinstance(kept, Mapping) else {}
        return {name: unmasked(inner, known.get(name), key=name) for name, inner in value.items()}
    if isinstance(value, list) and key in _FIELDS and isinstance(kept, list | tuple):
        return [_unmasked_field(field, kept) for field in value]
    return value


def _masked_field(field: Any) -> Any:
    if not isinstance(field, str):
        return field
    name, colon, _ = field.partition(":")
    return f"{name}: {SECRET}" if colon and _SECRET_NAME.search(name) else field


def _unmasked_field(field: Any, kept: "list[Any] | tuple[Any, ...]") -> Any:
    # What is not masked is no field of a credential, or a new value of one.
    return next((each for each in kept if _masked_field(each) == field), field)
