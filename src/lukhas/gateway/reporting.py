"""What a worker tells others of each request: the access log."""

import os
from collections.abc import Coroutine
from typing import Any

from lukhas.config.access_log import AccessLogSettings
from lukhas.config.settings import Settings
from lukhas.errors import ConfigError
from lukhas.pipeline.access_entries import access_report
from lukhas.pipeline.stages.observe import Report
from lukhas.telemetry.access_lines import AccessLines
from lukhas.telemetry.access_log import AccessLog
from lukhas.telemetry.health import PartHealth
from lukhas.telemetry.line_file import LineFile
from lukhas.telemetry.recorder import Recorder

__all__ = ("Reporting",)

_ALL_VALUES = "*"


class Reporting:
    """Built by the settings; nothing of it exists that is switched off.

    Args:
        settings: the effective settings.

    Raises:
        ConfigError: the file of the access log cannot be written.
    """

    def __init__(self, settings: Settings) -> None:
        log = settings.access_log
        self._access_log = _access_log(log)
        self._fields = log.fields

    def reports(self) -> tuple[Report, ...]:
        """Who is told of each request."""
        log = self._access_log
        return () if log is None else (access_report(log.take, self._fields),)

    def jobs(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs while the worker serves."""
        return () if self._access_log is None else (self._access_log.run(),)

    def parts(self) -> list[PartHealth]:
        """The health of each."""
        return [] if self._access_log is None else self._access_log.parts()

    def show(self, recorder: Recorder) -> None:
        """Adds its figures to the metrics."""
        log = self._access_log
        if log is not None:
            recorder.watch("access_log_lines", lambda: log.lines)
            recorder.watch("access_log_lines_dropped", lambda: log.dropped)

    async def close(self) -> None:
        """Writes and sends what there still is, for a short time."""
        if self._access_log is not None:
            await self._access_log.close()


def _access_log(settings: AccessLogSettings) -> AccessLog | None:
    if settings.format == "off":
        return None
    shown = settings.query_parameters
    lines = AccessLines(
        settings.format,
        parameters=None if _ALL_VALUES in shown else frozenset(shown),
        client=settings.client,
        fields=settings.fields,
    )
    return AccessLog(lines.line, _file(settings), most=settings.queue_lines)


def _descriptor(output: str) -> int:
    descriptor = 2 if output == "stderr" else 1
    try:
        os.fstat(descriptor)
    except OSError:
        raise ConfigError(
            f"there is no {output}", where="access_log.output", hint="name a file"
        ) from None
    return descriptor


def _file(settings: AccessLogSettings) -> LineFile:
    if settings.output != "file" or settings.file is None:
        return LineFile(_descriptor(settings.output))
    file = LineFile(settings.file)
    try:
        file.open()
    except OSError as error:
        raise ConfigError(
            f"{settings.file} cannot be written: {error.strerror}",
            where="access_log.file",
            hint="name a file in a folder that this user may write to",
        ) from None
    return file
