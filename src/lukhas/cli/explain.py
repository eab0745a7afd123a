"""`lukhas explain`: why a request got its answer."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from lukhas.cli.options import ConfigFile, StateDir, load_state_dir

if TYPE_CHECKING:
    from pathlib import Path

    from lukhas.policy.explain.records import DecisionRecord

__all__ = ("explain", "told")

_MILLISECOND_NS = 1_000_000


def explain(
    request_id: Annotated[
        str, typer.Argument(metavar="REQUEST_ID", help="X-Request-ID of the response.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The whole record as JSON.")] = False,
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Tell why a request got its answer: what each stage decided, and by which figures."""
    record = _found(load_state_dir(state_dir, config), request_id)
    if as_json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
        return
    for line in told(record):
        sys.stdout.write(line + "\n")


def _found(state_dir: "Path", request_id: str) -> "DecisionRecord":
    from lukhas.errors import ConfigError
    from lukhas.storage.record_files import RECORDS_FILE, RecordFile
    from lukhas.telemetry.explained import read_record

    path = state_dir / RECORDS_FILE
    data = None
    if path.exists():
        records = RecordFile(path, read_only=True)
        try:
            data = records.find(request_id)
        finally:
            records.close()
    if data is None:
        raise ConfigError(
            f"no record of request {request_id!r} is kept in {state_dir}",
            where="explain",
            hint="records are kept of refused, failed, slow and sampled requests; see the settings "
            "`explain`",
        )
    return read_record(data)


def told(record: "DecisionRecord") -> Iterator[str]:
    """The record in lines, for people."""
    from datetime import UTC, datetime

    from lukhas.policy.explain.reevaluation import reevaluate

    time = datetime.fromtimestamp(record.time_ns / 1e9, tz=UTC).isoformat(timespec="milliseconds")
    query = f"?{record.query}" if record.query else ""
    yield f"{record.request_id}  {time}  kept as {record.why}"
    yield f"{record.method} {record.host}{record.path}{query}"
    yield f"status {record.status} in {record.took_ns / _MILLISECOND_NS:.2f} ms"
    caller = f"{record.consumer} ({record.tier})" if record.consumer else "unknown"
    yield f"caller {caller}, upstream {record.upstream}, strategy {record.strategy}"
    if record.trace_id:
        yield f"trace {record.trace_id}"
    took = {time.stage: time.took_ns for time in record.times}
    yield ""
    for stage in record.stages:
        shown = took.pop(stage.stage, None)
        time = "" if shown is None else f"  {shown / _MILLISECOND_NS:.3f} ms"
        mode = "" if stage.mode == "enforce" else f" [{stage.mode}]"
        policy = f" ({stage.policy})" if stage.policy else ""
        yield f"{stage.stage:<11} {stage.outcome}{mode}: {stage.reason}{policy}{time}"
        for name, value in stage.facts:
            yield f"{'':<13}{name}: {value}"
    for name, rest_ns in took.items():
        yield f"{name:<11} {rest_ns / _MILLISECOND_NS:.3f} ms"
    again = reevaluate(record)
    if again:
        yield ""
        yield "decided again from the recorded facts:"
    for each in again:
        yield f"  {each.stage:<9} " + ("the same" if each.same else f"now {each.evaluated}")
