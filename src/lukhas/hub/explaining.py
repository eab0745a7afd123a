"""What the hub keeps to tell why a request got its answer."""

from lukhas.config.settings import Settings
from lukhas.pipeline.explaining import Explainer, ExplainRules
from lukhas.telemetry.explained import RecentRecords
from lukhas.units import MILLISECOND_NS

__all__ = ("explainer",)


def explainer(settings: Settings, records: RecentRecords) -> Explainer | None:
    """What keeps records by the settings; None if none are kept."""
    explain = settings.explain
    if not explain.enabled:
        return None
    rules = ExplainRules(
        slow_ns=explain.slow_ms * MILLISECOND_NS,
        records_per_second=explain.records_per_second,
        parameters=frozenset(explain.query_parameters),
        strategy=settings.strategy.value,
    )
    return Explainer(rules, records.keep)
