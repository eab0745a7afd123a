"""The workers of the node over the admin API: what each has to do, and why there are so many."""

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.parent import Parent, moment

__all__ = ("Move", "Worker", "Workers", "workers_router")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Worker(_Model):
    """One worker that is to serve."""

    name: str
    pid: int = Field(description="0 while it is being started again.")
    starts: int = Field(description="More than once if it has ended unasked.")
    busy: float | None = Field(
        description="The part of one CPU that it used in the last second; null if not known yet."
    )
    late_ms: float | None = Field(
        description="How late its event loop was in the last second, on average."
    )


class Move(_Model):
    """A change of the number of workers that followed the load."""

    before: int
    after: int
    why: str
    time: str = Field(description="In UTC (RFC 3339).")


class Workers(_Model):
    """The workers of the node."""

    generation: int = Field(description="Counts reloads and upgrades, from 1.")
    wanted: int
    least: int = Field(description="Never fewer.")
    most: int = Field(description="Never more; the same as least where their number is fixed.")
    workers: list[Worker]
    moves: list[Move] = Field(description="The last changes of their number, the oldest first.")


def workers_router(parent: Parent) -> APIRouter:
    """What the parent process knows of the workers."""
    router = APIRouter(prefix="/api/v1", tags=["life cycle"])

    @router.get("/workers")
    async def workers() -> Workers:
        """The workers, what each has to do, and why their number has changed."""
        status = await parent.told()
        if status is None:
            raise HTTPException(503, "The parent process has told nothing yet.")
        return Workers(
            generation=status.generation,
            wanted=status.workers_wanted,
            least=status.least,
            most=status.most,
            workers=[
                Worker(
                    name=worker.name,
                    pid=worker.pid,
                    starts=worker.starts,
                    busy=worker.busy,
                    late_ms=worker.late_ms,
                )
                for worker in status.workers
            ],
            moves=[
                Move(before=move.before, after=move.after, why=move.why, time=moment(move.time_ns))
                for move in status.moves
            ],
        )

    return router
