"""The secrets among the settings never get into a log."""

import io
import logging
from collections.abc import Iterator
from typing import NoReturn

import pytest
import structlog

from lukhas.config.secret_values import redaction_of, secret_values
from lukhas.config.settings import Settings
from lukhas.telemetry.logs import LogStyle, configure_logging

SECRETS = (
    "admin-token-0123456789",
    "hook-secret-1",
    "mail-pass-1",
    "redis-pass-1",
    "redis-pass%2F2",
    "redis-pass/2",
    "pg-pass-1",
    "otlp-key-1",
    "jwt-secret-0123456789-0123456789",
)
TREE = {
    "admin": {"token": "admin-token-0123456789"},
    "alerts": {
        "channels": [
            {"name": "h", "url": "https://hooks.test/x", "authorization": "hook-secret-1"},
            {
                "name": "m", "kind": "email", "host": "mail.test", "sender": "a@a.test",
                "recipients": ["b@b.test"], "user": "u", "password": "mail-pass-1",
            },
        ]
    },
    "counters": {"store": "redis://:redis-pass-1@localhost:6390/0"},
    "cache": {"redis": "redis://u:redis-pass%2F2@localhost:6390/1"},
    "analytics": {"database": "postgresql://u:pg-pass-1@localhost/h"},
    "telemetry": {"otlp": {"headers": {"api-key": "otlp-key-1"}}},
    "identity": {
        "api_key_header": "X-Shop",
        "tokens": [
            {
                "issuer": "https://login.test/", "audience": "shop", "algorithms": ["HS256"],
                "secret": "jwt-secret-0123456789-0123456789",
            }
        ],
    },
}  # fmt: skip


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def settings() -> Settings:
    return Settings.model_validate(TREE)


def test_every_secret_is_found() -> None:
    """Wherever it stands in the tree."""
    found = set(secret_values(settings()))
    in_urls = {"redis-pass%2F2", "redis-pass/2", "pg-pass-1"}
    assert set(SECRETS) - in_urls <= found
    assert "redis://u:redis-pass%2F2@localhost:6390/1" in found


def test_what_looks_like_a_url_and_is_none_has_no_password() -> None:
    """A template may hold anything."""
    assert list(secret_values("https://[bad@x")) == []
    assert list(secret_values("https://user@x")) == []


def fail(message: str) -> NoReturn:
    raise ValueError(message)


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_of_the_settings_gets_into_a_line(style: LogStyle) -> None:
    """In messages, in values, in exceptions; nor do credentials of clients."""
    stream = io.StringIO()
    configure_logging(style=style, level="DEBUG", stream=stream, redaction=redaction_of(settings()))
    log = logging.getLogger("lukhas.test")
    for secret in SECRETS:
        log.warning("said %s and more", secret)
        try:
            fail(f"cannot use {secret}")
        except ValueError:
            log.exception("failed")
        structlog.get_logger("lukhas.test").info("event", value=[{"a": secret}], b=secret.encode())
    structlog.get_logger("lukhas.test").info(
        "client",
        fields=[
            ("x-shop", "c1-secret"), (b"X-Shop", b"c2-secret"), ("authorization", "c3-secret"),
            ("cookie", "c4-secret"), ("x-api-key", "c5-secret"),
        ],
        heads={"X_SHOP": "c6-secret"},
        text="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c7-secret",
    )  # fmt: skip
    lines = stream.getvalue()
    assert lines.count("[redacted]") >= 4 * len(SECRETS)
    for secret in (*SECRETS, *(f"c{number}-secret" for number in range(1, 8))):
        assert secret not in lines


@pytest.mark.usefixtures("restored_logging")
def test_nobody_forges_an_event() -> None:
    """Lines for people: what others have sent stays on its line, and steers no terminal."""
    stream = io.StringIO()
    configure_logging(style="console", level="DEBUG", stream=stream)
    log = logging.getLogger("lukhas.test")
    forged = "x\n2026-01-01T00:00:00Z [error    ] forged\r\x1b[2J\x9b\u2028"
    log.warning("said %s", forged)
    try:
        fail(forged)
    except ValueError:
        log.exception("failed")
    text = stream.getvalue()
    assert not any(line.startswith("2026-01-01") for line in text.splitlines())
    assert "\\n2026-01-01" in text
    for character in "\x1b\r\x9b\u2028":
        assert character not in text


@pytest.mark.usefixtures("restored_logging")
def test_events_may_name_their_request() -> None:
    """By its id and its trace; other attributes of a record are not shown."""
    stream = io.StringIO()
    configure_logging(style="json", level="DEBUG", stream=stream)
    extra = {"request_id": "id-1", "trace_id": "4bf9", "other": "hidden"}
    logging.getLogger("lukhas.test").error("failed", extra=extra)
    assert '"request_id": "id-1"' in stream.getvalue()
    assert '"trace_id": "4bf9"' in stream.getvalue()
    assert "hidden" not in stream.getvalue()
