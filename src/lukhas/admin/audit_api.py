"""The audit over the admin API."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.records import AdminRecords
from lukhas.errors import LukhasError

__all__ = ("AuditFigures", "AuditList", "audit_router")


class AuditFigures(BaseModel):
    """Something that somebody changed on the admin plane, or tried to."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)

    at_ns: int = Field(description="When (Unix time in nanoseconds); no two are the same.")
    by: str
    role: str
    action: str = Field(description="Such as `cache.purge`.")
    target: str = Field(description="What it was done to; empty if the action says it all.")
    detail: str = Field(description="More about it; never a secret.")
    status: int = Field(description="The HTTP status of the answer; from 400 on nothing was done.")
    address: str = Field(description="Where they were.")


class AuditList(BaseModel):
    """Entries, the newest first."""

    entries: list[AuditFigures]


def audit_router(records: AdminRecords) -> APIRouter:
    """Shows the audit; nothing changes it."""
    router = APIRouter(prefix="/api/v1", tags=["access"])

    @router.get("/audit")
    async def audit(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: Annotated[
            int | None, Query(ge=0, lt=1 << 63, description="Only entries before this `at_ns`.")
        ] = None,
    ) -> AuditList:
        """What was changed on the admin plane, the newest first."""
        try:
            found = await (await records.audit()).entries(limit=limit, before_ns=before)
        except LukhasError as error:
            raise HTTPException(503, str(error)) from None
        return AuditList(entries=[AuditFigures.model_validate(entry) for entry in found])

    return router
