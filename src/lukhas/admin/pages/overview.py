"""The overview: what the node does right now."""

from html import escape

from lukhas.admin.pages.layout import (
    amount,
    byte_size,
    duration,
    latency,
    page,
    rate,
    share,
    template,
)
from lukhas.admin.status import Latency, RouteFigures, Status

__all__ = ("overview_main", "overview_page")

_STATES = {
    "ok": "Healthy",
    "degraded": "Degraded",
    "failed": "Failed",
    "not_available": "Not available",
}
_CHART_WIDTH = 240
_CHART_HEIGHT = 56
_CHART_SECONDS = 60


def overview_page(status: Status, *, gateway_url: str, version: str) -> str:
    """The whole page, with the figures of this moment."""
    return page(
        "Overview",
        template("overview.html").substitute(main=overview_main(status, gateway_url=gateway_url)),
        path="/",
        version=version,
        script="overview.js",
    )


def overview_main(status: Status, *, gateway_url: str) -> str:
    """The part of the page that changes; sent again each second."""
    parts = [_heading(status)]
    if not status.traffic.requests_total:
        parts.append(_no_traffic(gateway_url))
    parts.append(_tiles(status))
    if status.traffic.requests_total:
        parts.append(_routes(status))
    parts.append(f'<div class="columns">{_tiers(status)}{_parts(status)}{_workers(status)}</div>')
    return "".join(parts)


def _heading(status: Status) -> str:
    state = status.health.status
    return (
        '<div class="heading"><h1>Overview</h1>'
        f'<span class="pill {state}">{_STATES[state]}</span>'
        f'<p class="aside">Up {duration(status.uptime_s)} · '
        f"{amount(status.traffic.requests_total)} requests in all</p></div>"
    )


def _no_traffic(gateway_url: str) -> str:
    return (
        '<section class="card empty"><h2>No traffic yet</h2>'
        "<p>Send a first request through the gateway; it shows up here within two seconds.</p>"
        f"<pre><code>curl {escape(gateway_url.rstrip('/'))}/</code></pre></section>"
    )


def _tiles(status: Status) -> str:
    traffic = status.traffic
    shadow = traffic.shadow_limited_1m
    limited_note = f"{amount(shadow)} more in shadow mode" if shadow else "refused over a limit"
    cached = (
        f"{amount(traffic.cache_entries)} entries, {byte_size(traffic.cache_bytes)}"
        if traffic.cache_entries is not None
        else "of cacheable requests"
    )
    in_flight_note = (
        f"{amount(traffic.connections_open)} connections open"
        if traffic.connections_open is not None
        else "requests in work"
    )
    tiles = (
        _tile(
            "Requests",
            f"{rate(traffic.requests_per_s)}<small>/s</small>",
            "mean of the last 10 s",
            extra=_chart(traffic.requests_by_second),
            wide=" wide",
        ),
        _latency_tile(traffic.latency),
        _tile("Server errors", share(traffic.error_share), "5xx answers"),
        _tile("Cache hit ratio", share(traffic.hit_ratio), cached),
        _tile("Limited", f"{amount(traffic.limited_1m)}<small>/min</small>", limited_note),
        _tile("In flight", amount(traffic.in_flight), in_flight_note),
    )
    return (
        f'<section class="tiles" aria-label="Key figures">{"".join(tiles)}</section>'
        '<p class="aside">Latency, shares and limits are those of the last minute.</p>'
    )


def _tile(label: str, figure: str, note: str, *, extra: str = "", wide: str = "") -> str:
    return (
        f'<div class="card tile{wide}"><div><h2>{label}</h2><p class="figure">{figure}</p>'
        f'<p class="note">{note}</p></div>{extra}</div>'
    )


def _latency_tile(quantiles: Latency) -> str:
    figures = "".join(
        f'<div><h2>{label}</h2><p class="figure">{latency(milliseconds)}</p>'
        f'<p class="note">{note}</p></div>'
        for label, milliseconds, note in (
            ("Latency p50", quantiles.p50_ms, "half are faster"),
            ("p95", quantiles.p95_ms, "1 in 20 is slower"),
            ("p99", quantiles.p99_ms, "1 in 100 is slower"),
        )
    )
    return f'<div class="card tile wide quantiles">{figures}</div>'


