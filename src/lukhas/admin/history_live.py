"""The history as it is written, over the admin API."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import StreamingResponse

from lukhas.admin.history_access import HistoryAccess
from lukhas.admin.history_api import opened_history
from lukhas.admin.history_figures import LiveFigures, LiveRoute, window_figures
from lukhas.analytics.figures import Figures
from lukhas.analytics.questions import ReadsHistory
from lukhas.telemetry.series import HistoryDelta

__all__ = ("history_live_router",)

_MOST_LIVE = 50
_LOOK_S = 0.2


def history_live_router(access: HistoryAccess) -> APIRouter:
    """The live stream."""
    router = APIRouter(tags=["history"])
    Asked = Annotated[ReadsHistory, Depends(opened_history(access))]  # noqa: N806 - a type

    @router.get(
        "/api/live",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}, "description": "Events."}},
    )
    async def live(_reader: Asked) -> StreamingResponse:
        """Each second as it is written, as Server-Sent Events `second`: LiveFigures as JSON."""
        if access.watchers >= access.most_watchers:
            raise HTTPException(503, f"{access.watchers} watch already; close one of them")
        return StreamingResponse(
            _events(access),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    return router


async def _events(access: HistoryAccess) -> AsyncIterator[bytes]:
    access.watchers += 1
    try:
        yield b"retry: 2000\n\n"
        seen_s = 0
        while not access.closing.is_set():
            time_s, delta = access.latest()
            if time_s == seen_s:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await access.closing.wait()
                continue
            seen_s = time_s
            yield f"event: second\nid: {time_s}\ndata: {_live(time_s, delta)}\n\n".encode()
    finally:
        access.watchers -= 1


def _live(time_s: int, delta: HistoryDelta) -> str:
    everything = Figures()
    routes: dict[str, Figures] = {}
    for labels, figures in delta.series.items():
        everything.add_series(labels, figures)
        routes.setdefault(labels.route, Figures()).add_series(labels, figures)
    busiest = sorted(routes.items(), key=lambda item: (-item[1].requests, item[0]))[:_MOST_LIVE]
    return LiveFigures(
        time_s=time_s,
        figures=window_figures(everything, 1),
        routes=[
            LiveRoute(
                route=route,
                requests=figures.requests,
                errors=figures.errors,
                p95_ms=figures.quantile_ms(0.95),
            )
            for route, figures in busiest
        ],
    ).model_dump_json()
