"""The dashboards of Grafana."""

import json
from dataclasses import dataclass

from lukhas.telemetry.monitoring.dashboard_cache import CACHE_ROWS
from lukhas.telemetry.monitoring.dashboard_limits import LIMIT_ROWS
from lukhas.telemetry.monitoring.dashboard_overview import OVERVIEW_ROWS
from lukhas.telemetry.monitoring.dashboard_upstreams import UPSTREAM_ROWS
from lukhas.telemetry.monitoring.panels import DATASOURCE, JsonObject, Row, rows_json

__all__ = ("DASHBOARDS", "Dashboard", "dashboard_text")

_TAG = "lukhas"
_SCHEMA_VERSION = 39


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    Attributes:
        name: of its file and in its address.
        title: its title.
        what: what it is for.
        rows: what is on it.
    """

    name: str
    title: str
    what: str
    rows: tuple[Row, ...]


DASHBOARDS = (
    Dashboard(
        "overview",
        "LUKHAS: overview",
        "Rate, errors and duration of requests, what cache and limits do, and the workers.",
        OVERVIEW_ROWS,
    ),
    Dashboard(
        "upstreams",
        "LUKHAS: upstreams",
        "How the API behind the gateway does, its servers, and how full it is.",
        UPSTREAM_ROWS,
    ),
    Dashboard(
        "cache",
        "LUKHAS: cache",
        "What the cache answers, by route, and how full it is.",
        CACHE_ROWS,
    ),
    Dashboard(
        "limits", "LUKHAS: limits", "Who is limited, by which policy, and who is near.", LIMIT_ROWS
    ),
)
"""All dashboards."""


def dashboard_text(dashboard: Dashboard) -> str:
    """The JSON model, as Grafana imports it and reads it from files."""
    model: JsonObject = {
        "uid": f"{_TAG}-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.what,
        "tags": [_TAG],
        "timezone": "browser",
        "schemaVersion": _SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "links": [_link()],
        "annotations": {"list": []},
        "templating": {"list": _variables()},
        "panels": rows_json(dashboard.rows),
    }
    return json.dumps(model, indent=2) + "\n"


def _link() -> JsonObject:
    """The other dashboards, with the same variables and time."""
    return {
        "type": "dashboards",
        "title": "LUKHAS",
        "tags": [_TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _variables() -> list[JsonObject]:
    datasource: JsonObject = {
        "name": "datasource",
        "type": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {},
    }
    job = _label_variable("job", "Job", "label_values(lukhas_workers_wanted, job)")
    instance = _label_variable(
        "instance", "Gateway", 'label_values(lukhas_workers_wanted{job=~"$job"}, instance)'
    )
    return [datasource, job, instance]


def _label_variable(name: str, label: str, query: str) -> JsonObject:
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"},
        "regex": "",
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "options": [],
        "current": {"text": ["All"], "value": ["$__all"]},
    }