def _chart(by_second: list[int]) -> str:
    """A line of the last minute, its right end being now."""
    highest = max(*by_second, 1)
    first = _CHART_SECONDS - len(by_second)
    across = _CHART_WIDTH / (_CHART_SECONDS - 1)
    up = (_CHART_HEIGHT - 4) / highest
    points = [
        f"{(first + index) * across:.1f},{_CHART_HEIGHT - 2 - number * up:.1f}"
        for index, number in enumerate(by_second)
    ]
    label = f"Requests in each second of the last minute; the most were {amount(highest)}"
    return (
        f'<svg class="chart" viewBox="0 0 {_CHART_WIDTH} {_CHART_HEIGHT}" role="img" '
        f'preserveAspectRatio="none" aria-label="{label}">'
        f'<polyline points="{" ".join(points)}"/></svg>'
    )


def _routes(status: Status) -> str:
    rows = "".join(_route(route) for route in status.routes)
    if not rows:
        rows = '<tr><td colspan="7" class="quiet">No requests in the last minute.</td></tr>'
    overflow = status.traffic.labels_overflowed_total
    note = (
        f'<p class="aside">{amount(overflow)} requests are counted under <code>other</code>, '
        "because there are more routes than the recorder keeps apart.</p>"
        if overflow
        else ""
    )
    return (
        '<section class="card"><h2>Routes, last minute</h2>'
        '<div class="scroll" role="region" aria-label="Routes" tabindex="0"><table>'
        "<thead><tr><th>Route</th><th>Requests/s</th><th>p50</th><th>p95</th><th>p99</th>"
        f"<th>5xx</th><th>Hit ratio</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f"{note}</section>"
    )


def _route(route: RouteFigures) -> str:
    errors = ' class="bad"' if route.error_share else ""
    return (
        f"<tr><th scope=row><code>{escape(route.route)}</code></th>"
        f"<td>{rate(route.requests_per_s)}</td>"
        f"<td>{latency(route.latency.p50_ms)}</td>"
        f"<td>{latency(route.latency.p95_ms)}</td>"
        f"<td>{latency(route.latency.p99_ms)}</td>"
        f"<td{errors}>{share(route.error_share)}</td>"
        f"<td>{share(route.hit_ratio)}</td></tr>"
    )


def _tiers(status: Status) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(tier.tier.capitalize())}</th>"
        f'<td><meter max="1" value="{tier.share:.3f}" aria-label="Share of requests">'
        f"{share(tier.share)}</meter></td>"
        f"<td>{amount(tier.requests_1m)}</td><td>{amount(tier.near_limit_1m)}</td>"
        f"<td>{amount(tier.limited_1m)}</td></tr>"
        for tier in status.tiers
    )
    return (
        '<section class="card"><h2>Tiers, last minute</h2><table><thead><tr><th>Tier</th>'
        "<th>Share</th><th>Requests</th><th>Near a limit</th><th>Limited</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )


def _parts(status: Status) -> str:
    rows = "".join(
        f'<li><span class="dot {part.state}"></span><span class="name">{escape(part.name)}</span>'
        f'<span class="state">{_STATES[part.state]}</span>'
        f'<span class="detail">{escape(part.detail)}</span></li>'
        for part in status.health.parts
    )
    return f'<section class="card"><h2>Health</h2><ul class="parts">{rows}</ul></section>'


def _workers(status: Status) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(worker.name)}</th><td>{amount(worker.requests_total)}</td>"
        f"<td>{amount(worker.in_flight)}</td><td>{worker.last_seen_s:.1f} s ago</td></tr>"
        for worker in status.workers
    )
    if not rows:
        rows = (
            '<tr><td colspan="4" class="quiet">No worker reports. Is the gateway running?</td></tr>'
        )
    return (
        '<section class="card"><h2>Workers</h2><table><thead><tr><th>Worker</th><th>Requests</th>'
        f"<th>In flight</th><th>Reported</th></tr></thead><tbody>{rows}</tbody></table></section>"
    )
