"""The history as files: CSV, JSON and Parquet."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from lukhas.analytics.figures import Figures
from lukhas.analytics.levels import floored
from lukhas.analytics.questions import AsksHistory, Question
from lukhas.errors import NotAvailableError

__all__ = ("COLUMNS", "ExportFormat", "export_chunks", "need_format", "write_export")

ExportFormat = Literal["csv", "json", "parquet"]

COLUMNS = (
    "requests", "errors", "limited", "hits", "misses", "bytes_out", "p50_ms", "p95_ms", "p99_ms",
)  # fmt: skip
"""What each row has after `time_s` and the labels that it is grouped by."""

_STEPS_AT_ONCE = 60
_Row = list[int | float | str | None]


def need_format(kind: ExportFormat) -> None:
    """Checks that a format can be written here.

    Raises:
        NotAvailableError: it needs an extra that is not installed.
    """
    if kind == "parquet" and find_spec("duckdb") is None:
        raise NotAvailableError(
            "Parquet", "install the extra: pip install 'lukhas-api-optimizer[analytics]'"
        )


async def export_chunks(
    history: AsksHistory, question: Question, kind: ExportFormat
) -> AsyncIterator[bytes]:
    """The rows of a window as a file, bit by bit: one row for each step and group with requests.

    Memory is that of 60 steps, but for Parquet, which goes through a file on disk.

    Args:
        history: what is asked.
        question: the window; it needs a step.
        kind: `csv` with a line of names, `json` (an array of objects), or `parquet`.

    Raises:
        NotAvailableError: Parquet without the extra `analytics`.
        StoreError: the database does not answer.
    """
    need_format(kind)
    names = ["time_s", *question.group_by, *COLUMNS]
    match kind:
        case "csv":
            yield _csv([names])
            async for rows in _row_chunks(history, question):
                yield _csv(rows)
        case "json":
            yield b"["
            separator = b"\n"
            async for rows in _row_chunks(history, question):
                for row in rows:
                    yield separator + json.dumps(dict(zip(names, row, strict=True))).encode()
                    separator = b",\n"
            yield b"\n]\n"
        case "parquet":
            with TemporaryDirectory() as folder:
                path = Path(folder) / "history.csv"
                await _write(path, export_chunks(history, question, "csv"))
                yield await asyncio.to_thread(_as_parquet, path, question.group_by)


async def write_export(
    history: AsksHistory, question: Question, *, kind: ExportFormat, path: Path
) -> None:
    """Writes a file, whole or not at all.

    Raises:
        NotAvailableError: Parquet without the extra `analytics`.
        OSError: it cannot be written.
        StoreError: the database does not answer.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        await _write(draft, export_chunks(history, question, kind))
        await asyncio.to_thread(draft.replace, path)
    finally:
        await asyncio.to_thread(draft.unlink, missing_ok=True)


async def _row_chunks(history: AsksHistory, question: Question) -> AsyncIterator[list[_Row]]:
    step_s = question.step_s or 1
    at_s = floored(question.from_s, step_s)
    while at_s < question.to_s:
        part = Question(
            from_s=at_s,
            to_s=min(at_s + _STEPS_AT_ONCE * step_s, question.to_s),
            step_s=step_s,
            group_by=question.group_by,
            only=question.only,
        )
        answer = await history.ask(part)
        # The answer may be in wider steps, which then are not to be given twice.
        at_s = max(answer.to_s, part.to_s)
        rows = [
            [time_s, *group.labels, *_values(figures)]
            for group in answer.groups
            for time_s, figures in group.steps.items()
        ]
        rows.sort(key=lambda row: row[: 1 + len(question.group_by)])
        yield rows


def _values(figures: Figures) -> _Row:
    return [
        figures.requests,
        figures.errors,
        figures.limited,
        figures.hits,
        figures.misses,
        figures.bytes_out,
        *figures.quantiles_ms((0.5, 0.95, 0.99)),
    ]


def _csv(rows: list[_Row] | list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> None:
    with await asyncio.to_thread(path.open, "wb") as file:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)


def _as_parquet(path: Path, group_by: tuple[str, ...]) -> bytes:
    import duckdb

    result = path.with_suffix(".parquet")
    types = dict.fromkeys(group_by, "VARCHAR")
    types |= dict.fromkeys(("time_s", *COLUMNS[:6]), "BIGINT")
    types |= dict.fromkeys(COLUMNS[6:], "DOUBLE")
    with duckdb.connect() as connection:
        connection.read_csv(str(path), header=True, dtype=types).write_parquet(str(result))
    return result.read_bytes()
