"""Checks of values against the schemas of a description, by jsonschema-rs."""

import json
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lukhas.errors import ConfigError, NotAvailableError
from lukhas.policy.openapi.faults import Mismatch, SchemaCheck
from lukhas.policy.openapi.references import joined

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

__all__ = ("schema_checks",)

_BASE = "urn:lukhas:openapi"
_MOST_TEXT = 200
_TOO_DEEP = Mismatch("", "depth", "a value that is not nested so deeply")


def schema_checks(document: Any) -> Callable[[str], SchemaCheck]:
    """Makes checks of the schemas in a document; each is compiled once.

    Patterns run in linear time, and nothing is ever fetched.

    Args:
        document: a description whose schemas are of JSON Schema 2020-12.

    Raises:
        NotAvailableError: the library is not installed.
        ConfigError: by the maker, for a schema that is not valid.
    """
    try:
        import jsonschema_rs
    except ImportError:
        raise NotAvailableError(
            "validation by OpenAPI", 'install it with pip install "lukhas-api-optimizer[openapi]"'
        ) from None
    try:
        registry = jsonschema_rs.Registry([(_BASE, document)], draft=jsonschema_rs.Draft202012)
    except ValueError as error:
        raise ConfigError(f"a schema cannot be used ({error})", where="/components") from None

    def at(pointer: str) -> SchemaCheck:
        try:
            return _Check(
                jsonschema_rs.Draft202012Validator(
                    {"$ref": f"{_BASE}#{quote(pointer, safe='/~')}"},
                    registry=registry,
                    validate_formats=True,
                    pattern_options=jsonschema_rs.RegexOptions(),
                    offline=True,
                )
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            reason = str(error).split("\n", 1)[0]
            raise ConfigError(
                f"a schema cannot be used ({reason})",
                where=pointer,
                hint="patterns have no look-around and no back-references",
            ) from None

    return at


class _Check:
    def __init__(self, validator: "Validator") -> None:
        self._validator = validator

    def __call__(self, value: object, *, most: int) -> list[Mismatch]:
        try:
            if self._validator.is_valid(value):
                return []
            return [_mismatch(error) for error in islice(self._validator.iter_errors(value), most)]
        except (ValueError, RecursionError):
            return [_TOO_DEEP]


def _mismatch(error: "ValidationError") -> Mismatch:
    kind: Any = error.kind
    rule: str = kind.name
    path = error.instance_path
    if rule in {"additionalProperties", "unevaluatedProperties"} and kind.unexpected:
        # The place of the fault is the property that should not be there.
        path = [*path, str(kind.unexpected[0])[:_MOST_TEXT]]
    return Mismatch(joined("", *path), rule, _expected(rule, kind))


def _expected(rule: str, kind: Any) -> str:
    words = _BOUNDS.get(rule)
    if words is not None:
        return words.format(kind.limit)
    tell = _FACTS.get(rule)
    if tell is not None:
        return _short(tell(kind))
    return _WORDS.get(rule, f"what {rule} of the schema asks for")


def _short(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "..."


_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} properties",
    "maxProperties": "at most {} properties",
}
_WORDS = {
    "anyOf": "one of the alternatives",
    "oneOf": "exactly one of the alternatives",
    "not": "something else",
    "additionalProperties": "no such property",
    "unevaluatedProperties": "no such property",
    "uniqueItems": "no item twice",
    "contains": "an item of the kind that is asked for",
}
_FACTS: dict[str, Callable[[Any], str]] = {
    "type": lambda kind: " or ".join(kind.types),
    "required": lambda kind: f"the property {kind.property!r}",
    "enum": lambda kind: "one of " + json.dumps(kind.options),
    "const": lambda kind: json.dumps(kind.expected_value),
    "pattern": lambda kind: f"a text that fits {kind.pattern}",
    "format": lambda kind: f"a {kind.format}",
    "multipleOf": lambda kind: f"a multiple of {kind.multiple_of}",
}
