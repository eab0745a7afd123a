"""`lukhas lint`: settings and routes that are allowed, and yet are hardly meant so."""

import importlib
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lukhas.cli.in_force import load_for_app, load_in_force
from lukhas.cli.options import ConfigFile, FileOnly, load
from lukhas.errors import ConfigError

if TYPE_CHECKING:
    from lukhas.config.lint.linting import Linted
    from lukhas.config.lint.remarks import AppRouteFacts
    from lukhas.config.loading import Loaded
    from lukhas.config.settings import Settings

__all__ = ("LintFormat", "lint")


class LintFormat(StrEnum):
    """How remarks are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def lint(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="APP|FILE", help="An app, as module:attribute, or settings in TOML or YAML."
        ),
    ] = None,
    config: ConfigFile = None,
    format: Annotated[  # noqa: A002 - the flag is called so
        LintFormat, typer.Option("--format", help="text, json, or github for annotations.")
    ] = LintFormat.TEXT,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="RULE", help="Leave a rule out: LK105.")
    ] = None,
    *,
    file_only: FileOnly = False,
) -> None:
    """Tell what in settings and routes is hardly meant so: where, what, what to do.

    What the admin API has changed in the state directory of these settings counts, as far as a
    gateway, or the middleware in an app, takes it up.
    Exit code 1 if there is anything, 2 if settings or app cannot be read.
    """
    from lukhas.config.lint.linting import RULES, linted
    from lukhas.config.lint.remarks import LintFacts

    ignored = [each.upper() for each in ignore or ()]
    unknown = sorted(set(ignored) - {rule.id for rule in RULES})
    if unknown:
        raise ConfigError(f"there is no rule {unknown[0]}", where="--ignore", hint="see the docs")
    app_name = target if target is not None and ":" in target else None
    file = Path(target) if target is not None and app_name is None else config
    unseen = 0
    if file_only:
        loaded = load({}, file)
    elif app_name is None:
        loaded = load_in_force(file)
    else:
        loaded, unseen = load_for_app(file)
    facts = LintFacts(
        loaded.settings,
        lambda path: loaded.origins.place(path) is not None,
        None if app_name is None else _app(app_name, loaded.settings),
        unseen_changes=unseen,
    )
    found = linted(facts, ignored=ignored)
    sys.stdout.write(_written(found, loaded, format, app_name or ""))
    if found:
        raise typer.Exit(1)


def _app(name: str, settings: "Settings") -> "tuple[AppRouteFacts, ...]":
    from lukhas.middleware.lint_facts import app_facts

    module_name, _, attribute = name.partition(":")
    hint = "give it as module:attribute, such as main:app"
    if not module_name or not attribute:
        raise ConfigError("this names no app", where=name, hint=hint)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        app: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            app = getattr(app, part)
    except Exception as error:
        # Whatever the module of the user raises, it is told in one line.
        what = f"the app cannot be imported ({type(error).__name__}: {error})"
        raise ConfigError(what, where=name, hint=hint) from error
    facts = app_facts(app, settings)
    if facts is None:
        raise ConfigError(
            "this is no app whose routes can be read", where=name, hint="name a FastAPI app"
        )
    return facts


def _written(found: "list[Linted]", loaded: "Loaded", style: LintFormat, app_name: str) -> str:
    told = [
        {
            "rule": each.rule.id,
            "where": _where(each, loaded, app_name),
            "what": each.remark.what,
            "hint": each.remark.hint,
        }
        for each in found
    ]
    if style is LintFormat.JSON:
        return json.dumps(told, indent=2) + "\n"
    lines = [_github(one) if style is LintFormat.GITHUB else _text(one) for one in told]
    if style is LintFormat.TEXT:
        lines.append("nothing found" if not told else f"{len(told)} found")
    return "".join(f"{line}\n" for line in lines)


def _where(each: "Linted", loaded: "Loaded", app_name: str) -> str:
    place = each.remark.place
    if isinstance(place, str):
        return f"{app_name} {place}"
    return loaded.origins.nearest(place) or "settings"


def _text(one: dict[str, str]) -> str:
    return f"{one['where']}: {one['rule']} {one['what']}: {one['hint']}"


def _github(one: dict[str, str]) -> str:
    file, _, line = one["where"].rpartition(":")
    at = f" file={file},line={line}," if line.isdigit() else " "
    message = f"{one['where']}: {one['what']}: {one['hint']}".replace("%", "%25")
    return f"::warning{at}title={one['rule']}::{message}"
