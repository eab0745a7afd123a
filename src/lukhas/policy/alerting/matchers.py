"""Matchers: which labels an alert must have, as people write it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lukhas.errors import ConfigError
from lukhas.policy.alerting.rules import Labels

__all__ = ("Matcher", "matches", "parse_matcher")

_FORM = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,63})(!?=)([^\x00-\x1f\x7f]{0,256})")
# What else `fnmatch` would take for a pattern.
_PLAIN = str.maketrans({"[": "[[]", "?": "[?]"})


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label.

    Attributes:
        label: its name; an alert that has none of this name has an empty one.
        pattern: what it must be; `*` stands for any text.
        negated: whether it must be anything else.
    """

    label: str
    pattern: str
    negated: bool = False

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.label}{'!=' if self.negated else '='}{self.pattern}"


def parse_matcher(text: str) -> Matcher:
    """Reads `label=value` or `label!=value`, where `*` in the value stands for any text.

    What only looks like a matcher of Alertmanager would match nothing, so it is refused: a regular
    expression (`label=~value`), or a value in quotes.

    Raises:
        ConfigError: it is neither.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        hint = 'write it like "severity=critical", "rule=slo-*" or "team!=web"'
        raise ConfigError(f"{text!r} is no matcher", hint=hint)
    if found[3].startswith(("~", '"')):
        hint = "write the value as it is, without quotes; * in it stands for any text"
        raise ConfigError(f"{text!r} matches no alert", hint=hint)
    return Matcher(found[1], found[3], negated=found[2] == "!=")


def matches(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Whether labels meet all matchers."""
    values = dict(labels)
    return all(
        fnmatchcase(values.get(matcher.label, ""), matcher.pattern.translate(_PLAIN))
        is not matcher.negated
        for matcher in matchers
    )
