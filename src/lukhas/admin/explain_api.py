"""Why a request got its answer, over the admin API.

`GET /api/v1/explain/{request_id}`, `GET /api/v1/explain` (the newest first) and
`POST /api/v1/explain/{request_id}/reevaluate`.
"""

import logging
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Query
from fastapi import Path as PathParameter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from lukhas.config.explain import ExplainSettings
from lukhas.errors import LukhasError, StoreError
from lukhas.policy.explain.records import DecisionRecord
from lukhas.policy.explain.reevaluation import reevaluate
from lukhas.storage.node import prepare_state_dir
from lukhas.storage.record_files import RECORDS_FILE, RecordFile, RecordQuestion
from lukhas.telemetry.explained import read_record
from lukhas.telemetry.health import PartHealth
from lukhas.units import MIB

__all__ = ("Decision", "ExplainAccess", "Reevaluation", "explain_router")

_log = logging.getLogger("lukhas.admin")

RequestId = Annotated[str, PathParameter(max_length=200)]
_Text = Annotated[str | None, Query(max_length=500)]


class ExplainAccess:
    """The file of records, opened when it is first needed.

    Args:
        state_dir: where it is.
        settings: how many are kept.
    """

    def __init__(self, state_dir: Path, settings: ExplainSettings) -> None:
        self._state_dir = state_dir
        self._settings = settings
        self._file: RecordFile | None = None
        self._failure = ""

    def keep(self, records: list[bytes]) -> None:
        """Takes in what a report of a worker brought; a failure is logged and shows in health."""
        try:
            self.file().keep([(read_record(data), data) for data in records])
        except (LukhasError, msgspec.DecodeError) as error:
            if not self._failure:
                _log.warning("decision records are not kept: %s", error)
            self._failure = str(error)
        else:
            self._failure = ""

    def file(self) -> RecordFile:
        """The file.

        Raises:
            StateDirError: the state directory cannot be used.
            StoreError: the file cannot be opened.
        """
        if self._file is None:
            self._file = RecordFile(
                prepare_state_dir(self._state_dir) / RECORDS_FILE,
                most_records=self._settings.max_records,
                most_bytes=self._settings.max_mib * MIB,
            )
        return self._file

    def parts(self) -> list[PartHealth]:
        """Its health."""
        return [PartHealth("explain", "degraded" if self._failure else "ok", self._failure)]

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Decision(BaseModel):
    """One decision, as it was and as it comes out again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    recorded: str
    evaluated: str
    same: bool


class Reevaluation(BaseModel):
    """What the policies decide from the recorded facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: str
    same: bool = Field(description="Whether every decision is the same.")
    decisions: list[Decision]


def explain_router(access: ExplainAccess) -> APIRouter:
    """The records over HTTP."""
    router = APIRouter(prefix="/api/v1/explain", tags=["explain"])
    as_json: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/json": {}}, "description": "A decision record."},
        404: {"description": "No record of this request is kept."},
    }

    @router.get("", response_class=Response)
    async def listed(  # noqa: PLR0917 - parameters of the address
        why: _Text = None,
        route: _Text = None,
        consumer: _Text = None,
        status: Annotated[int | None, Query(ge=100, le=599)] = None,
        cache: _Text = None,
        before: Annotated[
            int | None, Query(ge=0, lt=1 << 63, description="`next` of the page before.")
        ] = None,
        most: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        """Records, the newest first."""
        question = RecordQuestion(why, route, consumer, status, cache, before, most)
        rows = _asked(access, question)
        records = [read_record(data) for _serial, data in rows]
        following = rows[-1][0] if len(rows) == most else None
        return _json({"records": records, "next": following})

    @router.get("/{request_id}", response_class=Response, responses=as_json)
    async def one(request_id: RequestId) -> Response:
        """The decision record of a request: what every stage decided, why, and by which facts."""
        return _json(_record(access, request_id))

    @router.post("/{request_id}/reevaluate")
    async def again(request_id: RequestId) -> Reevaluation:
        """Decides again from the recorded facts; nothing is charged and nothing is changed."""
        decisions = [
            Decision(
                stage=each.stage,
                recorded=each.recorded,
                evaluated=each.evaluated,
                same=each.same,
            )
            for each in reevaluate(_record(access, request_id))
        ]
        same = all(decision.same for decision in decisions)
        return Reevaluation(request_id=request_id, same=same, decisions=decisions)

    return router


def _asked(access: ExplainAccess, question: RecordQuestion) -> list[tuple[int, bytes]]:
    try:
        return access.file().ask(question)
    except StoreError as error:
        raise HTTPException(503, str(error)) from None


def _record(access: ExplainAccess, request_id: str) -> DecisionRecord:
    try:
        data = access.file().find(request_id)
    except StoreError as error:
        raise HTTPException(503, str(error)) from None
    if data is None:
        raise HTTPException(
            404,
            f"No record of request {request_id!r} is kept: it simply passed and was not sampled,"
            " or the record is too old.",
        )
    return read_record(data)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
