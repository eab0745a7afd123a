"""Findings over the admin API: `GET /api/v1/insights`."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.history_access import HistoryAccess
from lukhas.admin.history_api import unavailable
from lukhas.admin.insight_terms import cache_figures, insight_terms
from lukhas.admin.kept_answers import KeptAnswers
from lukhas.admin.parent import Parent
from lukhas.admin.spans import asked_span_s
from lukhas.admin.state import AdminState
from lukhas.config.settings import Settings
from lukhas.config.spans import SPAN_PATTERN
from lukhas.errors import LukhasError
from lukhas.policy.insights.records import Insight

if TYPE_CHECKING:
    from lukhas.analytics.history import History

__all__ = (
    "Figure",
    "Finding",
    "FindingsAnswer",
    "InsightAccess",
    "SettingChange",
    "insights_router",
)

_HOUR_S = 3600
_DAY_S = 86_400
# What is new in a hundredth of a window changes little; and nobody waits five minutes.
_FRESH_PART = 100
_LEAST_FRESH_S = 30
_MOST_FRESH_S = 300


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Shape):
    """A figure that a finding stands on."""

    name: str
    value: float
    unit: str


class SettingChange(_Shape):
    """A change of the settings that would follow; nothing changes by itself."""

    setting: str = Field(description="Its path; of a list with the name of the item.")
    value: str = Field(description="As it is written in TOML.")
    present: str = Field(description="What it is now; empty where that is not known.")


class Finding(_Shape):
    """One finding."""

    id: str = Field(description="The same as long as the same is found.")
    kind: str
    title: str
    evidence: list[Figure]
    impact: str
    confidence: float = Field(
        description="0 to 1: how likely it is that the figures are no chance. Not about causes."
    )
    proposal: str
    changes: list[SettingChange]
    route: str = Field(description="The template; empty where it is not about a route.")
    consumer: str = Field(description="Empty where it is not about one.")


class FindingsAnswer(_Shape):
    """All findings of a window."""

    from_s: int = Field(description="Unix time.")
    to_s: int = Field(description="The first second after the window.")
    insights: list[Finding] = Field(description="The weightiest first, at most 50.")


class InsightAccess:
    """What findings and forecasts are made from.

    Args:
        history: the history.
        settings: all settings.
        parent: what is known of the parent process, if there is one.
    """

    def __init__(self, history: HistoryAccess, settings: Settings, parent: Parent | None) -> None:
        self.access = history
        self.settings = settings
        self.parent = parent

    def history(self) -> "History":
        """The history.

        Raises:
            HTTPException: it is not open.
        """
        if self.access.history is None:
            raise HTTPException(503, f"the history is not open: {self.access.failure}")
        return self.access.history


def insights_router(access: InsightAccess) -> APIRouter:
    """Findings."""
    router = APIRouter(prefix="/api/v1", tags=["insights"])
    kept: KeptAnswers[FindingsAnswer] = KeptAnswers(access.access.clock)

    @router.get("/insights")
    async def insights(
        request: Request,
        window: Annotated[
            str,
            Query(pattern=SPAN_PATTERN, description="How far back: 1h to 30d, or seconds."),
        ] = "24h",
    ) -> FindingsAnswer:
        """What the figures of the window say that you could act on. Kept for up to 5 minutes."""
        window_s = asked_span_s(window, what="window", least_s=_HOUR_S, most_s=30 * _DAY_S)
        fresh_s = min(_MOST_FRESH_S, max(_LEAST_FRESH_S, window_s // _FRESH_PART))
        state: AdminState = request.app.state.admin
        return await kept.get(window_s, lambda: _found(access, state, window_s), fresh_s=fresh_s)

    return router


async def _found(access: InsightAccess, state: AdminState, window_s: int) -> FindingsAnswer:
    # Here and not above: it loads SQLAlchemy, which the first answer need not wait for.
    from lukhas.analytics.insights.findings import findings

    history = access.history()
    try:
        terms = insight_terms(access.settings)
    except LukhasError as error:
        raise HTTPException(503, str(error)) from None
    with unavailable():
        found = await findings(history, terms, cache_figures(state), window_s=window_s)
    return FindingsAnswer(
        from_s=found.from_s, to_s=found.to_s, insights=[_finding(each) for each in found.insights]
    )


def _finding(insight: Insight) -> Finding:
    return Finding(
        id=insight.id,
        kind=insight.kind,
        title=insight.title,
        evidence=[Figure(name=e.name, value=e.value, unit=e.unit) for e in insight.evidence],
        impact=insight.impact,
        confidence=round(insight.confidence, 4),
        proposal=insight.proposal,
        changes=[
            SettingChange(setting=each.setting, value=each.value, present=each.present)
            for each in insight.changes
        ],
        route=insight.route,
        consumer=insight.consumer,
    )
