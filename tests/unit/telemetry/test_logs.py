"""Logs hold no secrets."""

import io
import json
import logging
from collections.abc import Iterator
from typing import NoReturn

import pytest
import structlog

from lukhas.telemetry.logs import REDACTED, configure_logging, redact


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail(message: str) -> NoReturn:
    raise ValueError(message)


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "X-API-Key", "api_key",
        "apikey", "token", "access_token", "refreshToken", "password", "db_passwd", "client_secret",
        "pepper", "private_key", b"authorization",
    ],
)  # fmt: skip
def test_values_of_secret_names_are_removed(name: str | bytes) -> None:
    """At any depth, in mappings and in pairs such as header fields."""
    value = {"request": [{name: "hunter2"}], "fields": [(name, b"hunter2")]}
    assert "hunter2" not in repr(redact(value))
    assert REDACTED in repr(redact(value))


@pytest.mark.parametrize(
    "text",
    [
        "sent Authorization: Bearer hunter2hunter2",
        "bearer hunter2",
        "basic hunter2==",
        "GET /a?api_key=hunter2&b=1",
        "password: 'hunter2'",
        'body {"token": "hunter2"}',
        "cookie: a=1; session=hunter2",
        "postgresql://user:hunter2@db/x",
        "key lk_live_abc_hunter2",
    ],
)
def test_texts_that_give_a_secret_away_are_cleaned(text: str) -> None:
    """Messages and exceptions hold secrets too."""
    assert "hunter2" not in str(redact(text))
    assert REDACTED in str(redact(text))
    assert "hunter2" not in str(redact(text.encode()))


def test_what_is_no_secret_stays() -> None:
    """Redaction does not eat the log."""
    value = {
        "route": "/a",
        "numbers": (1, 2.5, None),
        "set": {"x"},
        "pair": ("tier", "free"),
        5: (1, 2),
    }
    assert redact(value) == {
        "route": "/a",
        "numbers": [1, 2.5, None],
        "set": ["x"],
        "pair": ["tier", "free"],
        5: [1, 2],
    }


def test_what_lies_too_deep_is_left_out() -> None:
    """A value that contains itself ends, and hides nothing below."""
    loop: dict[str, object] = {"leaf": 1}
    loop["self"] = loop
    assert "[too deep]" in repr(redact(loop))


@pytest.mark.usefixtures("restored_logging")
def test_json_logs_are_redacted_whatever_logger_wrote_them() -> None:
    """One JSON object a line, from structlog and from the standard library, exceptions too."""
    stream = io.StringIO()
    configure_logging(style="json", level="INFO", stream=stream)
    structlog.get_logger("lukhas.a").info("key %s", "made", headers={"cookie": "hunter2"}, n=3)
    structlog.get_logger("lukhas.a").debug("not shown")
    logging.getLogger("lukhas.b").warning("sent %s", "Bearer hunter2")
    try:
        fail("password=hunter2")
    except ValueError:
        logging.getLogger("lukhas.c").exception("failed")
    first, second, third = map(json.loads, stream.getvalue().splitlines())
    assert "hunter2" not in stream.getvalue()
    assert (first["event"], first["level"], first["logger"]) == ("key made", "info", "lukhas.a")
    assert first["headers"] == {"cookie": REDACTED}
    assert first["n"] == 3
    assert second["event"] == f"sent Bearer {REDACTED}"
    assert "ValueError" in third["exception"]


@pytest.mark.usefixtures("restored_logging")
def test_console_logs_are_redacted() -> None:
    """Lines for people, the same rules."""
    stream = io.StringIO()
    configure_logging(style="console", level="INFO", stream=stream)
    structlog.get_logger("lukhas.a").info("started", token="hunter2", port=8001)
    try:
        fail("token=hunter2")
    except ValueError:
        structlog.get_logger("lukhas.a").exception("failed")
    assert "started" in stream.getvalue()
    assert "8001" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
