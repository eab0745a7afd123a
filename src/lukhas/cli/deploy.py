"""`lukhas deploy`: files for what runs beside the gateway."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lukhas.cli.options import ConfigFile, load
from lukhas.errors import ConfigError

if TYPE_CHECKING:
    from lukhas.config.settings import Settings

__all__ = ("deploy_app",)

deploy_app = typer.Typer(
    help="Write files for what runs beside the gateway.", rich_markup_mode=None
)

Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where to write; it is made if need be.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace files that are there and hold something else.")
]


@deploy_app.command()
def prometheus(
    *,
    out: Out = Path("deploy"),
    alertmanager: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where Alertmanager is.")
    ] = "localhost:9093",
    webhook: Annotated[
        str, typer.Option(metavar="URL", help="Where Alertmanager tells people.")
    ] = "http://localhost:9095/",
    force: Force = False,
    config: ConfigFile = None,
) -> None:
    """Write rules for Prometheus, their tests, and a start for Prometheus and Alertmanager.

    The objective, the bound of the 99th percentile and the address of the admin plane are those of
    the settings.
    """
    from lukhas.telemetry.monitoring.files import MonitoringChoices, prometheus_files

    settings = load({}, config).settings
    choices = MonitoringChoices(
        objective=settings.alerts.objective,
        p99_ms=settings.alerts.p99_ms,
        target=_target(settings),
        alertmanager=alertmanager,
        webhook=webhook,
    )
    _write(prometheus_files(choices), out, is_forced=force)


@deploy_app.command()
def grafana(*, out: Out = Path("deploy"), force: Force = False) -> None:
    """Write dashboards for Grafana, and how it finds them."""
    from lukhas.telemetry.monitoring.files import grafana_files

    _write(grafana_files(), out, is_forced=force)


def _target(settings: "Settings") -> str:
    """The admin plane as a Prometheus on the same machine finds it."""
    listen = settings.admin.listen
    if listen.host in {"127.0.0.1", "0.0.0.0", "::", "::1"}:  # noqa: S104 - not bound to
        return f"localhost:{listen.port}"
    return str(listen)


def _write(files: Mapping[str, str], folder: Path, *, is_forced: bool) -> None:
    """Writes all of them or, if one is in the way, none.

    Raises:
        ConfigError: a file is in the way, or cannot be written.
    """
    changed = []
    for name, text in files.items():
        path = folder / name
        try:
            known = path.read_text(encoding="utf-8") if path.exists() else None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {_reason(error)}") from None
        if known not in {None, text} and not is_forced:
            hint = "give --force to replace it, or another --out"
            raise ConfigError(f"{path} is there and holds something else", hint=hint)
        if known != text:
            changed.append((path, text))
    for path, text in changed:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {_reason(error)}") from None
        sys.stdout.write(f"{path}\n")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return getattr(error, "strerror", None) or "it is no text"
