"""Settings and changes of them, as the admin API tells them."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lukhas.config.faults import Fault
from lukhas.config.lint.linting import linted
from lukhas.config.lint.remarks import LintFacts
from lukhas.config.loading import Loaded
from lukhas.config.plain_values import Difference, named_path
from lukhas.config.settings import Settings

__all__ = (
    "ChangeAnswer",
    "ChangedValue",
    "ConfigFinding",
    "EffectiveConfig",
    "Item",
    "Items",
    "Value",
    "Verdict",
    "changed_values",
    "fault_findings",
    "lint_findings",
    "note_findings",
)


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Value(_Figures):
    """A setting in effect."""

    path: str = Field(description="An item of a list by its name: `routes.reports`.")
    value: Any = Field(description="Secrets are `***`.")
    source: str = Field(
        description="A flag, `file:line`, a variable, `default`, or `admin API` if changed here."
    )


class EffectiveConfig(_Figures):
    """All settings in effect."""

    version: int = Field(description="How often they were changed here.")
    values: list[Value]


class Item(_Figures):
    """A route or an upstream."""

    name: str
    source: str = Field(description="Where it comes from.")
    is_changed: bool = Field(description="Whether it was added or changed here.")
    item: dict[str, Any] = Field(description="What was set; credentials in fields are `***`.")


class Items(_Figures):
    """All routes, or all upstreams."""

    version: int
    items: list[Item]


class ChangedValue(_Figures):
    """A value that is different."""

    path: str
    before: Any = Field(description="Null if there is none.")
    after: Any = Field(description="The same.")


class ConfigFinding(_Figures):
    """A mistake, or something that is hardly meant so."""

    level: Literal["error", "warning"] = Field(description="With an error nothing is changed.")
    path: str = Field(description="The value it is about; empty if it is about none.")
    where: str = Field(description="Where that value was set.")
    what: str
    hint: str
    rule: str = Field("", description="The rule of `lukhas lint` that says so, if it is one.")


class Verdict(_Figures):
    """Whether settings can be used."""

    valid: bool
    findings: list[ConfigFinding]


class ChangeAnswer(Verdict):
    """What a change does, or would do."""

    version: int = Field(description="The version of the settings after it.")
    applied: bool = Field(description="False for a dry run, and where nothing is different.")
    changes: list[ChangedValue]


def changed_values(found: Iterable[Difference]) -> list[ChangedValue]:
    """Differences, as they are told."""
    return [ChangedValue(path=each.path, before=each.before, after=each.after) for each in found]


def fault_findings(faults: Iterable[Fault]) -> list[ConfigFinding]:
    """Mistakes, as they are told."""
    return [
        ConfigFinding(
            level="error",
            path=".".join(str(part) for part in fault.path),
            where=fault.where,
            what=fault.what,
            hint=fault.hint,
        )
        for fault in faults
    ]


def note_findings(notes: Iterable[Fault]) -> list[ConfigFinding]:
    """What other sources say that does not count."""
    return [
        ConfigFinding(level="warning", path="", where=note.where, what=note.what, hint=note.hint)
        for note in notes
    ]


def lint_findings(loaded: Loaded, *, before: Settings | None = None) -> list[ConfigFinding]:
    """What in settings is hardly meant so.

    Args:
        loaded: the settings.
        before: what is so in these too is not told again.
    """
    facts = LintFacts(loaded.settings, lambda path: loaded.origins.place(path) is not None)
    old = set()
    if before is not None:
        known = LintFacts(before, facts.explicit)
        old = {(each.rule.id, each.remark.what) for each in linted(known)}
    return [
        ConfigFinding(
            level="warning",
            path="" if isinstance(place, str) else named_path(place, loaded.settings),
            where="" if isinstance(place, str) else loaded.origins.nearest(place) or "settings",
            what=each.remark.what,
            hint=each.remark.hint,
            rule=each.rule.id,
        )
        for each in linted(facts)
        for place in [each.remark.place]
        if (each.rule.id, each.remark.what) not in old
    ]
