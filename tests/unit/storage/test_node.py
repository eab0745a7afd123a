"""LMDB environments: opening, errors, and the rule about forks."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from lukhas.errors import StateDirError, StoreError
from lukhas.storage.node import NodeEnvironment, prepare_state_dir
from lukhas.units import KIB, MIB


def _run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A committed value is read, by get and in a view."""
    node = NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB)
    with node.writing() as transaction:
        transaction.put(b"key", b"value")
    assert node.get(b"key") == b"value"
    assert node.get(b"other") is None
    with node.reading() as transaction:
        assert transaction.get(b"key") == b"value"
    node.close()
    node.close()


def test_a_failed_write_is_undone(tmp_path: Path) -> None:
    """A block that raises leaves nothing behind, and its error passes through."""
    node = NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB)

    def write_and_fail() -> None:
        with node.writing() as transaction:
            transaction.put(b"key", b"value")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert node.get(b"key") is None
    node.close()


def test_the_files_are_private(tmp_path: Path) -> None:
    """Data and lock file have mode 0600, whatever the umask lets through."""
    node = NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB)
    assert (tmp_path / "a.lmdb").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a.lmdb-lock").stat().st_mode & 0o777 == 0o600
    node.close()


def test_a_full_map_says_what_to_do(tmp_path: Path) -> None:
    """MDB_MAP_FULL becomes a StoreError with the size; the data stays readable."""
    node = NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB)
    with node.writing() as transaction:
        transaction.put(b"key", b"value")
    with (
        pytest.raises(StoreError, match="full at 1 MiB: remove entries") as caught,
        node.writing() as transaction,
    ):
        transaction.put(b"large", bytes(2 * MIB))
    assert isinstance(caught.value.__cause__, lmdb.MapFullError)
    assert node.get(b"key") == b"value"
    node.close()


def test_a_larger_map_of_another_process_is_taken_over(tmp_path: Path) -> None:
    """When another process has grown the file beyond our map, reading goes on."""
    path = tmp_path / "a.lmdb"
    small = NodeEnvironment(path, map_size_bytes=64 * KIB)
    grow = (
        "import sys, pathlib\n"
        "from lukhas.storage.node import NodeEnvironment\n"
        "node = NodeEnvironment(pathlib.Path(sys.argv[1]), map_size_bytes=int(sys.argv[2]))\n"
        "with node.writing() as transaction:\n"
        "    transaction.put(sys.argv[3].encode(), bytes(int(sys.argv[2]) // 2))"
    )
    _run(grow, str(path), str(4 * MIB), "one")
    found = small.get(b"one")
    assert found is not None
    assert len(found) == 2 * MIB
    assert small.map_size_bytes == 4 * MIB
    _run(grow, str(path), str(16 * MIB), "two")
    with small.writing() as transaction:
        assert transaction.get(b"two") is not None
    small.close()


def test_a_second_open_in_one_process_is_refused(tmp_path: Path) -> None:
    """LMDB's locks are per process: opening twice would share and then lose them."""
    node = NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB)
    with pytest.raises(StoreError, match="already open"):
        NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB)
    node.close()
    NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB).close()


def test_a_shared_environment_is_closed_by_the_last(tmp_path: Path) -> None:
    """Several apps of one process may use one file, each as if it were alone."""
    path = tmp_path / "a.lmdb"
    first, second = (NodeEnvironment(path, map_size_bytes=MIB, shared=True) for _ in range(2))
    with first.writing() as transaction:
        transaction.put(b"key", b"value")
    first.close()
    first.close()
    assert second.get(b"key") == b"value"
    with pytest.raises(StoreError, match="already open"):
        NodeEnvironment(path, map_size_bytes=MIB)
    second.close()
    with pytest.raises(StoreError):
        second.get(b"key")
    NodeEnvironment(path, map_size_bytes=MIB).close()


def test_a_shared_environment_of_a_parent_is_not_ours(tmp_path: Path) -> None:
    """A forked child is not given what its parent opened: the locks of it are not its own."""
    output = _run(
        "import os, sys, pathlib\n"
        "from lukhas.errors import StoreError\n"
        "from lukhas.storage.node import NodeEnvironment\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "node = NodeEnvironment(path, map_size_bytes=1 << 20, shared=True)\n"
        "if os.fork() == 0:\n"
        "    try:\n"
        "        NodeEnvironment(path, map_size_bytes=1 << 20, shared=True)\n"
        "    except StoreError:\n"
        "        print('child: refused', flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print('parent:', node.get(b'x'))\n",
        str(tmp_path / "a.lmdb"),
    )
    assert output == "child: refused\nparent: None\n"


def test_an_environment_does_not_survive_a_fork(tmp_path: Path) -> None:
    """A forked child is refused, its close touches nothing, and the parent goes on."""
    output = _run(
        "import os, sys, pathlib\n"
        "from lukhas.errors import StoreError\n"
        "from lukhas.storage.node import NodeEnvironment\n"
        "node = NodeEnvironment(pathlib.Path(sys.argv[1]), map_size_bytes=1 << 20)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try:\n"
        "        node.get(b'x')\n"
        "    except StoreError as error:\n"
        "        print('child:', error, flush=True)\n"
        "    node.close()\n"
        "    os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
        "print('parent:', node.get(b'x'))\n",
        str(tmp_path / "a.lmdb"),
    )
    child, parent = output.splitlines()
    assert "before this process was forked" in child
    assert parent == "parent: None"


