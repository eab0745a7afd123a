"""Who is asking, over the admin API."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.operators import operator_of
from lukhas.policy.access.roles import Role

__all__ = ("SessionFigures", "session_router")


class SessionFigures(BaseModel):
    """Who is asking, and what they may do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: Role = Field(
        description="`viewer` reads, `operator` keeps it running, `admin` may do everything."
    )


def session_router() -> APIRouter:
    """Tells a client whom it is taken for."""
    router = APIRouter(prefix="/api/v1", tags=["access"])

    @router.get("/session")
    async def session(request: Request) -> SessionFigures:
        """Who is asking, by the token or the session that they showed."""
        operator = operator_of(request.scope)
        return SessionFigures(name=operator.name, role=operator.role)

    return router
