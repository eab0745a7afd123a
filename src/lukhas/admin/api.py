"""Health, metrics and the live figures."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from lukhas.admin.guard import AUTHORISED
from lukhas.admin.state import AdminState
from lukhas.admin.status import Health, Status, health_of, status_of
from lukhas.telemetry.prometheus import CONTENT_TYPE, render
from lukhas.telemetry.prometheus_protobuf import (
    PROTOBUF_TYPE,
    asks_for_protobuf,
    render_protobuf,
)
from lukhas.units import SECOND_NS

__all__ = ("health_router", "status_router")

_INTERVAL_S = 1.0


def health_router(state: AdminState) -> APIRouter:
    """Health, open to all; why a part is not well is told to the authorised only."""
    router = APIRouter(tags=["health"])
    not_ready: dict[int | str, dict[str, Any]] = {
        503: {"model": Health, "description": "Not ready."}
    }

    @router.get("/health", responses=not_ready)
    async def health(request: Request) -> Health:
        """Whether the node is live and ready, and how each part is. 503 while it is not ready."""
        return _answer(request)

    @router.get("/health/ready", responses=not_ready)
    async def ready(request: Request) -> Health:
        """Whether requests should be sent here. 503 while not."""
        return _answer(request)

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """Answers as long as the admin process runs."""
        return {"live": True}

    def _answer(request: Request) -> Health:
        health = health_of(state, state.clock.now_ns())
        if not request.scope[AUTHORISED]:
            parts = [part.model_copy(update={"detail": ""}) for part in health.parts]
            health = health.model_copy(update={"parts": parts})
        # A declared type with a status of its own: FastAPI passes responses on as they are.
        return JSONResponse(health.model_dump(), 200 if health.ready else 503)  # type: ignore[return-value]

    return router


def status_router(state: AdminState) -> APIRouter:
    """Metrics and the live figures."""
    router = APIRouter()
    latest = _LatestStatus(state)

    as_asked: dict[str, Any] = {"text/plain": {}, PROTOBUF_TYPE: {}}

    @router.get(
        "/metrics",
        tags=["metrics"],
        response_class=Response,
        responses={200: {"content": as_asked, "description": "All metrics."}},
    )
    async def metrics(request: Request) -> Response:
        """All metrics: as Prometheus text 0.0.4, or as protobuf where the scraper prefers that."""
        accept = ", ".join(request.headers.getlist("accept")).encode("latin-1")
        totals = state.totals.totals(state.clock.now_ns())
        if asks_for_protobuf(accept or None):
            return _metrics(render_protobuf(totals, state.node()), PROTOBUF_TYPE)
        return _metrics(render(totals, state.node()), CONTENT_TYPE)

    @router.get("/api/v1/status", tags=["status"])
    async def status() -> Status:
        """The live figures of the node."""
        return status_of(state, state.clock.now_ns())

    @router.get(
        "/api/v1/stream",
        tags=["status"],
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}, "description": "Events."}},
    )
    async def stream() -> StreamingResponse:
        """The live figures once a second as Server-Sent Events, each a Status as JSON."""
        return StreamingResponse(
            _events(state, latest),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    return router


def _metrics(body: bytes, media_type: str) -> Response:
    return Response(body, headers={"content-type": media_type, "vary": "accept"})


class _LatestStatus:
    """The figures of the present second, made once however many watch them."""

    def __init__(self, state: AdminState) -> None:
        self._state = state
        self._second = -1
        self._status: Status | None = None

    def now(self) -> Status:
        now_ns = self._state.clock.now_ns()
        if self._status is None or now_ns // SECOND_NS != self._second:
            self._second = now_ns // SECOND_NS
            self._status = status_of(self._state, now_ns)
        return self._status


async def _events(state: AdminState, latest: _LatestStatus) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    while True:
        yield f"event: status\ndata: {latest.now().model_dump_json()}\n\n".encode()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_INTERVAL_S):
                await state.closing.wait()
        if state.closing.is_set():
            return
