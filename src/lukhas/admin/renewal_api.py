"""Reload and upgrade over the admin API."""

import logging
from typing import Any, Literal, cast

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.audit import address_of, note_change
from lukhas.admin.operators import operator_of
from lukhas.admin.parent import Parent, moment
from lukhas.admin.problems import problem_answer

__all__ = ("Renewal", "renewal_router")

_audit = logging.getLogger("lukhas.audit")


class Renewal(BaseModel):
    """New workers serve, and the old ones finish what they have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: Literal["reload", "upgrade"]
    detail: str = Field(description="The new generation.")
    time: str = Field(description="Since when, in UTC (RFC 3339).")


def renewal_router(parent: Parent) -> APIRouter:
    """Orders to the parent process."""
    router = APIRouter(prefix="/api/v1", tags=["life cycle"])
    refused: dict[int | str, dict[str, Any]] = {
        422: {"description": "There are mistakes in the settings; nothing has changed."},
        503: {"description": "The new workers cannot be started; nothing has changed."},
    }

    @router.post("/reload", responses=refused)
    async def reload(request: Request, response: Response) -> Renewal:
        """Reads the settings again and starts new workers with them, without losing a request."""
        return await _carried_out(parent, "reload", request, response)

    @router.post("/upgrade", responses=refused)
    async def upgrade(request: Request, response: Response) -> Renewal:
        """Starts new workers with the code installed now, without losing a request."""
        return await _carried_out(parent, "upgrade", request, response)

    return router


async def _carried_out(
    parent: Parent, order: Literal["reload", "upgrade"], request: Request, response: Response
) -> Renewal:
    outcome = await parent.order(order)
    who = operator_of(request.scope).name
    address = address_of(request.scope) or "an unknown address"
    if outcome is not None and outcome.done:
        request.app.state.admin.retire()
        response.headers["connection"] = "close"
        note_change(request.scope, detail=outcome.detail)
        _audit.info("%s by %s from %s: %s", order, who, address, outcome.detail)
        return Renewal(order=order, detail=outcome.detail, time=moment(outcome.time_ns))
    detail = "The parent process does not answer." if outcome is None else outcome.detail
    faults = outcome.faults if outcome is not None else ()
    note_change(request.scope, detail=detail)
    _audit.info("%s by %s from %s came to nothing: %s", order, who, address, detail)
    told = f"{detail} (nothing has changed)"
    if faults:
        answer = problem_answer(
            422,
            "settings-refused",
            "The settings are refused",
            told,
            extensions=(("faults", faults),),
        )
    else:
        answer = problem_answer(503, "renewal-failed", "The new workers did not start", told)
    # FastAPI passes responses on as they are.
    return cast("Renewal", answer)
