"""The files under deploy/ are those that the code makes."""

import json

import pytest
import yaml

from lukhas.policy.alerting.default_rules import FAST_BURN
from lukhas.telemetry.monitoring.files import MonitoringChoices, grafana_files, prometheus_files
from tests.docs.pages import ROOT

DEPLOY = ROOT / "deploy"


def made() -> dict[str, str]:
    return prometheus_files(MonitoringChoices()) | grafana_files()


@pytest.mark.parametrize("name", made())
def test_a_file_is_what_the_code_makes(name: str) -> None:
    """`lukhas deploy prometheus --force` and `lukhas deploy grafana --force` bring them up."""
    assert (DEPLOY / name).read_text(encoding="utf-8") == made()[name]


def test_no_file_is_there_that_the_code_no_longer_makes() -> None:
    """In the folders that it writes to."""
    folders = {name.partition("/")[0] for name in made()}
    found = {
        path.relative_to(DEPLOY).as_posix()
        for folder in folders
        for path in (DEPLOY / folder).rglob("*")
        if path.is_file()
    }
    assert found == made().keys()


def test_choices_reach_the_files() -> None:
    """Objective, bound, addresses."""
    files = prometheus_files(
        MonitoringChoices(
            objective=0.99,
            p99_ms=250,
            target="gate:9",
            alertmanager="alert:8",
            webhook="http://team:7/hook",
        )
    )
    groups = yaml.safe_load(files["prometheus/alerting.rules.yml"])["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    fast = rules["LukhasErrorBudgetBurnsFast"]
    assert f"lukhas:error_ratio:rate1h > {FAST_BURN[0].factor * 0.01:g} " in fast["expr"]
    assert "the objective allows 1%" in fast["annotations"]["description"]
    assert "p99_5m > 0.25 " in rules["LukhasSlowAnswers"]["expr"]
    server = yaml.safe_load(files["prometheus/prometheus.yml"])
    assert server["scrape_configs"][0]["static_configs"] == [{"targets": ["gate:9"]}]
    assert server["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["alert:8"]}]
    hears = yaml.safe_load(files["alertmanager/alertmanager.yml"])["receivers"][1]
    assert hears["webhook_configs"][0]["url"] == "http://team:7/hook"


def test_the_burn_rates_are_those_of_the_workbook() -> None:
    """14.4 over 1 h and 5 min, 6 over 6 h and 30 min, 1 over 3 d and 6 h (ch. 5, table 5-8)."""
    text = made()["prometheus/alerting.rules.yml"]
    groups = yaml.safe_load(text)["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert rules["LukhasErrorBudgetBurnsFast"]["expr"] == (
        "((lukhas:error_ratio:rate1h > 0.0144 and lukhas:error_ratio:rate5m > 0.0144) or "
        "(lukhas:error_ratio:rate6h > 0.006 and lukhas:error_ratio:rate30m > 0.006)) "
        "and lukhas:requests:increase1h > 100"
    )
    assert rules["LukhasErrorBudgetBurnsSlowly"]["expr"] == (
        "((lukhas:error_ratio:rate3d > 0.001 and lukhas:error_ratio:rate6h > 0.001)) "
        "and lukhas:requests:increase1h > 1000"
    )


def test_inhibitions_name_alerts_that_are_there() -> None:
    """A rule that was renamed must not leave one behind that never holds."""
    files = made()
    for rule in yaml.safe_load(files["alertmanager/alertmanager.yml"])["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            name = matcher.split('"')[1].removesuffix(".*")
            assert f"alert: {name}" in files["prometheus/alerting.rules.yml"]


def test_dashboards_are_json_and_the_rest_is_yaml() -> None:
    """Each file can be read."""
    for name, text in made().items():
        assert json.loads(text) if name.endswith(".json") else yaml.safe_load(text), name
