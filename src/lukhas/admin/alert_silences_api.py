"""Silences over the admin API."""

from secrets import token_hex
from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.alert_desk import AlertDesk
from lukhas.admin.alert_figures import Figures, SilenceFigures, silence_figures
from lukhas.admin.alerts_api import Author, told
from lukhas.clock import Clock
from lukhas.errors import ConfigError
from lukhas.policy.alerting.matchers import parse_matcher
from lukhas.policy.alerting.silences import Silence
from lukhas.units import SECOND_NS

__all__ = ("SilenceList", "SilenceOrder", "silences_router")

_MOST_SILENCES = 500
_LONGEST_S = 400 * 86_400
Matcher = Annotated[str, Field(min_length=1, max_length=400)]


class SilenceOrder(BaseModel):
    """A silence as people ask for it."""

    model_config = ConfigDict(extra="forbid")

    matchers: list[Matcher] = Field(
        min_length=1, max_length=20, description="Such as `rule=slow-answers` or `severity!=info`."
    )
    author: Author
    comment: str = Field(min_length=1, max_length=2000, description="Why.")
    seconds: float = Field(gt=0, le=_LONGEST_S, description="How long it holds.")
    starts_in_s: float = Field(0, ge=0, le=_LONGEST_S, description="When it begins, from now.")


class SilenceList(Figures):
    """Silences, also those that were over not long ago."""

    silences: list[SilenceFigures]


def silences_router(desk: AlertDesk, clock: Clock) -> APIRouter:
    """Makes, shows, changes and ends silences."""
    router = APIRouter(prefix="/api/v1/alerts/silences", tags=["alerts"])

    @router.get("")
    async def silences() -> SilenceList:
        """All silences, the one that ends last at the top."""
        found = sorted(desk.watch.book.silences, key=lambda each: -each.ends_ns)
        return SilenceList(silences=[silence_figures(each, clock.now_ns()) for each in found])

    @router.post("", status_code=201)
    async def make(order: SilenceOrder) -> SilenceFigures:
        """Makes a silence."""
        if len(desk.watch.book.silences) >= _MOST_SILENCES:
            raise HTTPException(409, f"there are {_MOST_SILENCES} silences: end some first")
        now_ns = clock.now_ns()
        return await _put(desk, _silence(token_hex(8), order, now_ns), now_ns)

    @router.put("/{silence_id}")
    async def change(silence_id: str, order: SilenceOrder) -> SilenceFigures:
        """Makes another of a silence."""
        _known(desk, silence_id)
        now_ns = clock.now_ns()
        return await _put(desk, _silence(silence_id, order, now_ns), now_ns)

    @router.get("/{silence_id}")
    async def one(silence_id: str) -> SilenceFigures:
        """One silence."""
        return silence_figures(_known(desk, silence_id), clock.now_ns())

    @router.delete("/{silence_id}")
    async def end(silence_id: str) -> SilenceFigures:
        """Ends a silence now; it stays to be seen for a month."""
        _known(desk, silence_id)
        with told():
            await desk.watch.end_silence(silence_id)
        return silence_figures(_known(desk, silence_id), clock.now_ns())

    return router


def _known(desk: AlertDesk, silence_id: str) -> Silence:
    for silence in desk.watch.book.silences:
        if silence.id == silence_id:
            return silence
    raise HTTPException(404, f"there is no silence {silence_id!r}")


async def _put(desk: AlertDesk, silence: Silence, now_ns: int) -> SilenceFigures:
    with told():
        await desk.watch.put_silence(silence)
    return silence_figures(silence, now_ns)


def _silence(silence_id: str, order: SilenceOrder, now_ns: int) -> Silence:
    try:
        matchers = tuple(parse_matcher(text) for text in order.matchers)
    except ConfigError as error:
        raise HTTPException(422, str(error)) from None
    starts_ns = now_ns + round(order.starts_in_s * SECOND_NS)
    return Silence(
        id=silence_id,
        matchers=matchers,
        author=order.author,
        comment=order.comment,
        starts_ns=starts_ns,
        ends_ns=starts_ns + round(order.seconds * SECOND_NS),
    )
