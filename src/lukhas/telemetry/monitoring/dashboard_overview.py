"""The first dashboard: requests, errors, durations, and what the gateway does about them."""

from lukhas.telemetry.monitoring.panel_queries import quantile, rate, ratio, requests, total
from lukhas.telemetry.monitoring.panels import Panel, Query, Row
from lukhas.telemetry.monitoring.recording import HITS

__all__ = ("OVERVIEW_ROWS",)

_ERRORS = requests(only='status_class="5xx"')
_ASKED = requests(only='cache=~"hit|stale|revalidated|miss"')
_HIT_RATIO = ratio(requests(only=HITS), _ASKED)
_LIMITED = rate("lukhas_limited_total", only='mode="enforce"')

_NOW = Row(
    "Now",
    (
        Panel(
            title="Requests",
            what="Finished requests a second.",
            queries=(Query(requests()),),
            unit="reqps",
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            title="Errors",
            what="Share of requests that are answered with 5xx.",
            queries=(Query(ratio(_ERRORS, requests())),),
            unit="percentunit",
            kind="stat",
            width=4,
            height=4,
            bounds=((0.001, "orange"), (0.01, "red")),
        ),
        Panel(
            title="99th percentile",
            what="One request in a hundred takes longer.",
            queries=(Query(quantile(0.99)),),
            unit="s",
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            title="Hit ratio",
            what="Share of what the cache may answer that it answers.",
            queries=(Query(_HIT_RATIO),),
            unit="percentunit",
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            title="Limited",
            what="Share of requests that are refused because of limits.",
            queries=(Query(ratio(_LIMITED, requests())),),
            unit="percentunit",
            kind="stat",
            width=4,
            height=4,
            bounds=((0.2, "orange"),),
        ),
        Panel(
            title="Workers missing",
            what="Workers that are to serve and do not.",
            queries=(Query(f"{total('lukhas_workers_wanted')} - {total('lukhas_workers_alive')}"),),
            kind="stat",
            width=4,
            height=4,
            bounds=((1, "red"),),
        ),
    ),
)

_TRAFFIC = Row(
    "Rate, errors, duration",
    (
        Panel(
            title="Requests by status",
            what="Finished requests a second.",
            queries=(Query(requests(by="status_class"), "{{status_class}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Errors by route",
            what="Share of the requests of a route that are answered with 5xx; the ten worst.",
            queries=(
                Query(
                    "topk(10, "
                    + ratio(requests(only='status_class="5xx"', by="route"), requests(by="route"))
                    + ")",
                    "{{route}}",
                ),
            ),
            unit="percentunit",
        ),
        Panel(
            title="Duration",
            what="Time until the response was made, or for a streamed body until its end.",
            queries=(
                Query(quantile(0.5), "p50"),
                Query(quantile(0.95), "p95"),
                Query(quantile(0.99), "p99"),
            ),
            unit="s",
        ),
        Panel(
            title="99th percentile by route",
            what="The ten slowest routes.",
            queries=(Query(f"topk(10, {quantile(0.99, by='route')})", "{{route}}"),),
            unit="s",
        ),
        Panel(
            title="Requests by tier",
            what="Finished requests a second.",
            queries=(Query(requests(by="tier"), "{{tier}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Limited by tier",
            what="Share of the requests of a tier that are refused because of limits.",
            queries=(
                Query(
                    ratio(
                        rate("lukhas_limited_total", only='mode="enforce"', by="tier"),
                        requests(by="tier"),
                    ),
                    "{{tier}}",
                ),
            ),
            unit="percentunit",
        ),
    ),
)

_BUDGET = Row(
    "Error budget (needs the recording rules)",
    (
        Panel(
            title="Share of failed requests",
            what="Over windows of several lengths, as the alerts look at them. All gateways of a "
            "job together.",
            queries=tuple(
                Query(f'lukhas:error_ratio:rate{window}{{job=~"$job"}}', f"{window} {{{{job}}}}")
                for window in ("5m", "30m", "1h", "6h", "3d")
            ),
            unit="percentunit",
        ),
        Panel(
            title="Alerts that fire",
            what="Alerts of these rules.",
            queries=(
                Query(
                    "sum by (alertname, severity) "
                    '(ALERTS{alertname=~"Lukhas.+",alertstate="firing",job=~"$job"})',
                    "{{alertname}} ({{severity}})",
                ),
            ),
        ),
    ),
)

_ROUTES = Row(
    "Routes",
    (
        Panel(
            title="Routes",
            what="Each route over the last minutes.",
            kind="table",
            width=24,
            height=10,
            queries=(
                Query(requests(by="route"), "requests", "reqps"),
                Query(
                    ratio(requests(only='status_class="5xx"', by="route"), requests(by="route")),
                    "errors",
                    "percentunit",
                ),
                Query(quantile(0.95, by="route"), "p95", "s"),
                Query(quantile(0.99, by="route"), "p99", "s"),
            ),
        ),
    ),
)

_NODE = Row(
    "Gateway",
    (
        Panel(
            title="In work",
            what="Requests that have begun and not ended, and open client connections.",
            queries=(
                Query(total("lukhas_requests_in_flight"), "requests"),
                Query(total("lukhas_connections_open"), "connections"),
            ),
            width=8,
        ),
        Panel(
            title="Workers",
            what="Those that have reported lately, and those that are to serve.",
            queries=(
                Query(total("lukhas_workers_alive"), "alive"),
                Query(total("lukhas_workers_wanted"), "wanted"),
            ),
            width=8,
        ),
        Panel(
            title="Refused and failed",
            what="Requests refused, and failures of a stage, a second.",
            queries=(
                Query(rate("lukhas_refusals_total", by="stage"), "refused by {{stage}}"),
                Query(rate("lukhas_stage_failures_total", by="stage"), "{{stage}} failed"),
            ),
            unit="reqps",
            width=8,
        ),
    ),
)

OVERVIEW_ROWS = (_NOW, _TRAFFIC, _BUDGET, _ROUTES, _NODE)
"""What is on it."""
