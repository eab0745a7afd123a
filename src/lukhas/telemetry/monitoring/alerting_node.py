"""Alerts on the gateway itself and on what it needs."""

from lukhas.telemetry.monitoring.rules import AlertingRule
from lukhas.telemetry.monitoring.trial_series import JOB, counter, fires, gauge, quiet

__all__ = ("node_rules",)

_INSTANCE = "gateway:8001"


def node_rules() -> tuple[AlertingRule, ...]:
    """The rules."""
    return (
        _down(),
        _workers_missing(),
        _servers_left_out(),
        _counters(),
        _stage(),
        _unhandled(),
    )


def _down() -> AlertingRule:
    return AlertingRule(
        name="LukhasDown",
        expr=f'up{{job="{JOB}"}} == 0',
        severity="critical",
        for_s=60,
        summary="The gateway shows no metrics",
        description="{{ $labels.instance }} of {{ $labels.job }} does not answer Prometheus.",
        trials=(
            fires(
                gauge("up", 0, 10),
                at_min=10,
                description=f"{_INSTANCE} of {JOB} does not answer Prometheus.",
                instance=_INSTANCE,
            ),
            quiet(gauge("up", 1, 10), at_min=10),
            quiet(gauge("up", 0, 10), at_min=0),
        ),
    )


def _workers_missing() -> AlertingRule:
    return AlertingRule(
        name="LukhasWorkersMissing",
        expr="lukhas_workers_wanted - lukhas_workers_alive > 0",
        severity="warning",
        for_s=60,
        summary="Fewer workers serve than should",
        description="{{ $value }} workers of {{ $labels.instance }} do not serve.",
        trials=(
            fires(
                gauge("lukhas_workers_wanted", 4, 10),
                gauge("lukhas_workers_alive", 3, 10),
                at_min=10,
                description=f"1 workers of {_INSTANCE} do not serve.",
                instance=_INSTANCE,
            ),
            quiet(
                gauge("lukhas_workers_wanted", 4, 10),
                gauge("lukhas_workers_alive", 4, 10),
                at_min=10,
            ),
        ),
    )


def _servers_left_out() -> AlertingRule:
    name = "lukhas_upstream_targets_left_out"
    return AlertingRule(
        name="LukhasServersLeftOut",
        expr=f"{name} > 0",
        severity="warning",
        for_s=60,
        summary="Servers of an upstream get no requests because they fail",
        # Each worker counts for itself, so this is no number of servers.
        description="Workers of {{ $labels.instance }} leave servers of an upstream out.",
        trials=(
            fires(
                gauge(name, 1, 10),
                at_min=10,
                description=f"Workers of {_INSTANCE} leave servers of an upstream out.",
                instance=_INSTANCE,
            ),
            quiet(gauge(name, 0, 10), at_min=10),
        ),
    )


def _counters() -> AlertingRule:
    name = "lukhas_limit_store_failures"
    return AlertingRule(
        name="LukhasCountersUnreachable",
        expr=f"increase({name}[5m]) > 0",
        severity="warning",
        for_s=60,
        summary="Limits cannot be counted together: their store does not answer",
        description="The store of the counters has not answered {{ $labels.instance }}.",
        trials=(
            fires(
                counter(name, (3, 20)),
                at_min=15,
                description=f"The store of the counters has not answered {_INSTANCE}.",
                instance=_INSTANCE,
            ),
            quiet(counter(name, (0, 20)), at_min=15),
        ),
    )


def _stage() -> AlertingRule:
    name = "lukhas_stage_failures_total"
    return AlertingRule(
        name="LukhasStageFails",
        expr=f"sum by (job, stage) (increase({name}[5m])) > 0",
        severity="warning",
        for_s=60,
        summary="A stage of the gateway fails; requests go on without it, or get 503",
        description="The stage {{ $labels.stage }} of {{ $labels.job }} fails; the log says why.",
        trials=(
            fires(
                counter(name, (1, 20), stage="cache"),
                at_min=15,
                description=f"The stage cache of {JOB} fails; the log says why.",
                stage="cache",
            ),
            quiet(counter(name, (0, 20), stage="cache"), at_min=15),
        ),
    )


def _unhandled() -> AlertingRule:
    name = "lukhas_unhandled_failures"
    return AlertingRule(
        name="LukhasUnhandledFailures",
        expr=f"increase({name}[5m]) > 0",
        severity="warning",
        for_s=60,
        summary="Requests end in errors of the gateway itself",
        description="Requests end in errors of {{ $labels.instance }} itself; the log says why.",
        trials=(
            fires(
                counter(name, (1, 20)),
                at_min=15,
                description=f"Requests end in errors of {_INSTANCE} itself; the log says why.",
                instance=_INSTANCE,
            ),
            quiet(counter(name, (0, 20)), at_min=15),
        ),
    )
