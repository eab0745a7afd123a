"""Decision records in a file."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from lukhas.errors import StoreError
from lukhas.policy.explain.records import DecisionRecord, RouteFacts
from lukhas.storage.record_files import RECORDS_FILE, RecordFile, RecordQuestion
from tests.unit.policy.explain.test_reevaluation import RECORD


def kept(file: RecordFile, *records: DecisionRecord) -> None:
    file.keep([(record, msgspec.msgpack.encode(record)) for record in records])


def ids(file: RecordFile, question: RecordQuestion) -> list[str]:
    rows = file.ask(question)
    return [msgspec.msgpack.decode(data, type=DecisionRecord).request_id for _serial, data in rows]


def named(request_id: str, **values: object) -> DecisionRecord:
    return replace(RECORD, request_id=request_id, **values)  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[RecordFile]:
    file = RecordFile(tmp_path / RECORDS_FILE, most_records=3)
    yield file
    file.close()


def test_records_outlive_the_process_and_are_private(file: RecordFile, tmp_path: Path) -> None:
    """A reader finds them while they are written; of two with one id the later."""
    kept(file, named("a"), named("a", status=404))
    path = tmp_path / RECORDS_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    reader = RecordFile(path, read_only=True)
    data = reader.find("a")
    assert data is not None
    assert msgspec.msgpack.decode(data, type=DecisionRecord).status == 404
    assert reader.find("b") is None
    reader.close()


def test_the_oldest_go_when_there_are_too_many(file: RecordFile) -> None:
    """Three are kept of five."""
    for name in "abcde":
        kept(file, named(name))
    assert file.count() == 3
    assert ids(file, RecordQuestion()) == ["e", "d", "c"]


def test_the_oldest_go_when_they_take_too_much(tmp_path: Path) -> None:
    """However few there are."""
    file = RecordFile(tmp_path / RECORDS_FILE, most_bytes=40_000)
    for number in range(300):
        kept(file, named(str(number)))
    assert 0 < file.count() <= 200
    assert ids(file, RecordQuestion(most=1)) == ["299"]
    file.close()


def test_questions_narrow_and_page(file: RecordFile) -> None:
    """By everything there is a column for, the newest first."""
    route = RouteFacts("items", "/items")
    kept(
        file,
        named("a", why="refused", status=429, consumer="k1"),
        named("b", route=route, cache_result="hit"),
        named("c", why="refused", status=401),
    )
    assert ids(file, RecordQuestion(why="refused")) == ["c", "a"]
    assert ids(file, RecordQuestion(why="refused", status=429)) == ["a"]
    assert ids(file, RecordQuestion(route="items")) == ["b"]
    assert ids(file, RecordQuestion(cache="hit")) == ["b"]
    assert ids(file, RecordQuestion(consumer="k1")) == ["a"]
    first = file.ask(RecordQuestion(most=2))
    assert ids(file, RecordQuestion(before=first[-1][0])) == ["a"]


def test_what_is_no_file_of_records_is_told(tmp_path: Path) -> None:
    """With its place."""
    path = tmp_path / RECORDS_FILE
    path.write_bytes(b"x" * 4096)
    with pytest.raises(StoreError, match="records cannot be opened"):
        RecordFile(path)
    reader = RecordFile(path, read_only=True)
    with pytest.raises(StoreError, match="records cannot be read"):
        reader.find("a")
    reader.close()
