"""The versions of the settings over the admin API: what they were, how they differ, and undo."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.config_answers import FAILURES, Ordered, answered
from lukhas.admin.config_desk import ConfigDesk
from lukhas.admin.config_edits import restored
from lukhas.admin.config_figures import ChangeAnswer, ChangedValue, changed_values
from lukhas.admin.records import AdminRecords
from lukhas.config.changes import Changes

__all__ = ("VersionDiff", "VersionFigures", "VersionList", "config_versions_router")

_LARGEST = 2**62
Number = Annotated[int, Path(ge=0, le=_LARGEST)]


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionFigures(_Figures):
    """A version of the settings."""

    version: int
    at_ns: int = Field(description="When it was made (Unix time in nanoseconds).")
    by: str
    note: str


class VersionList(_Figures):
    """Versions that are kept, the newest first."""

    current: int = Field(description="That in effect; 0 if nothing was changed.")
    versions: list[VersionFigures]


class VersionDiff(_Figures):
    """How the settings of two versions differ."""

    version: int
    against: int
    changes: list[ChangedValue]


def config_versions_router(desk: ConfigDesk, records: AdminRecords) -> APIRouter:
    """Versions, their differences, and going back to one."""
    router = APIRouter(prefix="/api/v1/config/versions", tags=["settings"])

    @router.get("", responses=FAILURES)
    async def versions() -> VersionList:
        """The versions that are kept; 0 is without any change, and is not among them."""

        return await answered(_versions(desk, records))

    @router.get("/{number}/diff", responses=FAILURES)
    async def diff(
        number: Number,
        against: Annotated[
            int | None,
            Query(ge=0, le=_LARGEST, description="What to compare with; the one before if not."),
        ] = None,
    ) -> VersionDiff:
        """What a version has changed since another, over the file as it is now."""

        return await answered(_diff(desk, records, number, against))

    @router.post("/{number}/restore", responses=FAILURES)
    async def restore(number: Number, orders: Ordered) -> ChangeAnswer:
        """Makes the changes of an earlier version those in effect, as a new version."""

        async def back() -> ChangeAnswer:
            edit = restored(await _known(desk, number))
            return await orders.carried_out(desk, edit, target=f"version {number}", what="restore")

        return await answered(back())

    return router


async def _known(desk: ConfigDesk, number: int) -> Changes:
    found = await desk.version(number)
    if found is None:
        raise HTTPException(404, f"version {number} is not kept")
    return found


async def _versions(desk: ConfigDesk, records: AdminRecords) -> VersionList:
    kept = await (await records.versions()).list()
    return VersionList(
        current=desk.changes().version,
        versions=[
            VersionFigures(version=each.version, at_ns=each.at_ns, by=each.by, note=each.note)
            for each in kept
        ],
    )


async def _diff(
    desk: ConfigDesk, records: AdminRecords, number: int, against: int | None
) -> VersionDiff:
    if against is None:
        kept = await (await records.versions()).list()
        against = max((each.version for each in kept if each.version < number), default=0)
    found = await desk.between(await _known(desk, against), await _known(desk, number))
    return VersionDiff(version=number, against=against, changes=changed_values(found))
