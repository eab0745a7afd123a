"""The admin process, as the supervisor starts it."""

import logging
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI

from lukhas.admin.access import load_token, may_bind
from lukhas.admin.alert_desk import AlertDesk
from lukhas.admin.alert_routers import alert_routers
from lukhas.admin.app import AdminLifespan
from lukhas.admin.cache_api import CacheAccess, cache_router
from lukhas.admin.explain_api import ExplainAccess, explain_pages, explain_router
from lukhas.admin.history_access import HistoryAccess
from lukhas.admin.history_api import history_router
from lukhas.admin.history_export import history_export_router
from lukhas.admin.history_live import history_live_router
from lukhas.admin.limits import limits_router
from lukhas.admin.metric_sending import metric_sending
from lukhas.admin.parent import Parent
from lukhas.admin.process import AdminOptions, run_admin
from lukhas.admin.renewal_api import renewal_router
from lukhas.admin.workers_api import workers_router
from lukhas.analytics.export import need_format
from lukhas.analytics.levels import DAY_S, HOUR_S, MINUTE_S, Retention
from lukhas.analytics.reports import ReportPlan
from lukhas.clock import SystemClock
from lukhas.config.analytics import AnalyticsSettings, ReportSettings
from lukhas.config.secret_values import redaction_of
from lukhas.config.settings import Settings
from lukhas.errors import LukhasError
from lukhas.hub.cache_purges import CachePurges
from lukhas.hub.child_link import (
    ChildTask,
    announce_ready,
    deaf_to_terminal,
    end_with_parent,
    read_task,
)
from lukhas.storage.node import prepare_state_dir
from lukhas.telemetry.logs import configure_logging

__all__ = ("main",)


def main() -> None:
    """Runs the admin process that the task on standard input describes, until SIGTERM."""
    deaf_to_terminal()
    try:
        task = read_task()
        _serve(task, end_with_parent())
    except LukhasError as error:
        sys.stderr.write(f"lukhas: {error}\n")
        sys.exit(2)


def _serve(task: ChildTask, begin: threading.Event) -> None:
    settings = task.settings
    _configure_logs(settings)
    options = _options(task)

    def get_ready() -> None:
        announce_ready(task)
        if task.waits:
            begin.wait()

    access = CacheAccess(CachePurges(settings))
    alerts = AlertDesk(settings)
    # What was kept before it was switched off can still be asked for.
    explain = ExplainAccess(settings.state_dir, settings.explain)
    history = _history(settings.analytics, settings.state_dir)
    routers = [
        limits_router(settings),
        cache_router(access),
        *alert_routers(alerts),
        explain_router(explain),
        explain_pages(explain),
        *_history_routers(history),
    ]
    lifespans = [access.lifespan(), alerts.lifespan(), *metric_sending(settings.telemetry.otlp)]
    parent = Parent(task.control_path) if task.control_path is not None else None
    if parent is not None:
        routers += [renewal_router(parent), workers_router(parent)]
        lifespans.append(parent.lifespan)
    try:
        run_admin(
            options,
            get_ready=get_ready,
            routers=routers,
            lifespan=_all(lifespans),
            parent=parent,
            history=history,
            explain=explain if settings.explain.enabled else None,
        )
    finally:
        explain.close()


def _configure_logs(settings: Settings) -> None:
    configure_logging(
        style=settings.log.format,
        level=settings.log.level.upper(),
        stream=sys.stderr,
        redaction=redaction_of(settings),
    )
    # What uvicorn says about its own start is under the name "uvicorn.error", errors or not.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # A new database is no event for people.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _options(task: ChildTask) -> AdminOptions:
    settings = task.settings
    token = settings.admin.token
    may_bind(settings.admin.listen.host, token_configured=token is not None)
    return AdminOptions(
        descriptor=task.descriptors[0],
        telemetry_path=task.telemetry_path,
        handover_path=task.handover_path,
        token=load_token(
            token.get_secret_value() if token is not None else None,
            prepare_state_dir(settings.state_dir),
        ),
        gateway_url=task.gateway_url,
        workers=task.workers,
    )


def _history_routers(history: HistoryAccess | None) -> list[APIRouter]:
    if history is None:
        return []
    return [history_router(history), history_live_router(history), history_export_router(history)]


def _history(settings: AnalyticsSettings, state_dir: Path) -> HistoryAccess | None:
    if not settings.enabled:
        return None
    url = settings.database
    return HistoryAccess(
        state_dir,
        SystemClock(),
        url="" if url is None else url.get_secret_value(),
        retention=Retention(
            seconds_s=settings.keep_seconds_min * MINUTE_S,
            minutes_s=settings.keep_minutes_h * HOUR_S,
            hours_s=settings.keep_hours_days * DAY_S,
            days_s=settings.keep_days_days * DAY_S,
        ),
        reports=_reports(settings.reports),
    )


def _reports(settings: ReportSettings) -> ReportPlan | None:
    if settings.folder is None:
        return None
    need_format(settings.format)
    return ReportPlan(folder=settings.folder, period=settings.period, kind=settings.format)


def _all(lifespans: Sequence[AdminLifespan]) -> AdminLifespan:
    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for lifespan in lifespans:
                await stack.enter_async_context(lifespan(app))
            yield

    return opened


if __name__ == "__main__":
    main()
