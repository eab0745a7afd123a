"""Rules and their trials as the YAML files that Prometheus and promtool read."""

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from lukhas.telemetry.monitoring.rules import (
    AlertingRule,
    RecordingRule,
    RuleGroup,
    RuleTrial,
    duration_text,
)

__all__ = ("rules_text", "trials_text", "yaml_text")


class _Dumper(yaml.SafeDumper):
    """Indents lists, and writes no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def yaml_text(content: object, *, comments: Iterable[str] = ()) -> str:
    """YAML, under some lines of comment."""
    head = "".join(f"# {line}\n" for line in comments)
    return head + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)


def rules_text(groups: Sequence[RuleGroup], *, comments: Iterable[str] = ()) -> str:
    """A file of rules."""
    content = {
        "groups": [
            {"name": group.name, "rules": [_rule(rule) for rule in group.rules]} for group in groups
        ]
    }
    return yaml_text(content, comments=comments)


def trials_text(
    groups: Sequence[RuleGroup], *, rule_files: Sequence[str], comments: Iterable[str] = ()
) -> str:
    """A file of tests for `promtool test rules`.

    Args:
        groups: all groups of the files, in the order in which they are to be evaluated: what
            records comes before what alerts by it.
        rule_files: the files with the rules, from where this one is.
        comments: what stands on top.
    """
    tests = [
        _trial(rule, trial)
        for group in groups
        for rule in group.rules
        if isinstance(rule, AlertingRule)
        for trial in rule.trials
    ]
    content = {
        "rule_files": list(rule_files),
        "evaluation_interval": "2m",
        # Else promtool takes the groups in another order each time.
        "group_eval_order": [group.name for group in groups],
        "tests": tests,
    }
    return yaml_text(content, comments=comments)


def _rule(rule: RecordingRule | AlertingRule) -> dict[str, Any]:
    if isinstance(rule, RecordingRule):
        return {"record": rule.name, "expr": rule.expr}
    written: dict[str, Any] = {"alert": rule.name, "expr": rule.expr}
    if rule.for_s:
        written["for"] = duration_text(rule.for_s)
    written["labels"] = {"severity": rule.severity}
    written["annotations"] = {"summary": rule.summary, "description": rule.description}
    return written


def _trial(rule: AlertingRule, trial: RuleTrial) -> dict[str, Any]:
    fired = [
        {
            "exp_labels": {"severity": rule.severity, **dict(each.labels)},
            "exp_annotations": {"summary": rule.summary, "description": each.description},
        }
        for each in trial.fired
    ]
    return {
        "interval": "1m",
        "input_series": [{"series": each.series, "values": each.values} for each in trial.inputs],
        "alert_rule_test": [
            {
                "eval_time": duration_text(trial.at_s),
                "alertname": rule.name,
                "exp_alerts": fired,
            }
        ],
    }
