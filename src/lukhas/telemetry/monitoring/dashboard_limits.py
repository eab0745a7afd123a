"""The dashboard of limits."""

from lukhas.telemetry.monitoring.panel_queries import CHOSEN, rate, ratio, requests, total
from lukhas.telemetry.monitoring.panels import Panel, Query, Row

__all__ = ("LIMIT_ROWS",)

_LIMITED = "lukhas_limited_total"
_ENFORCED = 'mode="enforce"'

_REFUSED = Row(
    "Refused",
    (
        Panel(
            title="Limited by tier",
            what="Share of the requests of a tier that are refused because of limits.",
            queries=(
                Query(
                    ratio(rate(_LIMITED, only=_ENFORCED, by="tier"), requests(by="tier")),
                    "{{tier}}",
                ),
            ),
            unit="percentunit",
        ),
        Panel(
            title="Limited by policy",
            what="Requests refused a second.",
            queries=(Query(rate(_LIMITED, only=_ENFORCED, by="policy"), "{{policy}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Would be limited",
            what="Requests over a limit in shadow mode, a second: they pass, and would not.",
            queries=(
                Query(
                    rate(_LIMITED, only='mode="shadow"', by="policy, tier"), "{{policy}} {{tier}}"
                ),
            ),
            unit="reqps",
        ),
        Panel(
            title="Near a limit",
            what="Requests that passed and left less than a fifth of a limit, a second.",
            queries=(
                Query(rate("lukhas_near_limit_total", by="policy, tier"), "{{policy}} {{tier}}"),
            ),
            unit="reqps",
        ),
    ),
)

_COUNTERS = Row(
    "Counters",
    (
        Panel(
            title="Subjects",
            what="Consumers and addresses whose requests are being counted.",
            queries=(Query(total("lukhas_limit_states"), "subjects"),),
            width=8,
        ),
        Panel(
            title="Store does not answer",
            what="How often a second; then each worker counts alone, or refuses, as settings say.",
            queries=(
                Query(
                    f"sum (rate(lukhas_limit_store_failures{{{CHOSEN}}}[$__rate_interval]))",
                    "failures",
                ),
            ),
            unit="ops",
            width=8,
        ),
        Panel(
            title="Shared counters",
            what="How often a second a subject had to share a counter: there were too many.",
            queries=(
                Query(
                    f"sum (rate(lukhas_limit_shared_states{{{CHOSEN}}}[$__rate_interval]))",
                    "shared",
                ),
            ),
            unit="ops",
            width=8,
        ),
    ),
)

LIMIT_ROWS = (_REFUSED, _COUNTERS)
"""What is on it."""
