"""Settings of traces, of what is sent to a collector, and of the access log."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lukhas.config.key_paths import dotted
from lukhas.config.loading import load_settings
from lukhas.config.settings import Settings
from lukhas.config.telemetry_checks import telemetry_findings

ALL = """
upstream = "http://localhost:9000"
trusted_proxies = ["10.0.0.0/8"]

[telemetry.tracing]
mode = "start"
trust = "proxies"
ratio = 0.5
query_parameters = ["page"]

[telemetry.otlp]
endpoint = "https://Collector.test:4318/base/"
headers = { Api-Key = "s3cret-s3cret" }
metrics_interval_s = 5
attributes = { "service.namespace" = "shop" }

[access_log]
format = "json"
output = "file"
file = "/var/log/lukhas/access.log"
fields = ["User-Agent"]
"""


def findings(tree: dict[str, Any]) -> list[tuple[str, str]]:
    found = telemetry_findings(Settings.model_validate(tree))
    return [(dotted(finding.path), finding.what) for finding in found if finding.hint]


def test_everything_can_be_set(tmp_path: Path) -> None:
    """And the values of fields, which often are keys, are never shown."""
    file = tmp_path / "g.toml"
    file.write_text(ALL)
    settings = load_settings({}, file, {"HOME": str(tmp_path)}).settings
    assert settings.telemetry.tracing.mode == "start"
    assert settings.telemetry.otlp.endpoint == "https://collector.test:4318/base"
    assert list(settings.telemetry.otlp.headers) == ["api-key"]
    assert settings.access_log.fields == ("user-agent",)
    assert list(telemetry_findings(settings)) == []
    assert "s3cret" not in repr(settings)


def test_nothing_is_on_by_default() -> None:
    """Neither traces, nor a collector, nor an access log."""
    settings = Settings()
    assert settings.telemetry.tracing.mode == "off"
    assert settings.telemetry.otlp.endpoint is None
    assert settings.access_log.format == "off"
    assert findings({}) == []


@pytest.mark.parametrize(
    "tree",
    [
        {"telemetry": {"otlp": {"endpoint": "localhost:4318"}}},
        {"telemetry": {"otlp": {"endpoint": "ftp://localhost"}}},
        {"telemetry": {"otlp": {"endpoint": "http://ann:s3cret@localhost"}}},
        {"telemetry": {"otlp": {"headers": {"a b": "x"}}}},
        {"telemetry": {"otlp": {"headers": {"a": "x\r\ny: z"}}}},
        {"telemetry": {"otlp": {"headers": {"a": ""}}}},
        {"telemetry": {"tracing": {"ratio": 1.5}}},
        {"telemetry": {"tracing": {"mode": "on"}}},
        {"access_log": {"format": "xml"}},
        {"access_log": {"fields": ["a"] * 9}},
    ],
)
def test_wrong_values_are_refused(tree: dict[str, Any]) -> None:
    """Each where it stands."""
    with pytest.raises(ValidationError) as told:
        Settings.model_validate(tree)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    ("tree", "where", "what"),
    [
        (
            {"telemetry": {"tracing": {"mode": "continue", "trust": "none"}}},
            "telemetry.tracing.trust",
            "traces are continued, and nobody's trace is taken up",
        ),
        (
            {"telemetry": {"tracing": {"mode": "start", "trust": "proxies"}}},
            "telemetry.tracing.trust",
            "only the traces of proxies are taken up, and there are no trusted_proxies",
        ),
        (
            {"access_log": {"output": "file"}},
            "access_log.file",
            "the access log goes to a file that is not named",
        ),
        (
            {"access_log": {"file": "/x"}},
            "access_log.output",
            "access_log.file is set, and the access log goes to stdout",
        ),
        (
            {"access_log": {"fields": ["user-agent", "Authorization"]}},
            "access_log.fields.1",
            "the field authorization carries credentials, and must not be in a log",
        ),
        (
            {
                "access_log": {"fields": ["x-shop"]},
                "identity": {"credential_headers": ["X-Shop"]},
            },
            "access_log.fields.0",
            "the field x-shop carries credentials, and must not be in a log",
        ),
        (
            {"access_log": {"fields": ["X-Session-Token"]}},
            "access_log.fields.0",
            "the field x-session-token carries credentials, and must not be in a log",
        ),
    ],
)
def test_what_does_not_fit_together_is_found(tree: dict[str, Any], where: str, what: str) -> None:
    """With what to do about it."""
    ((found, told),) = findings(tree)
    assert found.replace("[", ".").replace("]", "") == where
    assert told == what


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as a collector is set, before anything starts."""
    tree = {"telemetry": {"otlp": {"endpoint": "http://localhost:4318"}}}
    assert findings(tree) == []
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    ((where, what),) = findings(tree)
    assert where == "telemetry.otlp.endpoint"
    assert "extra otel" in what
