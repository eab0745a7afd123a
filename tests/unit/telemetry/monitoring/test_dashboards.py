"""Dashboards are what Grafana reads."""

import json
import re
from typing import Any

import pytest

from lukhas.telemetry.monitoring.dashboards import DASHBOARDS, Dashboard, dashboard_text
from lukhas.telemetry.monitoring.panels import GRID_COLUMNS

# Ids of units as Grafana lists them (packages/grafana-data/src/valueFormats/categories.ts).
UNITS = {"short", "reqps", "ops", "s", "percentunit", "bytes", "Bps"}
KINDS = {"row", "timeseries", "stat", "table"}
COLOURS = {"green", "orange", "red"}

each = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda found: found.name)


def model(dashboard: Dashboard) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dashboard_text(dashboard))
    return found


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = model(dashboard)["panels"]
    return found


@each
def test_a_panel_is_of_a_known_kind_and_has_a_number_of_its_own(dashboard: Dashboard) -> None:
    """Ids are unique in a dashboard; so are titles, by which people find a panel."""
    found = panels(dashboard)
    assert {panel["type"] for panel in found} <= KINDS
    for key in ("id", "title"):
        values = [panel[key] for panel in found if panel["type"] != "row"]
        assert len(set(values)) == len(values)
    assert min(panel["id"] for panel in found) == 1


@each
def test_panels_stand_in_the_grid_and_not_on_each_other(dashboard: Dashboard) -> None:
    """24 columns."""
    taken: set[tuple[int, int]] = set()
    for panel in panels(dashboard):
        at = panel["gridPos"]
        cells = {
            (at["x"] + right, at["y"] + down) for right in range(at["w"]) for down in range(at["h"])
        }
        assert len(cells) == at["w"] * at["h"] > 0
        assert at["x"] >= 0
        assert at["x"] + at["w"] <= GRID_COLUMNS
        assert cells.isdisjoint(taken), panel["title"]
        taken |= cells


@each
def test_everything_asks_the_chosen_prometheus(dashboard: Dashboard) -> None:
    """No dashboard names a source of somebody's installation."""
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    found = model(dashboard)
    for panel in found["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == chosen
        assert panel["description"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) >= 1
        for target in panel["targets"]:
            assert target["datasource"] == chosen
            assert target["instant"] is (panel["type"] == "table")
    source, *others = found["templating"]["list"]
    assert (source["type"], source["query"], source["name"]) == (
        "datasource",
        "prometheus",
        "datasource",
    )
    assert [variable["datasource"] for variable in others] == [chosen, chosen]


@each
def test_variables_are_there_that_expressions_use(dashboard: Dashboard) -> None:
    """Those of the dashboard, and those of Grafana itself."""
    found = model(dashboard)
    named = {variable["name"] for variable in found["templating"]["list"]}
    text = json.dumps([target for panel in found["panels"] for target in panel.get("targets", ())])
    used = set(re.findall(r"\$\{?(\w+)", text))
    assert used - named == {"__rate_interval"}
    assert named - used == set()


@each
def test_units_colours_and_bounds_are_known(dashboard: Dashboard) -> None:
    """Bounds rise, and the first has no value: it is the ground."""
    for panel in panels(dashboard):
        if panel["type"] == "row":
            continue
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS
        steps = defaults["thresholds"]["steps"]
        assert steps[0]["value"] is None
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values)
        assert {step["color"] for step in steps} <= COLOURS
        columns = {target["legendFormat"] for target in panel["targets"]}
        for override in panel["fieldConfig"]["overrides"]:
            assert override["matcher"]["options"] in columns
            assert override["properties"][0]["value"] in UNITS


def test_a_table_has_a_column_with_a_name_for_each_query() -> None:
    """Grafana calls the value of the query A of several `Value #A`."""
    (table,) = (
        panel for found in DASHBOARDS for panel in panels(found) if panel["type"] == "table"
    )
    merged, organized = table["transformations"]
    assert merged["id"] == "merge"
    renamed = organized["options"]["renameByName"]
    assert renamed == {
        f"Value #{target['refId']}": target["legendFormat"] for target in table["targets"]
    }


def test_dashboards_find_each_other() -> None:
    """By a tag; their addresses are unique and short enough (40 characters)."""
    models = [model(found) for found in DASHBOARDS]
    assert {tuple(found["tags"]) for found in models} == {("lukhas",)}
    assert all(found["links"][0]["tags"] == ["lukhas"] for found in models)
    uids = {found["uid"] for found in models}
    assert len(uids) == len(models) == 4
    assert all(re.fullmatch(r"[a-z0-9-]{1,40}", uid) for uid in uids)