def test_a_missing_directory_is_a_state_dir_error(tmp_path: Path) -> None:
    """What the file system refuses is told as such, with the path."""
    with pytest.raises(StateDirError, match="No such file"):
        NodeEnvironment(tmp_path / "none" / "a.lmdb", map_size_bytes=MIB)
    (tmp_path / "folder.lmdb").mkdir()
    with pytest.raises(StateDirError, match=r"folder\.lmdb"):
        NodeEnvironment(tmp_path / "folder.lmdb", map_size_bytes=MIB)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """A file that is not LMDB's is left alone."""
    file = tmp_path / "a.lmdb"
    file.write_bytes(b"junk" * 5000)
    with pytest.raises(StoreError, match="not a usable LMDB file"):
        NodeEnvironment(file, map_size_bytes=MIB)
    assert file.read_bytes() == b"junk" * 5000


def test_use_after_close_is_a_store_error(tmp_path: Path) -> None:
    """A closed environment fails in the product's words."""
    node = NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB)
    node.close()
    with pytest.raises(StoreError, match=r"a\.lmdb"):
        node.get(b"x")
    with pytest.raises(StoreError, match=r"a\.lmdb"), node.reading():
        pass


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (lmdb.ReadersFullError("x"), "stop processes"),
        (lmdb.CorruptedError("x"), "delete it"),
        (lmdb.PageNotFoundError("x"), "delete it"),
        (lmdb.BadTxnError("x"), "a.lmdb: x"),
    ],
)
def test_errors_say_what_to_do(tmp_path: Path, error: lmdb.Error, advice: str) -> None:
    """Each known failure of LMDB comes with what to do."""
    node = NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB)
    assert advice in str(node.store_error(error))
    node.close()


def test_a_state_dir_is_made_private(tmp_path: Path) -> None:
    """A missing one is made with mode 0700; an existing one is taken as it is."""
    path = tmp_path / "a" / "state"
    assert prepare_state_dir(path) == path
    assert path.stat().st_mode & 0o777 == 0o700
    path.chmod(0o755)
    prepare_state_dir(path)
    assert path.stat().st_mode & 0o777 == 0o755


def test_a_state_dir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A file in its place is an error that names it."""
    (tmp_path / "state").touch()
    with pytest.raises(StateDirError, match="state directory"):
        prepare_state_dir(tmp_path / "state")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_dir_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Without the right to write, the error says so."""
    tmp_path.chmod(0o500)
    with pytest.raises(StateDirError, match="cannot be written"):
        prepare_state_dir(tmp_path)


def blocks_bytes(path: Path) -> int:
    return path.stat().st_blocks * 512


def full(_descriptor: int, _begin: int, _bytes: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_room_is_taken_before_it_is_written(tmp_path: Path) -> None:
    """What is written through the map next has its blocks: a hole could end the process."""
    path = tmp_path / "a.lmdb"
    node = NodeEnvironment(path, map_size_bytes=64 * MIB, durable=False, writable_map=True)
    assert blocks_bytes(path) < MIB
    with node.writing():
        node.make_room()
    assert 8 * MIB <= blocks_bytes(path) < 32 * MIB
    with node.writing() as transaction:
        transaction.put(b"key", b"v" * 12 * MIB)
    with node.writing():
        node.make_room()
    assert blocks_bytes(path) >= 20 * MIB
    node.close()


def test_room_ends_with_the_map(tmp_path: Path) -> None:
    """No more is taken than the file may grow to, and that once."""
    path = tmp_path / "a.lmdb"
    node = NodeEnvironment(path, map_size_bytes=MIB, durable=False, writable_map=True)
    for _ in range(2):
        with node.writing():
            node.make_room()
    assert path.stat().st_size == MIB
    node.close()


def test_a_full_disk_is_a_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room nothing is written; with room again it goes on."""
    path = tmp_path / "a.lmdb"
    node = NodeEnvironment(path, map_size_bytes=MIB, durable=False, writable_map=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(StoreError, match=r"cannot grow .*No space left.*make room"):
            node.make_room()
    node.make_room()
    node.close()


def test_a_file_system_that_keeps_no_blocks_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a full one is in the way."""

    def unable(_descriptor: int, _begin: int, _bytes: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "posix_fallocate", unable)
    path = tmp_path / "a.lmdb"
    node = NodeEnvironment(path, map_size_bytes=MIB, durable=False, writable_map=True)
    node.make_room()
    node.close()


def test_a_lock_file_has_its_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LMDB writes it through a map; on a full disk it is not begun."""
    (tmp_path / "a.lmdb-lock").touch()
    NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB).close()
    assert blocks_bytes(tmp_path / "a.lmdb-lock") >= 64 * KIB
    monkeypatch.setattr(os, "posix_fallocate", full)
    NodeEnvironment(tmp_path / "a.lmdb", map_size_bytes=MIB).close()
    with pytest.raises(StateDirError, match=r"No space left.*make room"):
        NodeEnvironment(tmp_path / "b.lmdb", map_size_bytes=MIB)
