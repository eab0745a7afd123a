"""The dashboard of the cache."""

from lukhas.telemetry.monitoring.panel_queries import rate, ratio, requests, total
from lukhas.telemetry.monitoring.panels import Panel, Query, Row
from lukhas.telemetry.monitoring.recording import HITS

__all__ = ("CACHE_ROWS",)

_ASKED = 'cache=~"hit|stale|revalidated|miss"'

_ANSWERS = Row(
    "Answers",
    (
        Panel(
            title="Hit ratio",
            what="Share of what the cache may answer that it answers.",
            queries=(Query(ratio(requests(only=HITS), requests(only=_ASKED)), "hit ratio"),),
            unit="percentunit",
            most=1.0,
        ),
        Panel(
            title="Requests by what the cache did",
            what="A second. `bypass` and `none` are requests that it may not answer.",
            queries=(Query(requests(by="cache"), "{{cache}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Hit ratio by route",
            what="The ten routes with the most requests that the cache may answer.",
            queries=(
                Query(
                    ratio(requests(only=HITS, by="route"), requests(only=_ASKED, by="route"))
                    + f" and topk(10, {requests(only=_ASKED, by='route')})",
                    "{{route}}",
                ),
            ),
            unit="percentunit",
            most=1.0,
        ),
        Panel(
            title="Misses by route",
            what="A second; the ten routes with the most. This is what reaches the API.",
            queries=(
                Query("topk(10, " + requests(only='cache="miss"', by="route") + ")", "{{route}}"),
            ),
            unit="reqps",
        ),
    ),
)

_SPACE = Row(
    "Space",
    (
        Panel(
            title="Bytes",
            what="What the cache holds. Every worker counts what it sees, so this is the sum.",
            queries=(Query(total("lukhas_cache_bytes"), "bytes"),),
            unit="bytes",
            width=8,
        ),
        Panel(
            title="Entries",
            what="Stored responses.",
            queries=(Query(total("lukhas_cache_entries"), "entries"),),
            width=8,
        ),
        Panel(
            title="Routes that leak",
            what="Routes whose shared answers were found to depend on who asks; they are no longer "
            "shared.",
            queries=(Query(total("lukhas_cache_leaks"), "routes"),),
            kind="stat",
            width=8,
            bounds=((1, "red"),),
        ),
        Panel(
            title="Bytes of responses",
            what="A second, to clients.",
            queries=(Query(rate("lukhas_response_bytes_total"), "bytes"),),
            unit="Bps",
            width=12,
        ),
        Panel(
            title="Cut off",
            what="Responses cut off before their end, a second.",
            queries=(Query(rate("lukhas_responses_aborted_total"), "cut off"),),
            unit="reqps",
            width=12,
        ),
    ),
)

CACHE_ROWS = (_ANSWERS, _SPACE)
"""What is on it."""
