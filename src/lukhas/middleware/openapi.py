"""What an app's OpenAPI description says about limits."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from lukhas.middleware.binding import Binding
from lukhas.pipeline.stages.limit_answers import QUOTA_EXCEEDED

__all__ = ("LimitedOpenApi", "describe_limits")

# OpenAPI is JSON of any shape.
_Json = dict[str, Any]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_SCHEMA_NAME = "QuotaExceededProblem"
_SCHEMA: _Json = {
    "title": _SCHEMA_NAME,
    "description": "A limit is used up (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "policy", "limit", "violated-policies"],
    "properties": {
        "type": {"type": "string", "format": "uri", "const": QUOTA_EXCEEDED},
        "title": {"type": "string"},
        "status": {"type": "integer", "const": 429},
        "detail": {"type": "string", "description": "What happened and what to do."},
        "instance": {"type": "string", "format": "uri", "description": "The request."},
        "violated-policies": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The limits that are used up.",
        },
        "policy": {"type": "string", "description": "The policy of the first of them."},
        "limit": {"type": "integer", "description": "How much it allows."},
        "window_s": {"type": "integer", "description": "In how many seconds, if it has a window."},
        "period": {
            "enum": ["day", "week", "month"],
            "description": "In which calendar period, if it is a quota of one.",
        },
        "retry_after_s": {
            "type": ["integer", "null"],
            "description": "When it is worth another try; null for never.",
        },
    },
}
_STANDARD_HEADERS: _Json = {
    "RateLimit": {
        "description": "For each limit what is left (r), and in how many seconds more is (t).",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "For each limit its quota (q), and its window in seconds (w).",
        "schema": {"type": "string"},
    },
}
_RETRY_HEADER: _Json = {
    "Retry-After": {
        "description": "After how many seconds it is worth another try.",
        "schema": {"type": "integer"},
    }
}


class LimitedOpenApi:
    """An `openapi` method of an app whose description names the limits.

    What the app's own method gives stays as it is: the app may keep it, and this returns a copy.

    Args:
        own: the app's own method.
        binding: the app's routes and their limits. Replaced when they change.
    """

    def __init__(self, own: Callable[[], _Json], binding: Binding) -> None:
        self._own = own
        self._made: tuple[_Json, Binding, _Json] | None = None
        self.binding = binding

    def __call__(self) -> _Json:
        """The description."""
        own = self._own()
        made = self._made
        if made is None or made[0] is not own or made[1] is not self.binding:
            made = self._made = (own, self.binding, _described(own, self.binding))
        return made[2]


def describe_limits(app: object, binding: Binding) -> None:
    """Lets the description of a FastAPI app name the limits of its routes.

    An app that has none, or is no FastAPI app, is left alone.
    """
    while app is not None and not hasattr(app, "openapi_url"):
        app = getattr(app, "app", None)
    own = getattr(app, "openapi", None)
    if isinstance(own, LimitedOpenApi):
        own.binding = binding
    elif callable(own) and getattr(app, "openapi_url", None):
        # Its route looks the method up at each request.
        setattr(app, "openapi", LimitedOpenApi(own, binding))  # noqa: B010 - no attribute of ours


def _described(own: _Json, binding: Binding) -> _Json:
    paths = own.get("paths")
    if not isinstance(paths, dict):
        return own
    limited = {path: _path(path, item, binding) for path, item in paths.items()}
    if limited == paths:
        return own
    components = own.get("components") or {}
    schemas = {_SCHEMA_NAME: _SCHEMA, **(components.get("schemas") or {})}
    return {**own, "paths": limited, "components": {**components, "schemas": schemas}}


def _path(path: str, item: Any, binding: Binding) -> Any:
    if not isinstance(item, dict):
        return item
    return {
        method: _operation(operation, binding)
        if method in _METHODS and _is_limited(method.upper(), path, binding)
        else operation
        for method, operation in item.items()
    }


def _is_limited(method: str, path: str, binding: Binding) -> bool:
    limits = binding.limit_stage
    rule = binding.rule_of(method, path, quote(path, safe="/{}").encode("ascii"))
    if limits is None or rule is None or rule.exempt:
        return False
    return limits.may_refuse(rule.name)


def _operation(operation: _Json, binding: Binding) -> _Json:
    limits = binding.limit_stage
    standard = _STANDARD_HEADERS if limits is None or limits.rules.fields.standard else {}
    responses: Mapping[str, Any] = operation.get("responses") or {}
    told = {
        status: _with_headers(response, standard) if str(status).startswith("2") else response
        for status, response in responses.items()
    }
    told["429"] = _with_headers(
        told.get("429")
        or {
            "description": "A limit is used up.",
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": f"#/components/schemas/{_SCHEMA_NAME}"}
                }
            },
        },
        {**standard, **_RETRY_HEADER},
    )
    return {**operation, "responses": told}


def _with_headers(response: Any, headers: _Json) -> Any:
    if not isinstance(response, dict) or "$ref" in response or not headers:
        return response
    return {**response, "headers": {**headers, **(response.get("headers") or {})}}
