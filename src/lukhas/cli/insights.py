"""`lukhas insights`: what the figures say that somebody could act on."""

import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from lukhas.cli.options import ConfigFile, StateDir, load

if TYPE_CHECKING:
    from lukhas.analytics.insights.findings import Findings
    from lukhas.config.settings import Settings
    from lukhas.policy.insights.records import Insight

__all__ = ("insights", "told")

_HOUR_S = 3600
_MONTH_S = 30 * 86_400


def insights(
    *,
    window: Annotated[
        str, typer.Option(metavar="LENGTH", help="How far back, such as 90m, 24h or 7d.")
    ] = "24h",
    as_json: Annotated[bool, typer.Option("--json", help="All findings as JSON.")] = False,
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Tell what the history says that you could act on: slow routes, limits that do not fit."""
    settings = load({"--state-dir": state_dir}, config).settings
    window_s = _window_s(window)
    found = asyncio.run(_found(settings, window_s))
    if as_json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    if not found.insights:
        sys.stdout.write("nothing found\n")
    for insight in found.insights:
        for line in told(insight):
            sys.stdout.write(line + "\n")


def _window_s(text: str) -> int:
    from lukhas.config.spans import span_s
    from lukhas.errors import ConfigError

    try:
        return span_s(text, what="window", least_s=_HOUR_S, most_s=_MONTH_S)
    except ConfigError as error:
        raise ConfigError(error.what, where="insights: --window", hint=error.hint) from None


async def _found(settings: "Settings", window_s: int) -> "Findings":
    from lukhas.admin.history_access import HISTORY_FILE, retention_of
    from lukhas.admin.insight_terms import insight_terms
    from lukhas.analytics.history import History
    from lukhas.analytics.insights.findings import findings
    from lukhas.clock import SystemClock
    from lukhas.errors import ConfigError
    from lukhas.storage.sql import open_database

    path = settings.state_dir / HISTORY_FILE
    url = settings.analytics.database
    if url is None and not path.exists():
        raise ConfigError(
            f"there is no history in {settings.state_dir}",
            where="insights",
            hint="lukhas serve keeps one unless analytics.enabled is false",
        )
    stated = f"sqlite:///{path}" if url is None else url.get_secret_value()
    database = await open_database(settings.state_dir, url=stated)
    try:
        history = History(database, SystemClock(), retention=retention_of(settings.analytics))
        await history.load()
        # Only the running gateway knows its cache.
        return await findings(history, insight_terms(settings), None, window_s=window_s)
    finally:
        await database.close()


def told(insight: "Insight") -> Iterator[str]:
    """A finding in lines, for people."""
    yield f"{insight.title}  ({insight.confidence:.0%} sure, {insight.kind})"
    for each in insight.evidence:
        yield f"    {each.name}: {each.value:g} {each.unit}"
    yield f"    {insight.impact}"
    yield f"    {insight.proposal}"
    for change in insight.changes:
        present = f"  # now {change.present}" if change.present else ""
        yield f"    {change.setting} = {change.value}{present}"
    yield ""
