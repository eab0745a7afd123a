"""API keys over the admin API."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.audit import note_change
from lukhas.admin.key_figures import IssuedFigures, LatestUses, issued_figures, told_as_http
from lukhas.admin.records import AdminRecords

__all__ = ("Rotation", "keys_router")

_LONGEST_GRACE_S = 30 * 86_400


class Rotation(BaseModel):
    """How a key gets a new secret."""

    model_config = ConfigDict(extra="forbid")

    grace_s: float = Field(
        3600, ge=0, le=_LONGEST_GRACE_S, description="How long the secret before stays valid."
    )


def keys_router(records: AdminRecords, uses: LatestUses) -> APIRouter:
    """Rotates and withdraws keys."""
    router = APIRouter(prefix="/api/v1/keys", tags=["consumers"])

    @router.post("/{key_id}/rotate")
    async def rotate(
        request: Request, key_id: str, wanted: Rotation | None = None
    ) -> IssuedFigures:
        """Gives a key a new secret under the same id. It is shown only this once."""
        grace_s = (wanted or Rotation()).grace_s
        with told_as_http():
            issued = await (await records.keys()).rotate(key_id, grace_s=grace_s)
        note_change(
            request.scope, detail=f"{issued.record.consumer}, the one before for {grace_s:g} s more"
        )
        return issued_figures(issued, uses=uses, now_ns=records.clock.now_ns())

    @router.delete("/{key_id}", status_code=204)
    async def revoke(request: Request, key_id: str) -> None:
        """Withdraws a key at once, and for ever; it stays in the list."""
        with told_as_http():
            record = await (await records.keys()).revoke(key_id)
        note_change(request.scope, detail=record.consumer)

    return router
