"""All lint rules, run over settings and an app."""

from collections.abc import Collection
from dataclasses import dataclass

from lukhas.config.lint.app_rules import APP_RULES
from lukhas.config.lint.limit_rules import LIMIT_RULES
from lukhas.config.lint.remarks import LintFacts, Remark, Rule
from lukhas.config.lint.settings_rules import SETTINGS_RULES

__all__ = ("RULES", "Linted", "linted")

RULES: tuple[Rule, ...] = (*SETTINGS_RULES, *LIMIT_RULES, *APP_RULES)
"""Every rule, by its id."""


@dataclass(frozen=True, slots=True)
class Linted:
    """A remark, and the rule that made it.

    Attributes:
        rule: the rule.
        remark: what it says.
    """

    rule: Rule
    remark: Remark


def linted(facts: LintFacts, *, ignored: Collection[str] = ()) -> list[Linted]:
    """Everything that is hardly meant so, by rule.

    Args:
        facts: what to look at.
        ignored: ids of rules to leave out.
    """
    return [
        Linted(rule, remark)
        for rule in RULES
        if rule.id not in ignored
        for remark in rule.look(facts)
    ]
