"""All of alerting over the admin API."""

from fastapi import APIRouter

from lukhas.admin.alert_channels_api import channels_router
from lukhas.admin.alert_desk import AlertDesk
from lukhas.admin.alert_rules_api import rules_router
from lukhas.admin.alert_silences_api import silences_router
from lukhas.admin.alerts_api import alerts_router
from lukhas.clock import Clock, SystemClock

__all__ = ("alert_routers",)


def alert_routers(desk: AlertDesk, clock: Clock | None = None) -> list[APIRouter]:
    """The routers, in the order in which they are tried.

    Args:
        desk: what runs alerting.
        clock: the time; the system's if None.
    """
    clock = clock or SystemClock()
    # The router with `/{alert_id}` comes last: it would take the others' paths.
    return [
        rules_router(desk, clock),
        silences_router(desk, clock),
        channels_router(desk, clock),
        alerts_router(desk),
    ]
