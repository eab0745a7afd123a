"""The dashboard of the API behind the gateway."""

from lukhas.telemetry.monitoring.panel_queries import CHOSEN, rate, ratio, requests, total
from lukhas.telemetry.monitoring.panels import Panel, Query, Row

__all__ = ("UPSTREAM_ROWS",)

_ERRORS = "lukhas_upstream_errors_total"

_FAILURES = Row(
    "Failures",
    (
        Panel(
            title="Failed at the upstream",
            what="Failed tries at an upstream, also those that a retry made good, by request.",
            queries=(Query(ratio(rate(_ERRORS), requests())),),
            unit="percentunit",
            kind="stat",
            width=6,
            bounds=((0.01, "orange"), (0.5, "red")),
        ),
        Panel(
            title="Failures by upstream",
            what="A second.",
            queries=(Query(rate(_ERRORS, by="upstream"), "{{upstream}}"),),
            unit="reqps",
            width=9,
        ),
        Panel(
            title="Failures by kind",
            what="A second.",
            queries=(Query(rate(_ERRORS, by="kind"), "{{kind}}"),),
            unit="reqps",
            width=9,
            is_stacked=True,
        ),
    ),
)

_SERVERS = Row(
    "Servers (where an upstream has several)",
    (
        Panel(
            title="Servers",
            what="Known ones, and those that get no requests now. Every worker looks for itself, "
            "so this is the sum over all workers.",
            queries=(
                Query(total("lukhas_upstream_targets"), "known"),
                Query(total("lukhas_upstream_targets_left_out"), "left out"),
            ),
            width=8,
        ),
        Panel(
            title="Sent again",
            what="Requests that were sent to another server, because the first failed (retries) or "
            "was late (hedges), a second.",
            queries=(
                Query(
                    f"sum (rate(lukhas_upstream_retries{{{CHOSEN}}}[$__rate_interval]))", "retries"
                ),
                Query(
                    f"sum (rate(lukhas_upstream_hedges{{{CHOSEN}}}[$__rate_interval]))", "hedges"
                ),
            ),
            unit="reqps",
            width=8,
        ),
        Panel(
            title="Connections",
            what="Open connections to upstreams.",
            queries=(Query(total("lukhas_upstream_connections"), "open"),),
            width=8,
        ),
    ),
)

_OVERLOAD = Row(
    "Overload (where protection is on)",
    (
        Panel(
            title="In work and allowed",
            what="Requests that the upstream has in work, that it may have by its present latency, "
            "and that wait.",
            queries=(
                Query(total("lukhas_overload_in_flight"), "in work"),
                Query(total("lukhas_overload_limit"), "allowed"),
                Query(total("lukhas_overload_waiting"), "waiting"),
            ),
        ),
        Panel(
            title="Refused because of overload",
            what="A second, by tier; in shadow mode only noted.",
            queries=(Query(rate("lukhas_shed_total", by="tier, mode"), "{{tier}} ({{mode}})"),),
            unit="reqps",
            is_stacked=True,
        ),
    ),
)

UPSTREAM_ROWS = (_FAILURES, _SERVERS, _OVERLOAD)
"""What is on it."""
