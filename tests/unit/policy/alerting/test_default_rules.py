"""The default rules."""

from lukhas.policy.alerting.conditions import asks
from lukhas.policy.alerting.default_rules import DEFAULT_INHIBITIONS, default_rules
from lukhas.policy.alerting.matchers import matches
from lukhas.policy.alerting.metrics import METRICS, metric_named
from lukhas.policy.alerting.rules import labels_of

RULES = default_rules(objective=0.999, p99_ms=1000, interval_s=10)


def test_they_ask_for_metrics_that_there_are() -> None:
    """With names of their own, a summary, and no label that a metric does not have."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.summary for rule in RULES)
    for rule in RULES:
        for ask in asks(rule.condition, 10**18):
            metric = metric_named(ask.metric)
            assert metric is not None
            assert {name for name, _ in ask.filters} <= metric.labels


def test_metrics_have_names_of_their_own() -> None:
    """And others are not known."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert metric_named("other") is None


def test_what_speaks_for_others_is_there() -> None:
    """Source and target of each inhibition are default rules."""
    labels = [labels_of(rule) for rule in RULES]
    for inhibition in DEFAULT_INHIBITIONS:
        assert any(matches(inhibition.source, each) for each in labels)
        assert any(matches(inhibition.target, each) for each in labels)
