"""Endpoints and apps that the tests of the routes put together."""

from typing import Any

from fastapi import Request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute

from lukhas.middleware import limit
from tests.unit.middleware.kit import (
    add,
)


def plain(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def limited(quota: int = 1) -> Any:
    """An endpoint of its own with a limit."""

    @limit(f"{quota}/minute")
    def endpoint(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return endpoint


def starlette(*routes: BaseRoute, **options: Any) -> Starlette:
    app = Starlette(routes=list(routes))
    add(app, **options)
    return app


def plain_copy() -> Any:
    def endpoint(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return endpoint
