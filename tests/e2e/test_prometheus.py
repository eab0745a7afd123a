"""Rules and dashboards with promtool, and with a real Prometheus that scrapes a real gateway."""

import concurrent.futures
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from lukhas.telemetry.monitoring.dashboards import DASHBOARDS
from lukhas.telemetry.monitoring.files import MonitoringChoices, prometheus_files
from tests.e2e.conftest import FREELY, Origin, StartGateway
from tests.e2e.kit import Gateway, run_cli, unused_port, wait_for
from tests.e2e.monitoring_kit import (
    Alertmanager,
    Hook,
    Prometheus,
    hook,
    program,
    run_alertmanager,
    run_prometheus,
)
from tests.unit.telemetry.monitoring.promql import with_values

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

ROUNDS = 60
WARM_UP = 5
# What one round asks: 4 hits, 3 that are forwarded, 2 that fail, 1 that is refused by a limit.
ROUND = ("/fresh/a", "/fresh/b", "/plain/a", "/dead", "/fresh/a", "/plain/b", "/limited", "/dead",
         "/plain/c", "/fresh/b")  # fmt: skip
PATHS_FIRST = ("/fresh/a", "/fresh/b", "/limited")
FIRST = len(PATHS_FIRST)


def checked(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("objective", "p99_ms"), [(0.999, 1000.0), (0.9, 5.0), (0.99999, 20_000.0)]
)
def test_promtool_takes_the_rules_and_their_tests(
    tmp_path: Path, objective: float, p99_ms: float
) -> None:
    """With settings at the edges; the tests of the rules are part of what is made."""
    promtool, amtool = program("promtool"), program("amtool")
    for name, text in prometheus_files(
        MonitoringChoices(objective=objective, p99_ms=p99_ms)
    ).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    folder = tmp_path / "prometheus"
    (folder / "lukhas.token").write_text("secret")
    rules = sorted(path.name for path in folder.glob("*.rules.yml"))
    assert "24 rules found" in checked(promtool, "check", "rules", "--lint=all", *rules, cwd=folder)
    checked(promtool, "check", "config", "prometheus.yml", cwd=folder)
    checked(promtool, "test", "rules", "rules.test.yml", cwd=folder)
    checked(amtool, "check-config", "alertmanager.yml", cwd=tmp_path / "alertmanager")


def test_the_tests_of_the_rules_can_fail(tmp_path: Path) -> None:
    """Where a bound is another one, or an alert says something else."""
    promtool = program("promtool")
    changes = {
        "LukhasErrorBudgetBurnsFast": ("> 0.0144", "> 0.9"),
        "LukhasManyLimited": ("> 0.2 ", "> 0.05 "),
        "LukhasWorkersMissing": ("do not serve", "do serve"),
    }
    for name, text in prometheus_files(MonitoringChoices()).items():
        (tmp_path / Path(name).name).write_text(text)
    rules = tmp_path / "alerting.rules.yml"
    for before, after in changes.values():
        assert before in rules.read_text()
        rules.write_text(rules.read_text().replace(before, after))
    command = [promtool, "test", "rules", "rules.test.yml"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=100
    )
    assert done.returncode == 1
    assert set(re.findall(r"alertname: (\w+)", done.stderr)) == changes.keys()


def test_promtool_reads_every_expression_of_the_dashboards(tmp_path: Path) -> None:
    """As rules, with something in place of the variables."""
    exprs = [with_values(expr) for expr in panel_expressions()]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(exprs)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    said = checked(program("promtool"), "check", "rules", file.name, cwd=tmp_path)
    assert f"{len(exprs)} rules found" in said


def panel_expressions() -> list[str]:
    return [
        query.expr
        for dashboard in DASHBOARDS
        for row in dashboard.rows
        for panel in row.panels
        for query in panel.queries
    ]


@pytest.fixture
def busy(gateway: StartGateway, origin: Origin, tmp_path: Path) -> Gateway:
    """A gateway with two workers, four routes and an upstream that is not there."""
    config = tmp_path / "gateway.toml"
    config.write_text(
        f"""
upstream = "{origin.url}"
state_dir = "{tmp_path}/state"
listen = "127.0.0.1:0"
workers = 2
[admin]
listen = "127.0.0.1:0"
[[upstreams]]
name = "dead"
url = "http://127.0.0.1:{unused_port()}"
[[routes]]
name = "fresh"
path = "/fresh/{{name}}"
exempt = true
[[routes]]
name = "plain"
path = "/plain/{{name}}"
exempt = true
[[routes]]
name = "dead"
path = "/dead"
upstream = "dead"
exempt = true
[[routes]]
name = "limited"
path = "/limited"
limits = "1/day"
"""
    )
    return gateway("--config", str(config), *FREELY)


def ask(gateway: Gateway, rounds: int) -> None:
    """So many rounds, four at a time."""
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20.0) as client:

        def one(_: int) -> list[int]:
            return [client.get(path).status_code for path in ROUND]

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for statuses in pool.map(one, range(rounds)):
                assert statuses.count(429) == 1
                assert statuses.count(200) == 7
                assert sum(status >= 500 for status in statuses) == 2


def written(gateway: Gateway, folder: Path, hears: Hook, alertmanager_port: int) -> Path:
    """The files that `lukhas deploy` makes for this gateway, with everything once a second."""
    done = run_cli(
        "deploy", "prometheus", "--out", str(folder), "--webhook", hears.url,
        "--alertmanager", f"127.0.0.1:{alertmanager_port}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    changes = {
        "prometheus/prometheus.yml": (("15s", "1s"), ("localhost:8001", gateway.admin_url[7:])),
        "alertmanager/alertmanager.yml": (("group_wait: 30s", "group_wait: 1s"),),
    }
    for name, pairs in changes.items():
        text = (folder / name).read_text()
        for before, after in pairs:
            assert before in text
            text = text.replace(before, after)
        (folder / name).write_text(text)
    (folder / "prometheus/lukhas.token").write_text(gateway.token)
    return folder


