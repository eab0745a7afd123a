"""Files that are written by themselves, one for each period that is over."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from lukhas.analytics.export import ExportFormat, write_export
from lukhas.analytics.levels import DAY_S, HOUR_S, floored
from lukhas.analytics.questions import AsksHistory, Question
from lukhas.errors import LukhasError

__all__ = ("Period", "ReportPlan", "write_due_report")

Period = Literal["hour", "day"]

_log = logging.getLogger("lukhas.history")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPlan:
    """What is written, and when.

    Attributes:
        folder: where; it is made if it is not there.
        period: a file for each hour, in steps of a minute, or each day (UTC), in steps of an hour.
        kind: the format.
    """

    folder: Path
    period: Period
    kind: ExportFormat

    def path(self, from_s: int) -> Path:
        """The file of the period that begins then."""
        form = "%Y-%m-%dT%HZ" if self.period == "hour" else "%Y-%m-%d"
        moment = datetime.fromtimestamp(from_s, UTC).strftime(form)
        return self.folder / f"lukhas-{moment}.{self.kind}"


async def write_due_report(history: AsksHistory, plan: ReportPlan, now_s: int) -> str:
    """Writes the file of the last period that is over, unless it is there.

    Returns:
        Why it could not be written; empty if all is well. It is tried again at the next call.
    """
    period_s = HOUR_S if plan.period == "hour" else DAY_S
    to_s = floored(now_s, period_s)
    from_s = to_s - period_s
    path = plan.path(from_s)
    # A report may come in a second late.
    if now_s < to_s + 5 or path.exists():
        return ""
    step_s = 60 if plan.period == "hour" else HOUR_S
    question = Question(from_s=from_s, to_s=to_s, step_s=step_s, group_by=("route", "tier"))
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
        await write_export(history, question, kind=plan.kind, path=path)
    except (OSError, LukhasError) as error:
        _log.warning("the report %s cannot be written: %s", path, error)
        return f"{path}: {error}"
    _log.info("report written: %s", path)
    return ""
