"""The admin API, written out from its OpenAPI description."""

from collections.abc import Mapping
from html import escape
from typing import Any

from lukhas.admin.pages.layout import page

__all__ = ("api_docs_page",)

# OpenAPI is JSON of any shape.
_Json = Mapping[str, Any]


def api_docs_page(openapi: _Json, *, version: str) -> str:
    """The page with every operation and every type of an OpenAPI 3.1 description."""
    operations = "".join(
        _operation(path, method, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    schemas: _Json = openapi.get("components", {}).get("schemas", {})
    types = "".join(_type(name, schema) for name, schema in sorted(schemas.items()))
    info = openapi["info"]
    main = (
        f'<main><div class="heading"><h1>{escape(info["title"])}</h1>'
        f'<span class="pill">version {escape(info["version"])}</span></div>'
        f"<p>{escape(info.get('description', ''))}</p>"
        '<p>For programs: <a href="/openapi.json">openapi.json</a>, OpenAPI '
        f"{escape(openapi['openapi'])}.</p>"
        f"{operations}<h2>Types</h2>{types}</main>"
    )
    return page("Admin API", main, path="/docs", version=version)


def _operation(path: str, method: str, operation: _Json) -> str:
    return (
        f'<section class="card operation"><h2><span class="method {escape(method)}">'
        f"{escape(method.upper())}</span> <code>{escape(path)}</code></h2>"
        f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
        f"{_parameters(operation)}{_request_body(operation)}{_responses(operation)}</section>"
    )


def _parameters(operation: _Json) -> str:
    rows = "".join(
        f"<tr><th scope=row><code>{escape(parameter['name'])}</code></th>"
        f"<td>{escape(parameter['in'])}</td><td>{_type_name(parameter.get('schema', {}))}</td>"
        f"<td>{escape(parameter.get('description', ''))}</td></tr>"
        for parameter in operation.get("parameters", ())
    )
    return _table(("Parameter", "In", "Type", "Meaning"), rows)


def _request_body(operation: _Json) -> str:
    content: _Json = operation.get("requestBody", {}).get("content", {})
    rows = "".join(
        f"<tr><th scope=row><code>{escape(media)}</code></th>"
        f"<td>{_type_name(body.get('schema', {}))}</td></tr>"
        for media, body in content.items()
    )
    return _table(("Request body", "Type"), rows)


def _responses(operation: _Json) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(status)}</th><td>{escape(response.get('description', ''))}</td>"
        f"<td>{_content(response)}</td></tr>"
        for status, response in operation.get("responses", {}).items()
    )
    return _table(("Answer", "Meaning", "Body"), rows)


def _content(response: _Json) -> str:
    return "<br>".join(
        f"{_type_name(body.get('schema', {}))} <code>{escape(media)}</code>"
        for media, body in response.get("content", {}).items()
    )


def _type(name: str, schema: _Json) -> str:
    rows = "".join(
        f"<tr><th scope=row><code>{escape(field)}</code></th><td>{_type_name(shape)}</td>"
        f"<td>{escape(shape.get('description', ''))}</td></tr>"
        for field, shape in schema.get("properties", {}).items()
    )
    return (
        f'<section class="card" id="type-{escape(name)}"><h3>{escape(name)}</h3>'
        f"<p>{escape(schema.get('description', ''))}</p>"
        f"{_table(('Field', 'Type', 'Meaning'), rows)}</section>"
    )


def _type_name(schema: _Json) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type_name(choice) for choice in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type_name(schema.get('items', {}))}"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    return escape(str(schema.get("type", "")))


def _table(heads: tuple[str, ...], rows: str) -> str:
    if not rows:
        return ""
    cells = "".join(f"<th>{head}</th>" for head in heads)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{heads[0]}">'
        f'<table class="text"><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
