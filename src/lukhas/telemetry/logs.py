"""Structured logs, with everything that looks like a secret removed."""

import logging
import re
from collections.abc import Mapping
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

__all__ = ("REDACTED", "LogStyle", "configure_logging", "redact")

LogStyle = Literal["json", "console"]

REDACTED = "[redacted]"

# Matched anywhere in a name in lower case with `-` as `_`: x-api-key, db_password, access_token ...
_SECRET_NAMES = re.compile(
    r"authorization|cookie|api_?key|token|passw(or)?d|passphrase|secret|pepper|private_?key"
)
# What gives a secret away inside a text: an authentication scheme, our own keys, `password=...`,
# and the password of a URL.
_SECRET_TEXTS = (
    # A field that is a secret up to the end of its line.
    (
        re.compile(r"(?i)((?:cookie|authorization)[\"']?\s*[=:]\s*[\"']?)[^\r\n\"']+"),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?!\[)[^\s,;\"']+"), rf"\1 {REDACTED}"),
    (re.compile(r"\blk_[A-Za-z0-9]+_[A-Za-z0-9]+_[A-Za-z0-9_-]+"), REDACTED),
    (
        re.compile(
            r"(?i)((?:api[_-]?key|token|passw(?:or)?d|secret)[\"']?\s*[=:]\s*[\"']?)"
            r"(?!\[redacted\])[^\s&,;\"']+"
        ),
        rf"\1{REDACTED}",
    ),
    # The password of a URL.
    (re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+@"), rf"\1:{REDACTED}@"),
)
_MAX_DEPTH = 8


def configure_logging(*, style: LogStyle, level: str, stream: TextIO) -> None:
    """Sets up structlog and the standard library's logging of this process, once, at its start.

    Args:
        style: one JSON object a line, or lines for people.
        level: `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        stream: where the lines go.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
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
    renderer: Processor
    if style == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Before redaction, because the text of an exception may hold a secret too.
                structlog.processors.format_exc_info,
                _redact_event,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def redact(value: object) -> object:
    """A copy without secrets: by name in mappings and in pairs, by their look in texts.

    Goes into mappings, lists, tuples and sets to a depth of 8; what lies deeper is left out.
    """
    return _redacted(value, 0)


def _redact_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    return cast("EventDict", _redacted(event, 0))


def _redacted(value: object, depth: int) -> Any:
    if isinstance(value, str):
        return _without_secrets(value)
    if isinstance(value, bytes):
        return _without_secrets(value.decode("latin-1"))
    if depth >= _MAX_DEPTH:
        return "[too deep]" if isinstance(value, (Mapping, list, tuple, set, frozenset)) else value
    if isinstance(value, Mapping):
        return {
            key: REDACTED if _is_secret(key) else _redacted(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, tuple) and len(value) == 2 and _is_secret(value[0]):
        return (value[0], REDACTED)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redacted(item, depth + 1) for item in value]
    return value


def _is_secret(name: object) -> bool:
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    if not isinstance(name, str):
        return False
    return _SECRET_NAMES.search(name.lower().replace("-", "_")) is not None


def _without_secrets(text: str) -> str:
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text
