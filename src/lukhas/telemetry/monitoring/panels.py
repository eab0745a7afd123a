"""Panels of Grafana dashboards as values, and where they stand."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, assert_never

__all__ = (
    "DATASOURCE",
    "GRID_COLUMNS",
    "JsonObject",
    "Panel",
    "Query",
    "Row",
    "panel_json",
    "rows_json",
)

JsonObject = dict[str, object]

GRID_COLUMNS = 24
"""How wide a dashboard is."""

DATASOURCE: JsonObject = {"type": "prometheus", "uid": "${datasource}"}
"""The Prometheus that is chosen on top of a dashboard."""

_GREEN = "green"
Kind = Literal["timeseries", "stat", "table"]


@dataclass(frozen=True, slots=True)
class Query:
    """What a panel asks.

    Attributes:
        expr: PromQL, which may hold variables of Grafana.
        legend: what its series are called; in a table, its column.
        unit: of a column of a table, if not that of the panel.
    """

    expr: str
    legend: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        title: its title.
        what: what it shows, for people.
        queries: what it asks.
        unit: Grafana's name of the unit, such as `reqps`, `s`, `percentunit` or `bytes`.
        kind: what it looks like.
        width: of 24 columns.
        height: in rows of the grid.
        bounds: from which value on it is of which colour; below the first it is green.
        most: the highest value of the axis; None for that of the data.
        is_stacked: whether its series are drawn on top of each other.
    """

    title: str
    what: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 12
    height: int = 8
    bounds: tuple[tuple[float, str], ...] = ()
    most: float | None = None
    is_stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading.

    Attributes:
        title: the heading.
        panels: the panels, from left to right, and then below.
    """

    title: str
    panels: tuple[Panel, ...]


def rows_json(rows: Iterable[Row]) -> list[JsonObject]:
    """All panels of a dashboard, each with a number and a place of its own."""
    written: list[JsonObject] = []
    top = 0
    for row in rows:
        place = {"h": 1, "w": GRID_COLUMNS, "x": 0, "y": top}
        written.append(
            {
                "id": len(written) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
        )
        top += 1
        left = height = 0
        for panel in row.panels:
            if left + panel.width > GRID_COLUMNS:
                top, left, height = top + height, 0, 0
            at = {"h": panel.height, "w": panel.width, "x": left, "y": top}
            written.append(panel_json(panel, number=len(written) + 1, place=at))
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return written


def panel_json(panel: Panel, *, number: int, place: dict[str, int]) -> JsonObject:
    """One panel as Grafana reads it.

    Args:
        panel: the panel.
        number: its number, unique in the dashboard.
        place: its place in the grid.
    """
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.what,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel.kind),
        "targets": [_target(query, index, panel.kind) for index, query in enumerate(panel.queries)],
        **_transformations(panel),
    }


def _defaults(panel: Panel) -> JsonObject:
    steps: list[JsonObject] = [{"color": _GREEN, "value": None}]
    steps += [{"color": colour, "value": value} for value, colour in panel.bounds]
    defaults: JsonObject = {
        "unit": panel.unit,
        "min": 0,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [],
    }
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.is_stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if panel.bounds else "off"},
        }
    return defaults


def _overrides(panel: Panel) -> list[JsonObject]:
    return [
        {
            "matcher": {"id": "byName", "options": query.legend},
            "properties": [{"id": "unit", "value": query.unit}],
        }
        for query in panel.queries
        if query.unit
    ]


def _options(kind: Kind) -> JsonObject:
    match kind:
        case "timeseries":
            return {
                "legend": {
                    "displayMode": "table",
                    "placement": "bottom",
                    "showLegend": True,
                    "calcs": ["lastNotNull", "max"],
                },
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case "stat":
            return {
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "colorMode": "value",
                "graphMode": "area",
                "justifyMode": "auto",
                "textMode": "auto",
            }
        case "table":
            return {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
        case _:
            assert_never(kind)


def _target(query: Query, index: int, kind: Kind) -> JsonObject:
    target: JsonObject = {
        "refId": chr(ord("A") + index),
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
    }
    if kind == "table":
        target |= {"instant": True, "range": False, "format": "table"}
    else:
        target |= {"instant": False, "range": True}
    return target


def _transformations(panel: Panel) -> JsonObject:
    """Of a table: one row for each set of labels, one column for each query."""
    if panel.kind != "table":
        return {}
    renamed = {
        f"Value #{chr(ord('A') + index)}" if len(panel.queries) > 1 else "Value": query.legend
        for index, query in enumerate(panel.queries)
    }
    organize = {
        "excludeByName": {"Time": True, "job": True},
        "indexByName": {},
        "renameByName": renamed,
    }
    return {
        "transformations": [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": organize},
        ]
    }
