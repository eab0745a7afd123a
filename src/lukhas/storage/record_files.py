"""Decision records in a file: found by id, listed by what they are, bounded."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lukhas.errors import StoreError
from lukhas.policy.explain.records import DecisionRecord

__all__ = ("RECORDS_FILE", "RecordFile", "RecordQuestion")

RECORDS_FILE = "explain.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    why TEXT NOT NULL,
    route TEXT NOT NULL,
    consumer TEXT NOT NULL,
    status INTEGER NOT NULL,
    cache TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_id ON records (request_id);
CREATE TABLE IF NOT EXISTS totals (one INTEGER PRIMARY KEY, size_bytes INTEGER NOT NULL);
INSERT OR IGNORE INTO totals VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON records
    BEGIN UPDATE totals SET size_bytes = size_bytes + NEW.size_bytes; END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON records
    BEGIN UPDATE totals SET size_bytes = size_bytes - OLD.size_bytes; END;
"""
# What a row takes beside the record itself, about.
_ROW_BYTES = 200
_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class RecordQuestion:
    """Which records are asked for; what is None may be anything.

    Attributes:
        why: why they were kept.
        route: the name of the route.
        consumer: who called.
        status: of the response.
        cache: what the cache did.
        before: only those that were kept before the one with this serial number.
        most: how many.
    """

    why: str | None = None
    route: str | None = None
    consumer: str | None = None
    status: int | None = None
    cache: str | None = None
    before: int | None = None
    most: int = 50


class RecordFile:
    """A file of records. One process writes it; any may read it meanwhile.

    Args:
        path: of the file; made if it is not there, unless it is only read.
        most_records: how many are kept; the oldest go first.
        most_bytes: how much room they take.
        read_only: whether nothing is written.

    Raises:
        StoreError: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        most_records: int = 20_000,
        most_bytes: int = 64 << 20,
        read_only: bool = False,
    ) -> None:
        self._path = path
        self._most_records = most_records
        self._most_bytes = most_bytes
        with self._told("opened"):
            mode = "ro" if read_only else "rwc"
            self._link = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=_TIMEOUT_S,
                check_same_thread=False,
            )
            if not read_only:
                path.chmod(0o600)
                self._link.execute("PRAGMA journal_mode = WAL")
                # What is lost when the machine fails is a few seconds of records.
                self._link.execute("PRAGMA synchronous = OFF")
                self._link.executescript(_SCHEMA)

    def keep(self, records: Iterable[tuple[DecisionRecord, bytes]]) -> None:
        """Adds records, each with its bytes, and removes the oldest if there are too many.

        Raises:
            StoreError: they cannot be written.
        """
        rows = [
            (
                record.request_id,
                record.time_ns,
                record.why,
                "" if record.route is None else record.route.name,
                record.consumer,
                record.status,
                record.cache_result,
                len(data) + _ROW_BYTES,
                data,
            )
            for record, data in records
        ]
        with self._told("written"), self._link:
            self._link.executemany(
                "INSERT INTO records (request_id, time_ns, why, route, consumer, status, cache,"
                " size_bytes, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._link.execute(
                "DELETE FROM records WHERE serial <="
                " (SELECT coalesce(max(serial), 0) FROM records) - ?",
                (self._most_records,),
            )
            while self._size_bytes() > self._most_bytes:
                self._link.execute(
                    "DELETE FROM records WHERE serial IN"
                    " (SELECT serial FROM records ORDER BY serial LIMIT 100)"
                )

    def find(self, request_id: str) -> bytes | None:
        """The last record of a request with this id; None if there is none.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._told("read"):
            row = self._link.execute(
                "SELECT record FROM records WHERE request_id = ? ORDER BY serial DESC LIMIT 1",
                (request_id,),
            ).fetchone()
        return None if row is None else bytes(row[0])

    def ask(self, question: RecordQuestion) -> list[tuple[int, bytes]]:
        """Records with their serial numbers, the newest first.

        Raises:
            StoreError: the file cannot be read.
        """
        wanted = {
            "why": question.why,
            "route": question.route,
            "consumer": question.consumer,
            "status": question.status,
            "cache": question.cache,
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        # Names of our own columns; every value goes as a parameter.
        conditions = [f"{name} = :{name}" for name in given]
        if question.before is not None:
            conditions.append("serial < :before")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        sql = f"SELECT serial, record FROM records{where} ORDER BY serial DESC LIMIT :most"  # noqa: S608
        values = {**given, "before": question.before, "most": question.most}
        with self._told("read"):
            rows = self._link.execute(sql, values).fetchall()
        return [(int(serial), bytes(record)) for serial, record in rows]

    def count(self) -> int:
        """How many there are.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._told("read"):
            return int(self._link.execute("SELECT count(*) FROM records").fetchone()[0])

    def close(self) -> None:
        """Closes the file."""
        self._link.close()

    def _size_bytes(self) -> int:
        return int(self._link.execute("SELECT size_bytes FROM totals").fetchone()[0])

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self._path}: the records cannot be {what}: {error}") from error
