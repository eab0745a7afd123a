"""lukhas.storage.body_files: large bodies in files, whole or not at all."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from lukhas.errors import StoreError
from lukhas.storage import body_files
from lukhas.storage.body_files import BodyFiles, BodyReader

BODY = bytes(range(256)) * 1000  # Not a whole number of pieces.


@pytest.fixture
def files(tmp_path: Path) -> BodyFiles:
    return BodyFiles(tmp_path / "bodies", 4_000_000)


def kept(files: BodyFiles, serial: int, body: bytes = BODY, *, by: int = 10_000) -> None:
    part = files.begin()
    for at in range(0, len(body), by):
        part.write(body[at : at + by])
    assert part.finish() == sha256(body).digest()
    assert part.size_bytes == len(body)
    assert files.keep(part, serial)


async def read(reader: BodyReader | None, start: int = 0, end: int = len(BODY)) -> bytes:
    assert reader is not None
    return b"".join([piece async for piece in reader.pieces(start, end)])


async def into(given: bytearray, reader: BodyReader) -> None:
    async for piece in reader.pieces(0, len(BODY)):
        given += piece


def names(files: BodyFiles) -> list[str]:
    return sorted(path.name for path in files._folder.iterdir())


@pytest.mark.parametrize("by", [1_000, 65_532, 65_536, len(BODY)])
async def test_a_body_comes_back_as_it_was_written(files: BodyFiles, by: int) -> None:
    kept(files, 7, by=by)
    assert await read(files.open(7, len(BODY))) == BODY
    assert files.largest_bytes == 1_000_000


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 1), (65_531, 65_533), (65_532, 131_064), (100, 100), (255_999, 256_000), (1, 255_999)],
)
async def test_any_part_of_it(files: BodyFiles, start: int, end: int) -> None:
    kept(files, 7)
    assert await read(files.open(7, len(BODY)), start, end) == BODY[start:end]


async def test_what_is_not_in_memory_is_read_by_a_thread(
    files: BodyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_descriptor: int, _index: int) -> bytes:
        return b""

    kept(files, 7)
    monkeypatch.setattr(body_files, "_read_cached", nothing)
    assert await read(files.open(7, len(BODY))) == BODY


async def test_a_file_system_that_cannot_tell(
    files: BodyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_arguments: object) -> int:
        raise OSError(95, "not supported")

    kept(files, 7)
    monkeypatch.setattr(os, "preadv", unsupported)
    assert await read(files.open(7, len(BODY))) == BODY


async def test_who_reads_reads_on_when_it_goes(files: BodyFiles) -> None:
    kept(files, 7)
    reader = files.open(7, len(BODY))
    files.drop(7)
    files.drop(7)
    assert files.open(7, len(BODY)) is None
    assert await read(reader) == BODY


async def test_an_update_has_the_same_file(files: BodyFiles) -> None:
    kept(files, 7)
    kept(files, 8, b"of a change that was undone")
    assert files.share(7, 8)
    files.drop(7)
    assert await read(files.open(8, len(BODY))) == BODY
    assert not files.share(7, 9)


@pytest.mark.parametrize("at", [0, 4, 70_000, -1])
async def test_nothing_damaged_is_given(files: BodyFiles, at: int) -> None:
    told: list[str] = []
    kept(files, 7)
    path = files._path(7)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    reader = files.open(7, len(BODY), lambda: told.append("damaged"))
    assert reader is not None
    given = bytearray()
    with pytest.raises(StoreError, match="damaged"):
        await into(given, reader)
    assert BODY.startswith(given)
    assert told == ["damaged"]
    again = files.open(7, len(BODY))
    with pytest.raises(StoreError, match="damaged"):
        await read(again)


async def test_pieces_that_changed_places_are_damage(files: BodyFiles) -> None:
    kept(files, 7, b"a" * 65_532 + b"b" * 65_532)
    path = files._path(7)
    data = path.read_bytes()
    path.write_bytes(data[65_536:] + data[:65_536])
    with pytest.raises(StoreError):
        await read(files.open(7, 131_064), 0, 131_064)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x"])
def test_a_file_of_another_length_is_none(
    files: BodyFiles, change: Callable[[bytes], bytes]
) -> None:
    kept(files, 7)
    path = files._path(7)
    path.write_bytes(change(path.read_bytes()))
    assert files.open(7, len(BODY)) is None


async def test_a_file_that_is_cut_while_it_is_read(files: BodyFiles) -> None:
    kept(files, 7)
    reader = files.open(7, len(BODY))
    os.truncate(files._path(7), 100_000)
    with pytest.raises(StoreError):
        await read(reader)


def test_a_part_that_is_not_kept_goes(files: BodyFiles) -> None:
    part = files.begin()
    part.write(BODY)
    part.drop()
    part.drop()
    other = files.begin()
    other.write(BODY)
    del other
    assert names(files) == []


def test_a_part_that_was_taken_away_is_not_kept(files: BodyFiles) -> None:
    part = files.begin()
    part._path.unlink()
    assert not files.keep(part, 7)
    part.drop()


def test_what_nobody_has_is_swept_away(files: BodyFiles) -> None:
    """Parts of living writers stay: they hold a lock, which ends with the process."""
    kept(files, 7)
    kept(files, 8)
    living = files.begin()
    (files._folder / "part-1-0").write_bytes(b"of a process that was killed")
    (files._folder / "odd").write_bytes(b"?")
    files.sweep(lambda serial: serial == 7)
    assert names(files) == ["0000000000000007", living._path.name]
    files.clear()
    assert names(files) == [living._path.name]


def test_a_part_that_goes_while_we_sweep(files: BodyFiles) -> None:
    body_files._drop_part(files._folder / "part-1-0")
    assert names(files) == []
