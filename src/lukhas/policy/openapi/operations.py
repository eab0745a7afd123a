"""The operations of a description: paths, methods, parameters and bodies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lukhas.errors import ConfigError
from lukhas.policy.openapi.faults import Place
from lukhas.policy.openapi.parameters import Kinds, Parameter
from lukhas.policy.openapi.references import check_references, followed, joined, node_at
from lukhas.policy.openapi.schemas import kinds_of

__all__ = ("Operation", "base_path_of", "is_json", "media_for", "operations_of")

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PLACES = {
    "path": (Place.PATH, "simple"),
    "query": (Place.QUERY, "form"),
    "header": (Place.HEADER, "simple"),
    "cookie": (Place.COOKIE, "form"),
}
_STYLES = {
    Place.PATH: {"simple"},
    Place.QUERY: {"form", "spaceDelimited", "pipeDelimited", "deepObject"},
    Place.HEADER: {"simple"},
    Place.COOKIE: {"form"},
}
# Described elsewhere in an operation, so as parameters they do not count (section 4.8.12.2.1).
_NO_PARAMETERS = frozenset(("accept", "content-type", "authorization"))

Media = Mapping[str, str | None]
"""Media types or ranges, and where the schema of each is."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What may be asked with one method at one path.

    Attributes:
        method: in upper case.
        template: the path as in the description.
        parameters: what may be sent beside the body.
        body: the media types of a body; None where the description has no body.
        body_required: whether there has to be one.
        responses: the media types of the answers, by `200`, `2XX` or `default`.
    """

    method: str
    template: str
    parameters: tuple[Parameter, ...]
    body: Media | None
    body_required: bool
    responses: Mapping[str, Media]


def operations_of(document: Any) -> list[Operation]:
    """All operations.

    Raises:
        ConfigError: the description cannot be used; `where` is a JSON Pointer into it.
    """
    version = document.get("openapi") if isinstance(document, dict) else None
    if not isinstance(version, str) or not version.startswith(("3.0", "3.1")):
        raise ConfigError(
            "this is no OpenAPI description of version 3.0 or 3.1",
            where="/openapi",
            hint='it begins with `openapi: "3.1.0"` or the like',
        )
    check_references(document)
    try:
        return list(_operations(document))
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"the description is not built as it should be ({error})",
            where="/paths",
            hint="check it with an OpenAPI linter",
        ) from None


def base_path_of(document: Any) -> str:
    """The path of the first server; empty if there is none or it has variables."""
    servers = document.get("servers")
    url = servers[0].get("url", "") if isinstance(servers, list) and servers else ""
    return "" if "{" in url else urlsplit(url).path.rstrip("/")


def is_json(media_type: str) -> bool:
    """Whether a media type is that of JSON (RFC 6839 section 3.1)."""
    return media_type == "application/json" or media_type.endswith("+json")


def media_for(media: Media, media_type: str) -> tuple[bool, str | None]:
    """Whether a media type is among these, and where its schema is."""
    for key in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if key in media:
            return True, media[key]
    return False, None


def _operations(document: Any) -> Iterator[Operation]:
    for template in document.get("paths") or {}:
        at, item = followed(document, joined("", "paths", template))
        for method in _METHODS:
            if method in item:
                yield _operation(document, template, (at, joined(at, method)))


def _operation(document: Any, template: str, places: tuple[str, str]) -> Operation:
    item_at, at = places
    operation = node_at(document, at)
    parameters: dict[tuple[Place, str], Parameter] = {}
    for where in (item_at, at):
        for index in range(len(node_at(document, where).get("parameters", ()))):
            one = _parameter(document, joined(where, "parameters", index))
            if one is not None:
                parameters[one.place, one.name] = one
    body, required = None, False
    if "requestBody" in operation:
        body_at, node = followed(document, joined(at, "requestBody"))
        body, required = _media(document, body_at), node.get("required") is True
    responses = {
        str(status).upper() if str(status) != "default" else "default": _media(
            document, followed(document, joined(at, "responses", status))[0]
        )
        for status in operation.get("responses") or {}
    }
    method = at.rpartition("/")[2].upper()
    return Operation(method, template, tuple(parameters.values()), body, required, responses)


def _media(document: Any, at: str) -> dict[str, str | None]:
    node = node_at(document, at)
    return {
        name.partition(";")[0].strip().lower(): (
            joined(at, "content", name, "schema") if "schema" in value else None
        )
        for name, value in (node.get("content") or {}).items()
    }


def _parameter(document: Any, pointer: str) -> Parameter | None:
    at, node = followed(document, pointer)
    place, usual = _PLACES[node["in"]]
    name = node["name"]
    if place is Place.HEADER:
        name = name.lower()
        if name in _NO_PARAMETERS:
            return None
    content = node.get("content")
    schema_at = joined(at, "schema")
    if content:
        schema_at = joined(at, "content", next(iter(content)), "schema")
    elif "schema" not in node:
        raise ConfigError("a parameter has neither schema nor content", where=at)
    style = node.get("style", usual)
    if style not in _STYLES[place]:
        raise ConfigError(
            f"the style {style!r} of the parameter {name!r} is not supported",
            where=at,
            hint=f"use one of: {', '.join(sorted(_STYLES[place]))}",
        )
    kinds = frozenset() if content else kinds_of(document, schema_at)
    return Parameter(
        name,
        place,
        required=node.get("required") is True,
        style=style,
        explode=node.get("explode", style == "form") is True,
        pointer=schema_at,
        kinds=kinds,
        items=_inner(document, schema_at, "items") if "array" in kinds else frozenset(),
        properties=_properties(document, schema_at) if "object" in kinds else {},
        is_json=bool(content),
    )


def _inner(document: Any, pointer: str, key: str) -> Kinds:
    at, schema = followed(document, pointer)
    return kinds_of(document, joined(at, key)) if key in schema else frozenset()


def _properties(document: Any, pointer: str) -> dict[str, Kinds]:
    at, schema = followed(document, pointer)
    return {
        name: kinds_of(document, joined(at, "properties", name))
        for name in schema.get("properties", ())
    }
