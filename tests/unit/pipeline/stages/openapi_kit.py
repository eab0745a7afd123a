"""A description of a small shop for tests of the validation, and requests to it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from lukhas.config.settings import Settings
from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.hub.hub import Hub

ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["id", "name", "price"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string", "minLength": 1, "pattern": "^[a-z ]+$"},
        "price": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        "note": {"type": "string", "nullable": True},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
}


def parameter(name: str, place: str, schema: Mapping[str, Any], **more: object) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema, "required": place == "path", **more}


SHOP: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://shop.test/v1"}],
    "paths": {
        "/items": {
            "get": {
                "parameters": [
                    parameter("limit", "query", {"type": "integer", "maximum": 100}),
                    parameter("ids", "query", {"type": "array", "items": {"type": "integer"}}),
                    parameter(
                        "sizes",
                        "query",
                        {"type": "array", "items": {"type": "string", "enum": ["s", "m"]}},
                        explode=False,
                    ),
                    parameter(
                        "filter",
                        "query",
                        {"type": "object", "properties": {"min": {"type": "number"}}},
                        style="deepObject",
                    ),
                    parameter("X-Team", "header", {"type": "string", "maxLength": 4}),
                    parameter("theme", "cookie", {"type": "string", "enum": ["dark", "light"]}),
                ],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "array",
                                    "items": {"$ref": "#/components/schemas/Item"},
                                }
                            }
                        }
                    }
                },
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["items"],
                                "properties": {
                                    "items": {
                                        "type": "array",
                                        "items": {"$ref": "#/components/schemas/Item"},
                                    }
                                },
                            }
                        },
                        "text/csv": {},
                    },
                },
                "responses": {"default": {"description": "whatever"}},
            },
        },
        "/items/{id}": {
            "parameters": [parameter("id", "path", {"type": "integer", "minimum": 1})],
            "get": {"responses": {"2XX": {"description": "an item"}}},
        },
        "/items/new": {"get": {"responses": {}}},
    },
    "components": {"schemas": {"Item": ITEM}},
}
GOOD = {"items": [{"name": "lamp", "price": 3.5, "note": None}]}


class Shop:
    """A hub that validates by the description, and what its handler got."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.seen: list[bytes | None] = []
        self.answer = Response(200, Headers([]), b"ok")
        self._run = hub.pipeline.around(self._handle)

    async def _handle(self, exchange: Any) -> Response:
        body = exchange.body
        if body is not None and not isinstance(body, bytes):
            body = b"".join([piece async for piece in body])
        self.seen.append(body)
        return self.answer

    async def ask(
        self,
        method: str,
        path: bytes,
        *,
        query: bytes = b"",
        headers: HeaderPairs | None = None,
        body: object = None,
        scheme: str = "http",
    ) -> tuple[Response, dict[str, Any]]:
        """The response to a request, and its body where that is a problem."""
        head = RequestHead(method, scheme, b"shop.test", path, query, Headers(headers or []))
        exchange = self.hub.intake.exchange(head, "192.0.2.1")
        exchange.body = cast("Any", body)
        self.exchange = exchange
        response = await self._run(exchange)
        problem = response.headers.get(b"content-type") == b"application/problem+json"
        return response, json.loads(cast("bytes", response.body)) if problem else {}

    async def post(self, value: object, kind: bytes = b"application/json") -> dict[str, Any]:
        """The problem that a body gets; nothing for one that passes."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        _, problem = await self.ask(
            "POST", b"/v1/items", headers=[(b"content-type", kind)], body=body
        )
        return problem


async def shop(
    folder: Path, document: Mapping[str, Any] = SHOP, *, routes: object = (), **openapi: object
) -> Shop:
    """A shop by these settings."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    hub = Hub(
        Settings.model_validate(
            {"state_dir": folder / "state", "routes": routes, "openapi": {"file": file, **openapi}}
        )
    )
    hub.openapi.open()
    return Shop(hub)
