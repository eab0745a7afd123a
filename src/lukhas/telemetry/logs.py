"""Structured logs, with everything that looks like a secret removed."""

import logging
import re
import textwrap
from typing import Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

from lukhas.telemetry.redaction import REDACTED, Redaction, redact

__all__ = ("REDACTED", "LogStyle", "configure_logging", "redact")

LogStyle = Literal["json", "console"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure_logging(
    *, style: LogStyle, level: str, stream: TextIO, redaction: Redaction | None = None
) -> None:
    """Sets up structlog and the standard library's logging of this process, once, at its start.

    Args:
        style: one JSON object a line, or lines for people.
        level: `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        stream: where the lines go.
        redaction: takes secrets out of them; one that knows nothing of this installation if None.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=("request_id", "trace_id")),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Before redaction, because the text of an exception may hold a secret too.
                structlog.processors.format_exc_info,
                _Redacted(redaction or Redaction()),
                *_renderers(style, stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _renderers(style: LogStyle, stream: TextIO) -> tuple[Processor, ...]:
    if style == "json":
        return (structlog.processors.JSONRenderer(),)
    return (
        _on_own_lines,
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    )


class _Redacted:
    """A processor that takes secrets out of events."""

    def __init__(self, redaction: Redaction) -> None:
        self._redact = redaction.redact

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        return cast("EventDict", self._redact(event))


def _on_own_lines(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Keeps what others have sent from looking like an event, or from steering a terminal."""
    for name, value in event.items():
        if isinstance(value, str):
            if name == "exception":
                lines = (_CONTROL.sub(_escaped, line) for line in value.split("\n"))
                event[name] = textwrap.indent("\n".join(lines), "  ")
            else:
                event[name] = _CONTROL.sub(_escaped, value)
    return event


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
