"""The history as a file, over the admin API."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import StreamingResponse

from lukhas.admin.history_access import HistoryAccess
from lukhas.admin.history_api import Filters, LabelName, Window, opened_history
from lukhas.analytics.export import ExportFormat, export_chunks, need_format
from lukhas.analytics.questions import Question, ReadsHistory
from lukhas.errors import NotAvailableError

__all__ = ("history_export_router",)

_MEDIA_TYPES: dict[ExportFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
_MOST_STEPS = 100_000


def history_export_router(access: HistoryAccess) -> APIRouter:
    """Exports of the history."""
    router = APIRouter(tags=["history"])
    Asked = Annotated[ReadsHistory, Depends(opened_history(access))]  # noqa: N806 - a type

    @router.get("/api/v1/history/export", response_class=StreamingResponse)
    async def export(  # noqa: PLR0917 - parameters of the address
        reader: Asked,
        window: Annotated[Window, Depends()],
        filters: Annotated[Filters, Depends()],
        step: Annotated[int, Query(ge=1, le=1 << 40, description="Seconds.")] = 60,
        group: Annotated[list[LabelName] | None, Query(description="Labels to group by.")] = None,
        kind: Annotated[ExportFormat, Query(alias="format")] = "csv",
    ) -> StreamingResponse:
        """One row for each step and group with requests; CSV and JSON are streamed."""
        from_s, to_s = window.at(access.clock.now_ns())
        if (to_s - from_s) / step > _MOST_STEPS:
            raise HTTPException(422, f"more than {_MOST_STEPS} steps: use a longer step")
        try:
            need_format(kind)
        except NotAvailableError as error:
            raise HTTPException(501, str(error)) from None
        question = Question(
            from_s=from_s,
            to_s=to_s,
            step_s=step,
            group_by=tuple(dict.fromkeys(group or ())),
            only=filters.only(),
        )
        return StreamingResponse(
            export_chunks(reader, question, kind),
            media_type=_MEDIA_TYPES[kind],
            headers={"content-disposition": f'attachment; filename="lukhas-history.{kind}"'},
        )

    return router
