"""The pages of decision records: the last ones, and one of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from lukhas.admin.pages.layout import latency, page
from lukhas.policy.explain.records import DecisionRecord, StageRecord
from lukhas.policy.explain.reevaluation import reevaluate
from lukhas.units import MILLISECOND_NS, SECOND_NS

__all__ = ("request_page", "requests_page")

_PATH = "/requests"


def requests_page(
    records: Sequence[DecisionRecord], *, version: str, following: int | None = None
) -> str:
    """The last requests that left a record.

    Args:
        records: the newest first.
        version: of the product.
        following: what leads to older ones; None if there are none.
    """
    rows = "".join(_row(record) for record in records)
    if not rows:
        rows = '<tr><td colspan="7" class="quiet">No request has left a record yet.</td></tr>'
    older = f'<p><a href="{_PATH}?before={following}">Older ones</a></p>' if following else ""
    main = (
        '<main><div class="heading"><h1>Requests</h1>'
        '<p class="aside">Refused, failed, slow and sampled ones, and why they got their answer.'
        "</p></div>"
        '<section class="card"><div class="scroll" role="region" aria-label="Requests" '
        'tabindex="0"><table><thead><tr><th>Time</th><th>Request</th><th>Kept as</th>'
        "<th>Status</th><th>Cache</th><th>Took</th><th>Caller</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{older}</section></main>"
    )
    return page("Requests", main, path=_PATH, version=version)


def request_page(record: DecisionRecord, *, version: str) -> str:
    """One request: what each stage decided, by which figures, and whether it comes out again."""
    query = f"?{record.query}" if record.query else ""
    took = {time.stage: time.took_ns for time in record.times}
    stages = "".join(_stage(stage, took.get(stage.stage)) for stage in record.stages)
    again = "".join(
        f"<tr><td>{escape(each.stage)}</td><td>{escape(each.recorded)}</td>"
        f"<td>{'the same' if each.same else escape(each.evaluated)}</td></tr>"
        for each in reevaluate(record)
    )
    trace = f" Trace <code>{escape(record.trace_id)}</code>" if record.trace_id else ""
    main = (
        f'<main><div class="heading"><h1>{escape(record.method)} {escape(record.path)}</h1>'
        f'<p class="aside">{escape(record.host)}{escape(record.path)}{escape(query)}</p></div>'
        f'<section class="card"><p>Status {record.status} in '
        f"{latency(record.took_ns / MILLISECOND_NS)} at {_time(record)}, kept as "
        f"{escape(record.why)}. Caller {escape(record.consumer or 'unknown')}, upstream "
        f"{escape(record.upstream)}, strategy {escape(record.strategy)}. Id "
        f"<code>{escape(record.request_id)}</code>{trace}</p></section>"
        '<section class="card"><h2>Stages</h2><table><thead><tr><th>Stage</th><th>Verdict</th>'
        "<th>Figures</th><th>Took</th></tr></thead>"
        f"<tbody>{stages}</tbody></table></section>"
        '<section class="card"><h2>Decided again from the recorded facts</h2><table><thead><tr>'
        "<th>Stage</th><th>Recorded</th><th>Now</th></tr></thead>"
        f"<tbody>{again}</tbody></table></section></main>"
    )
    return page(f"Request {record.request_id}", main, path="", version=version)


def _row(record: DecisionRecord) -> str:
    target = f"{_PATH}/{quote(record.request_id, safe='')}"
    return (
        f"<tr><td>{_time(record)}</td>"
        f'<td><a href="{target}">{escape(record.method)} {escape(record.path[:80])}</a></td>'
        f"<td>{escape(record.why)}</td><td>{record.status}</td>"
        f"<td>{escape(record.cache_result)}</td>"
        f"<td>{latency(record.took_ns / MILLISECOND_NS)}</td>"
        f"<td>{escape(record.consumer)}</td></tr>"
    )


def _stage(stage: StageRecord, took_ns: int | None) -> str:
    mode = "" if stage.mode == "enforce" else f" ({stage.mode})"
    policy = f" by {stage.policy}" if stage.policy else ""
    facts = ", ".join(f"{name} {value}" for name, value in stage.facts)
    shown = latency(None if took_ns is None else took_ns / MILLISECOND_NS)
    words = f"{stage.outcome}{mode}{policy}: {stage.reason}"
    return (
        f"<tr><td>{escape(stage.stage)}</td><td>{escape(words)}</td>"
        f"<td>{escape(facts)}</td><td>{shown}</td></tr>"
    )


def _time(record: DecisionRecord) -> str:
    moment = datetime.fromtimestamp(record.time_ns / SECOND_NS, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
