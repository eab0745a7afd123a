"""What rules and panels name is what `/metrics` prints."""

import re
from collections.abc import Iterator

import pytest

from lukhas.telemetry.deltas import Delta
from lukhas.telemetry.histograms import LatencySketch
from lukhas.telemetry.monitoring.alerting import alerting_groups
from lukhas.telemetry.monitoring.dashboards import DASHBOARDS
from lukhas.telemetry.monitoring.recording import recording_groups
from lukhas.telemetry.monitoring.rules import AlertingRule, RecordingRule, duration_text
from lukhas.telemetry.prometheus import NodeFigures, render
from lukhas.telemetry.totals import Totals
from tests.docs.pages import ROOT
from tests.unit.telemetry.monitoring.promql import names_in, with_values

# What Prometheus gives every series that it scrapes.
SCRAPED = frozenset(("job", "instance"))
# What Prometheus makes itself.
OWN = {"up": SCRAPED, "ALERTS": frozenset(("alertname", "alertstate", "severity", "job"))}
ALERTS = alerting_groups(objective=0.999, p99_ms=1000)


def gauges_of_a_gateway() -> list[str]:
    """The values of the moment, from the page that tests hold equal to a running gateway."""
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    _, _, values = page.partition("## Present values")
    return re.findall(r"(?m)^\| `lukhas_(\w+)`", values)


def printed() -> dict[str, frozenset[str]]:
    """Each series of a rendering in which everything has happened, with its labels."""
    sketch = LatencySketch()
    sketch.add_many([1_500_000])
    counts = Delta(
        requests={("/a", "GET", "2xx", "free", "hit"): 2},
        latencies={"/a": sketch},
        limited={("tiers", "free", "shadow"): 3},
        shed={("free", "enforce"): 8},
        near={("tiers", "free"): 11},
        refusals={"limit": 4},
        contained={"cache": 5},
        upstream_errors={("api", "timeout"): 6},
    )
    gauges = dict.fromkeys(gauges_of_a_gateway(), 1.0)
    text = render(Totals(counts, gauges, 2), NodeFigures(2)).decode()
    series = re.findall(r"(?m)^(lukhas_\w+)(?:\{(.*)\})? ", text)
    return {name: frozenset(re.findall(r'(\w+)="', labels)) for name, labels in series}


def recorded() -> dict[str, frozenset[str]]:
    """Each recorded series with its labels."""
    return {
        rule.name: frozenset(rule.labels)
        for group in recording_groups()
        for rule in group.rules
        if isinstance(rule, RecordingRule)
    }


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression there is, and where it stands."""
    for group in (*recording_groups(), *ALERTS):
        for rule in group.rules:
            yield rule.name, rule.expr
    for dashboard in DASHBOARDS:
        for row in dashboard.rows:
            for panel in row.panels:
                for query in panel.queries:
                    yield f"{dashboard.title}: {panel.title}", query.expr


def test_names_are_told_apart() -> None:
    """The tests here stand on it."""
    names = names_in(
        'topk(10, sum by (job, le) (rate(a_b{x="by (q)",y=~"$job"}[5m])) or 0 * c:d > 1e3) '
        "and on (z) (f offset 1h)"
    )
    assert names.series == {"a_b", "c:d", "f"}
    assert names.narrowed == (("a_b", frozenset(("x", "y"))),)
    assert names.grouped == {"job", "le", "z"}


def test_every_series_and_every_label_is_there() -> None:
    """A metric that was renamed must not leave a rule behind that never fires."""
    known = {
        **{name: labels | SCRAPED for name, labels in printed().items()},
        **recorded(),
        **OWN,
    }
    faults = [(where, fault) for where, expr in expressions() for fault in unknown_in(expr, known)]
    assert faults == []


def unknown_in(expr: str, known: dict[str, frozenset[str]]) -> set[str]:
    """Series and labels of an expression that are not there."""
    names = names_in(with_values(expr))
    if not names.series or names.series - known.keys():
        return set(names.series - known.keys()) or {"nothing"}
    narrowed = {label for name, labels in names.narrowed for label in labels - known[name]}
    at_hand = {label for name in names.series for label in known[name]}
    return narrowed | set(names.grouped - at_hand)


def test_an_unknown_series_or_label_is_found() -> None:
    """The test above can fail."""
    known = {"a": frozenset(("x",))}
    assert unknown_in("sum by (x) (a)", known) == set()
    assert unknown_in("sum by (y) (a)", known) == {"y"}
    assert unknown_in('a{z="1"}', known) == {"z"}
    assert unknown_in("a + b", known) == {"b"}
    assert unknown_in("1", known) == {"nothing"}


def test_recorded_series_are_made_once_and_have_the_labels_they_say() -> None:
    """The name says what they are about, and the outermost grouping is what they promise."""
    rules = [rule for group in recording_groups() for rule in group.rules]
    assert len({rule.name for rule in rules}) == len(rules)
    for rule in rules:
        assert isinstance(rule, RecordingRule)
        assert rule.name.startswith("lukhas:")
        grouped = set(re.findall(r"by \(([^)]*)\)", rule.expr))
        assert {frozenset(text.split(", ")) - {"le"} for text in grouped} == {
            frozenset(rule.labels)
        }


def test_alerts_use_only_what_is_recorded_for_them() -> None:
    """And every recorded series of an error budget is used."""
    names = {
        name for group in ALERTS for rule in group.rules for name in names_in(rule.expr).series
    }
    assert {name for name in names if ":" in name} <= recorded().keys()
    assert {name for name in recorded() if ":error_ratio:" in name} <= names


@pytest.mark.parametrize("objective", [0.5, 0.9, 0.95, 0.999, 0.99999])
@pytest.mark.parametrize("p99_ms", [1.0, 1000.0, 20_000.0])
def test_every_alert_has_a_trial_in_which_nothing_fires(objective: float, p99_ms: float) -> None:
    """And one in which it does, wherever it can fire at all."""
    rules = [
        rule
        for group in alerting_groups(objective=objective, p99_ms=p99_ms)
        for rule in group.rules
        if isinstance(rule, AlertingRule)
    ]
    assert len({rule.name for rule in rules}) == len(rules) >= 15
    for rule in rules:
        assert rule.severity in {"critical", "warning", "info"}
        assert any(not trial.fired for trial in rule.trials), rule.name
    mute = {rule.name for rule in rules if not any(trial.fired for trial in rule.trials)}
    impossible = {"LukhasErrorBudgetBurnsFast"} if objective == 0.5 else set()
    impossible |= {"LukhasSlowAnswers"} if p99_ms > 10_000 else set()
    assert mute == impossible


def test_durations_are_written_in_their_largest_unit() -> None:
    """As PromQL writes them."""
    assert [duration_text(each) for each in (1, 60, 90, 3600, 5400, 86_400, 259_200)] == [
        "1s", "1m", "90s", "1h", "90m", "1d", "3d",
    ]  # fmt: skip
