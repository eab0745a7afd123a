"""`lukhas deploy`: what it writes, and what it leaves alone."""

from pathlib import Path

import pytest
import yaml

from lukhas.cli.main import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def targets(file: Path) -> list[str]:
    found = yaml.safe_load(file.read_text())["scrape_configs"][0]["static_configs"][0]["targets"]
    return list(found)


def test_it_writes_and_names_every_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Into `deploy`, if nothing else is said; what is there already is not written again."""
    assert run(["deploy", "prometheus"]) == 0
    assert run(["deploy", "grafana"]) == 0
    named = capsys.readouterr().out.splitlines()
    assert sorted(named) == sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )
    assert "deploy/prometheus/alerting.rules.yml" in named
    assert run(["deploy", "grafana"]) == 0
    assert capsys.readouterr().out == ""


def test_settings_and_flags_say_what_is_in_them(folder: Path) -> None:
    """The objective and the admin plane of the settings."""
    (folder / "a.toml").write_text(
        "[alerts]\nobjective = 0.95\n"
        '[admin]\nlisten = "10.0.0.1:7001"\ntoken = "0123456789abcdef"\n'
    )
    flags = ["--config", "a.toml", "--out", "o", "--alertmanager", "am:1", "--webhook", "http://w/"]
    assert run(["deploy", "prometheus", *flags]) == 0
    assert targets(folder / "o/prometheus/prometheus.yml") == ["10.0.0.1:7001"]
    assert "am:1" in (folder / "o/prometheus/prometheus.yml").read_text()
    assert "http://w/" in (folder / "o/alertmanager/alertmanager.yml").read_text()
    assert "allows 5%" in (folder / "o/prometheus/alerting.rules.yml").read_text()
    written = "".join(path.read_text() for path in (folder / "o").rglob("*.yml"))
    assert "0123456789abcdef" not in written


def test_a_listener_for_everybody_is_asked_on_this_machine(folder: Path) -> None:
    """Nobody can connect to 0.0.0.0."""
    (folder / "a.toml").write_text('[admin]\nlisten = "0.0.0.0:7001"\ntoken = "0123456789abcdef"\n')
    assert run(["deploy", "prometheus", "--config", "a.toml"]) == 0
    assert targets(folder / "deploy/prometheus/prometheus.yml") == ["localhost:7001"]


def test_what_somebody_changed_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless they say otherwise; then nothing at all was written before."""
    changed = folder / "deploy/prometheus/prometheus.yml"
    changed.parent.mkdir(parents=True)
    changed.write_text("mine: true\n")
    assert run(["deploy", "prometheus"]) == 2
    told = capsys.readouterr().err
    assert told == (
        "lukhas: deploy/prometheus/prometheus.yml is there and holds something else: "
        "give --force to replace it, or another --out\n"
    )
    assert [path.name for path in folder.rglob("*.yml")] == ["prometheus.yml"]
    assert run(["deploy", "prometheus", "--force"]) == 0
    assert targets(changed) == ["localhost:8001"]


@pytest.mark.parametrize(
    ("where", "what"),
    [("file", "cannot be written"), ("binary", "cannot be read: it is no text")],
)
def test_a_folder_that_cannot_be_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], where: str, what: str
) -> None:
    """In one line."""
    (folder / "file").write_text("")
    (folder / "binary/grafana").mkdir(parents=True)
    (folder / "binary/grafana/cache.json").write_bytes(b"\xff\xfe\xff")
    assert run(["deploy", "grafana", "--out", where]) == 2
    told = capsys.readouterr().err
    assert what in told
    assert told.count("\n") == 1
