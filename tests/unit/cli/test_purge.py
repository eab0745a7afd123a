"""`lukhas purge` takes responses out of the state directory, and says how many."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.cli.main import run
from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.storage.entries import StoredResponse
from lukhas.storage.node_entries import NodeEntryStore
from lukhas.storage.node_entry_opening import open_node_entry_file
from lukhas.testing.redis_server import RedisServer
from lukhas.units import MIB, SECOND_NS

TERMS = ReuseTerms(Freshness(0, 0, 60 * SECOND_NS, "max-age"), False, False, 0, True, True)


def entry(path: bytes, *tags: str) -> StoredResponse:
    return StoredResponse(
        ("http", b"a.example", path, b"", ""),
        status=200,
        headers=Headers([]),
        body=b"",
        vary=(),
        selected_by=(),
        selected_raw=None,
        terms=TERMS,
        tags=frozenset(tags),
    )


def fill(folder: Path) -> None:
    store = NodeEntryStore(open_node_entry_file(folder, 256 * MIB))
    for one in (entry(b"/a/1", "red"), entry(b"/a/2"), entry(b"/b", "red"), entry(b"/c")):
        assert store.put(one, store.ticket())
    store.close()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (["--url", "http://a.example/b"], "removed 1 response\n"),
        (["--tag", "red"], "removed 2 responses\n"),
        (["--prefix", "http://a.example/a/"], "removed 2 responses\n"),
        (["--prefix", "/a/"], "removed 2 responses\n"),
        (["--all"], "removed 4 responses\n"),
        (["--tag", "red", "--soft"], "ended the freshness of 2 responses\n"),
    ],
)
def test_it_says_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], choice: list[str], told: str
) -> None:
    """By address, tag, prefix, or everything."""
    fill(tmp_path)
    assert run(["purge", *choice, "--state-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == told


@pytest.mark.parametrize(
    ("choice", "wrong"),
    [
        ([], "lukhas: purge: it must be said what to purge: give one of url, tag, prefix, all\n"),
        (
            ["--all", "--tag", "a"],
            "lukhas: purge: it must be said what to purge: give one of url, tag, prefix, all\n",
        ),
        (["--tag", ""], "lukhas: purge: a tag has at least one character: name the tag\n"),
        (
            ["--url", "a"],
            "lukhas: purge: 'a' is not an http URL: write it like https://api.example.com/path\n",
        ),
    ],
)
def test_one_choice_must_be_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], choice: list[str], wrong: str
) -> None:
    """A mistake is told in one line."""
    assert run(["purge", *choice, "--state-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == wrong


def test_a_directory_without_a_cache_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made there: another user's directory would look like a cache that is empty."""
    assert run(["purge", "--all", "--state-dir", str(tmp_path / "sate")]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err == (
        f"lukhas: purge: there is no cache in {tmp_path / 'sate'}: "
        "name the state directory of the gateway with --state-dir\n"
    )
    assert not list(tmp_path.iterdir())


def test_where_nothing_is_shared_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else can purge what a worker has for itself."""
    monkeypatch.setenv("LUKHAS_CACHE__DISK_BYTES", "0")
    assert run(["purge", "--all", "--state-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "lukhas: cache.disk_bytes: each worker has its cache for itself: nobody else can purge it: "
        "set it, or cache.redis\n"
    )


def test_other_nodes_are_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    server: RedisServer,
) -> None:
    """With a Redis, also where this node keeps nothing on disk; a dead one is an error."""
    monkeypatch.setenv("LUKHAS_CACHE__REDIS", server.url)
    monkeypatch.setenv("LUKHAS_CACHE__DISK_BYTES", "0")
    assert run(["purge", "--tag", "red", "--state-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "removed 0 responses, and told the other nodes\n"
    assert server.ask("LLEN", "lukhas:{cache}:log") == b":1\r\n"
    server.kill()
    assert run(["purge", "--all", "--state-dir", str(tmp_path)]) == 2
    assert "cannot be connected" in capsys.readouterr().err
