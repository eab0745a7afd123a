"""Parameters: from text in a message to a value that a schema can be asked about."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from urllib.parse import unquote_plus

from lukhas.policy.openapi.faults import Mismatch, Place

__all__ = ("Kinds", "Parameter", "Sent", "candidates", "query_pairs")

Kinds = frozenset[str]
Sent = Mapping[str, Sequence[str]]
"""What was sent in one place: for each name its values, still percent-encoded where it was."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,4})?")
_SEPARATORS = {"spaceDelimited": r"%20|\+", "pipeDelimited": r"%7[cC]|\|"}
_STRINGS: Kinds = frozenset(("string",))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation.

    Attributes:
        name: as in the description.
        place: where it is sent.
        required: whether it has to be there.
        style: how a list or an object is written.
        explode: whether each item has a text of its own.
        pointer: where its schema is.
        kinds: the types it may have; empty for any.
        items: the types of the items of a list.
        properties: the types of the properties of an object.
        is_json: whether its text is JSON.
    """

    name: str
    place: Place
    required: bool
    style: str
    explode: bool
    pointer: str
    kinds: Kinds = frozenset()
    items: Kinds = frozenset()
    properties: Mapping[str, Kinds] = field(default_factory=dict)
    is_json: bool = False


def query_pairs(query: bytes) -> dict[str, list[str]]:
    """Names and values of a query; the names decoded, the values as they are."""
    pairs: dict[str, list[str]] = {}
    for part in query.decode("latin-1").split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.setdefault(_text(name), []).append(value)
    return pairs


def candidates(parameter: Parameter, sent: Sent) -> "list[object] | Mismatch | None":
    """The values that a parameter may stand for, the likeliest first.

    There are two where a text may also be a number, such as `1` for a number or a string.

    Args:
        parameter: which.
        sent: what came at its place.

    Returns:
        None if it was not sent; what is wrong if it cannot be read.
    """
    if "object" in parameter.kinds:
        pairs = _object_pairs(parameter, sent)
        if not pairs:
            return None if pairs is None else Mismatch("", "style", "names and values by turns")
        return _both(
            {name: _value(text, _property(parameter, name)) for name, text in pairs},
            dict(pairs),
        )
    values = sent.get(parameter.name)
    if not values:
        return None
    if "array" in parameter.kinds:
        texts = _array_texts(parameter, values)
        return _both([_value(text, parameter.items) for text in texts], texts)
    if len(values) > 1:
        return Mismatch("", "single", "one value")
    text = _text(values[0]) if _is_encoded(parameter) else values[0]
    return _both(_value(text, parameter.kinds), text)


def _both(value: object, texts: object) -> list[object]:
    return [value] if value == texts else [value, texts]


def _property(parameter: Parameter, name: str) -> Kinds:
    return parameter.properties.get(name, _STRINGS)


def _is_encoded(parameter: Parameter) -> bool:
    # A path parameter was decoded when the path was taken apart; fields are not encoded.
    return parameter.place is Place.QUERY


def _texts(parameter: Parameter, value: str, separator: str) -> list[str]:
    if not value:
        return []
    parts = re.split(separator, value)
    if _is_encoded(parameter):
        return [_text(part) for part in parts]
    return [part.strip() for part in parts]


def _array_texts(parameter: Parameter, values: Sequence[str]) -> list[str]:
    if parameter.explode and parameter.style == "form":
        return [_text(value) if _is_encoded(parameter) else value for value in values]
    separator = _SEPARATORS.get(parameter.style, ",")
    return [text for value in values for text in _texts(parameter, value, separator)]


def _object_pairs(parameter: Parameter, sent: Sent) -> list[tuple[str, str]] | None:
    """Names and values of an object; empty if they cannot be told apart, None if there are none."""
    if parameter.style == "deepObject":
        start = f"{parameter.name}["
        found = [
            (name[len(start) : -1], _text(values[0]))
            for name, values in sent.items()
            if name.startswith(start) and name.endswith("]")
        ]
        return found or None
    if parameter.style == "form" and parameter.explode:
        return [
            (name, _text(sent[name][0])) for name in parameter.properties if sent.get(name)
        ] or None
    values = sent.get(parameter.name)
    if not values:
        return None
    texts = _texts(parameter, values[0], ",")
    if parameter.explode:
        return [(name, value) for name, mark, value in (t.partition("=") for t in texts) if mark]
    if len(texts) % 2:
        return []
    return list(zip(texts[::2], texts[1::2], strict=True))


def _text(encoded: str) -> str:
    return unquote_plus(encoded, errors="replace")


def _value(text: str, kinds: Kinds) -> object:
    if not kinds.isdisjoint(("integer", "number")):
        if _INTEGER.fullmatch(text):
            return int(text)
        if "number" in kinds and _NUMBER.fullmatch(text) and isfinite(number := float(text)):
            return number
    if "boolean" in kinds and text in {"true", "false"}:
        return text == "true"
    if "null" in kinds and text in {"", "null"}:
        return None
    return text