@pytest.fixture
def watched(busy: Gateway, tmp_path: Path) -> Iterator[tuple[Prometheus, Alertmanager, Hook]]:
    """Prometheus and Alertmanager beside a gateway that has had some rounds."""
    # What is stored now is a hit from here on, and the limit lets one through.
    with httpx.Client(base_url=busy.url, trust_env=False) as client:
        for path in PATHS_FIRST:
            assert client.get(path).status_code == 200
    ask(busy, WARM_UP)
    port = unused_port()
    with hook() as hears:
        folder = written(busy, tmp_path / "deploy", hears, port)
        with (
            run_alertmanager(folder / "alertmanager/alertmanager.yml", tmp_path / "am", port) as am,
            run_prometheus(folder / "prometheus/prometheus.yml", tmp_path / "prom") as prometheus,
        ):
            yield prometheus, am, hears


def own_figures(gateway: Gateway) -> Counter[str]:
    """What the metrics page says, in sums: all requests, and those of some labels."""
    header = {"authorization": f"Bearer {gateway.token}"}
    text = httpx.get(f"{gateway.admin_url}/metrics", headers=header, trust_env=False).text
    found: Counter[str] = Counter()
    for labels, number in re.findall(r"(?m)^lukhas_requests_total\{(.*)\} (\d+)$", text):
        found["requests"] += int(number)
        for pair in ('status_class="5xx"', 'cache="hit"', 'cache="miss"', 'route="/dead"'):
            found[pair] += int(number) if pair in labels else 0
    limited = re.findall(r'(?m)^lukhas_limited_total\{.*mode="enforce"\} (\d+)$', text)
    found["limited"] = sum(map(int, limited))
    return found


def settled(gateway: Gateway, requests: int) -> Counter[str] | None:
    """Our own figures, once so many requests are in them."""
    found = own_figures(gateway)
    return found if found["requests"] == requests else None


def test_recorded_series_and_alerts_of_a_gateway_under_load(
    busy: Gateway, watched: tuple[Prometheus, Alertmanager, Hook]
) -> None:
    """What is recorded equals our own figures; the alert that follows is told once."""
    prometheus, alertmanager, hears = watched
    # Workers report once a second.
    before = wait_for(lambda: settled(busy, FIRST + WARM_UP * len(ROUND)), "the first reports")
    counted = "sum (lukhas_requests_total)"
    wait_for(lambda: prometheus.value(counted) == before["requests"], "the first scrape")
    ask(busy, ROUNDS)
    asked = before["requests"] + ROUNDS * len(ROUND)
    wait_for(lambda: prometheus.value(counted) == asked, "the last scrape", deadline_s=30)
    after = own_figures(busy)
    assert after["requests"] == asked
    grown = after - before
    assert grown['cache="hit"'] == 4 * ROUNDS
    assert grown["limited"] == ROUNDS

    def is_close(expr: str, wanted: float) -> bool:
        found = prometheus.value(expr)
        return found is not None and found == pytest.approx(wanted, rel=1e-6)

    cached = grown['cache="hit"'] + grown['cache="miss"']
    for expr, wanted in (
        ("lukhas:error_ratio:rate5m", grown['status_class="5xx"'] / grown["requests"]),
        ("lukhas:error_ratio:rate3d", grown['status_class="5xx"'] / grown["requests"]),
        ("lukhas:hit_ratio:rate5m", grown['cache="hit"'] / cached),
        ("lukhas:limited_ratio:rate5m", grown["limited"] / grown["requests"]),
        ('lukhas:error_ratio_by_route:rate5m{route="/dead"}', 1.0),
        ('lukhas:error_ratio_by_route:rate5m{route="/plain/{name}"}', 0.0),
        ("lukhas_workers_alive", 2.0),
    ):
        wait_for(lambda e=expr, w=wanted: is_close(e, w), f"{expr} like {wanted}")  # type: ignore[misc]
    told = wait_for(
        lambda: hears.alerts("LukhasErrorBudgetBurnsFast") or None, "message about the alert"
    )
    (alert,) = told[0]["alerts"]
    assert (alert["status"], alert["labels"]["severity"]) == ("firing", "critical")
    assert alert["labels"]["job"] == "lukhas"
    assert "the objective allows 0.1%" in alert["annotations"]["description"]
    # Prometheus says so again and again; people hear it once.
    wait_for(lambda: prometheus.notifications_sent() > 3, "several notifications of Prometheus")
    assert [each["labels"]["alertname"] for each in alertmanager.alerts()] == [
        "LukhasErrorBudgetBurnsFast"
    ]
    assert len(hears.bodies) == 1
    shown = panels_with_values(prometheus)
    assert shown >= {
        "Requests", "Errors", "99th percentile", "Hit ratio", "Limited", "Workers missing",
        "Requests by status", "Errors by route", "Duration", "Routes", "Share of failed requests",
        "Alerts that fire", "Failures by upstream", "Limited by policy", "Bytes", "In work",
        "Requests by what the cache did", "Hit ratio by route", "Subjects",
    }  # fmt: skip


def panels_with_values(prometheus: Prometheus) -> set[str]:
    """Titles of the panels of which every expression can be asked, and all have values."""
    found = set()
    for dashboard in DASHBOARDS:
        for row in dashboard.rows:
            for panel in row.panels:
                answers = [prometheus.query(with_values(query.expr)) for query in panel.queries]
                if all(answers):
                    found.add(panel.title)
    return found
