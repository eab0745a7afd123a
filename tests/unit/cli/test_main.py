"""The command line tells mistakes in one line and ends with 2."""

import subprocess
import sys

import pytest

from lukhas.cli.main import run


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["serve", "--upsteam", "x"], "lukhas: serve: no such option: --upsteam (Possible options"),
        (["sevre"], "lukhas: no such command 'sevre'"),
        (["serve", "--listen"], "lukhas: option '--listen' requires an argument"),
        (["keys"], "lukhas: keys: missing command: see lukhas keys --help"),
        (["check"], "lukhas: check: missing argument 'FILE': see lukhas check --help"),
        (["serve", "--listen", "x"], "lukhas: --listen: 'x' is not an address: write HOST:PORT"),
        (["serve", "--workers", "65"], "lukhas: --workers: 65 is not between 1 and 64"),
        (["serve", "--limit", "5/fort\nnight"], "lukhas: --limit: "),
        (["serve"], "lukhas: settings: upstream.url is missing"),
        (["serve", "--config", "none.toml"], "lukhas: none.toml: cannot be read"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, nothing on standard output, exit code 2."""
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_without_arguments_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command is named in the help."""
    assert run([]) == 0
    shown = capsys.readouterr().out
    for command in ("serve", "check", "config", "keys", "demo", "version"):
        assert command in shown


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_the_version_is_shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Both ways to ask give the same line."""
    assert run(arguments) == 0
    assert capsys.readouterr().out.startswith("lukhas 0.")


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is no mistake and shows no traceback."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lukhas.config.loading.load_settings", interrupted)
    assert run(["config", "show"]) == 130


def test_the_module_runs_the_command_line() -> None:
    """`python -m lukhas` is the same as `lukhas`."""
    done = subprocess.run(
        [sys.executable, "-m", "lukhas", "version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith("lukhas ")


def test_heavy_packages_wait_until_they_are_needed() -> None:
    """Help loads no pydantic, no FastAPI, no SQLAlchemy and no rich."""
    code = (
        "import sys; from lukhas.cli.main import run; run(['--help']); "
        "heavy = {'pydantic', 'fastapi', 'sqlalchemy', 'uvloop', 'yaml', 'rich', 'uvicorn'}; "
        "sys.exit(sorted(heavy & set(sys.modules)).__repr__() if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
