"""Alerts over the admin API: those that are open, what people do about them, and history."""

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import fmean
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.alert_desk import AlertDesk
from lukhas.admin.alert_figures import (
    AlertFigures,
    EpisodeFigures,
    Figures,
    alert_figures,
    episode_figures,
)
from lukhas.analytics.alerts.episodes import AlertNotFoundError, AlertNotOpenError
from lukhas.errors import LukhasError
from lukhas.policy.alerting.alerts import Alert, AlertState
from lukhas.units import SECOND_NS

__all__ = (
    "AlertHistory",
    "AlertList",
    "Author",
    "NoteOrder",
    "Person",
    "SnoozeOrder",
    "alerts_router",
    "told",
)

Author = Annotated[str, Field(min_length=1, max_length=128)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Person(_Order):
    """Who does it."""

    by: Author


class SnoozeOrder(Person):
    """Who puts it off, and for how long."""

    seconds: float = Field(gt=0, le=30 * 86_400)


class NoteOrder(Person):
    """Who writes what."""

    note: Text


class AlertList(Figures):
    """The alerts that are not over."""

    alerts: list[AlertFigures]


class AlertHistory(Figures):
    """Alerts that have fired, the latest first."""

    alerts: list[EpisodeFigures]
    mean_acknowledge_s: float | None = Field(description="Of those that somebody took on.")
    mean_resolve_s: float | None = Field(description="Of those that are over.")


def alerts_router(desk: AlertDesk) -> APIRouter:
    """Alerts and what people do about them."""
    router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])

    def shown(alert: Alert) -> AlertFigures:
        return alert_figures(alert, quiet_because=desk.watch.quiet_because(alert))

    @router.get("")
    async def alerts() -> AlertList:
        """The alerts that are not over, also those that are only pending."""
        found = desk.watch.book.alerts
        return AlertList(
            alerts=[shown(each) for each in found if each.state is not AlertState.RESOLVED]
        )

    @router.get("/history")
    async def history(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before_s: Annotated[
            float | None, Query(ge=0, le=1 << 33, description="Unix time; for more.")
        ] = None,
    ) -> AlertHistory:
        """Alerts that have fired, the latest first, and how long people took."""
        before_ns = None if before_s is None else round(before_s * SECOND_NS)
        with told():
            episodes = await desk.watch.store.history(limit=limit, before_ns=before_ns)
        found = [episode_figures(each) for each in episodes]
        acknowledge = [each.acknowledge_s for each in found if each.acknowledge_s is not None]
        resolve = [each.resolve_s for each in found if each.resolve_s is not None]
        return AlertHistory(
            alerts=found,
            mean_acknowledge_s=fmean(acknowledge) if acknowledge else None,
            mean_resolve_s=fmean(resolve) if resolve else None,
        )

    _add_actions(router, desk)
    return router


def _add_actions(router: APIRouter, desk: AlertDesk) -> None:
    @router.get("/{alert_id}")
    async def one(alert_id: str) -> EpisodeFigures:
        """One alert and all that happened to it."""
        with told():
            episode = await desk.watch.episode(alert_id)
        return episode_figures(episode, quiet_because=desk.watch.quiet_because(episode.alert))

    @router.post("/{alert_id}/acknowledge")
    async def acknowledge(alert_id: str, order: Person) -> AlertFigures:
        """Takes an alert on: it is neither repeated nor escalated any more."""
        with told():
            return alert_figures(await desk.watch.acknowledge(alert_id, by=order.by))

    @router.post("/{alert_id}/snooze")
    async def snooze(alert_id: str, order: SnoozeOrder) -> AlertFigures:
        """Puts an alert off: nobody hears of it until then."""
        with told():
            return alert_figures(
                await desk.watch.snooze(alert_id, seconds=order.seconds, by=order.by)
            )

    @router.post("/{alert_id}/unsnooze")
    async def unsnooze(alert_id: str, order: Person) -> AlertFigures:
        """Ends a snooze: people hear of the alert anew."""
        with told():
            return alert_figures(await desk.watch.unsnooze(alert_id, by=order.by))

    @router.post("/{alert_id}/resolve")
    async def resolve(alert_id: str, order: NoteOrder) -> AlertFigures:
        """Ends an alert by hand; if its rule is still breached, another one begins."""
        with told():
            return alert_figures(await desk.watch.resolve(alert_id, by=order.by, note=order.note))

    @router.post("/{alert_id}/notes", status_code=201)
    async def note(alert_id: str, order: NoteOrder) -> EpisodeFigures:
        """Writes something down about an alert, whether or not it is over."""
        with told():
            await desk.watch.note(alert_id, by=order.by, text=order.note)
            return episode_figures(await desk.watch.episode(alert_id))


@contextmanager
def told() -> Iterator[None]:
    """Tells a failure to the caller: 404 and 409 for what they asked, 503 for a database."""
    try:
        yield
    except AlertNotFoundError as error:
        raise HTTPException(404, str(error)) from None
    except AlertNotOpenError as error:
        raise HTTPException(409, str(error)) from None
    except LukhasError as error:
        raise HTTPException(503, str(error)) from None
