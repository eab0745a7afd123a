"""The server's pepper."""

import hmac
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lukhas.errors import StateDirError
from lukhas.identity.pepper import PEPPER_FILE, Pepper, load_pepper


def test_the_digest_is_hmac_sha256() -> None:
    """RFC 2104 with SHA-256 under the pepper."""
    assert Pepper(b"p" * 32).digest(b"body") == hmac.digest(b"p" * 32, b"body", "sha256")


def test_a_pepper_is_made_once(tmp_path: Path) -> None:
    """The first load makes the file with mode 0600, later ones read the same."""
    first = load_pepper(tmp_path / "state")
    second = load_pepper(tmp_path / "state")
    file = tmp_path / "state" / PEPPER_FILE
    assert first.digest(b"x") == second.digest(b"x")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_bytes()) == 32
    assert load_pepper(tmp_path / "other").digest(b"x") != first.digest(b"x")


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    """Several processes at first use get the same pepper."""
    code = (
        "import sys, pathlib\n"
        "from lukhas.identity.pepper import load_pepper\n"
        "print(load_pepper(pathlib.Path(sys.argv[1])).fingerprint())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    prints = {process.communicate()[0] for process in running}
    assert prints == {load_pepper(tmp_path).fingerprint().encode() + b"\n"}


def test_a_pepper_others_can_read_is_refused(tmp_path: Path) -> None:
    """A file readable by group or world is refused, with what to do."""
    load_pepper(tmp_path)
    (tmp_path / PEPPER_FILE).chmod(0o640)
    with pytest.raises(StateDirError, match="chmod 600"):
        load_pepper(tmp_path)


@pytest.mark.parametrize("length", [1, 31, 33])
def test_a_damaged_pepper_is_refused(tmp_path: Path, length: int) -> None:
    """A file of another length is never replaced: all keys would be lost."""
    file = tmp_path / PEPPER_FILE
    file.touch(0o600)
    file.write_bytes(b"p" * length)
    with pytest.raises(StateDirError, match="damaged"):
        load_pepper(tmp_path)
    assert file.read_bytes() == b"p" * length


def test_a_pepper_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A directory or a link in its place is an error that names it."""
    (tmp_path / "a" / PEPPER_FILE).mkdir(parents=True)
    with pytest.raises(StateDirError, match="pepper"):
        load_pepper(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / PEPPER_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateDirError, match="pepper"):
        load_pepper(tmp_path / "b")
    assert not (tmp_path / "elsewhere").exists()


def test_a_pepper_does_not_show_itself(tmp_path: Path) -> None:
    """Neither repr nor pickle gives the secret away."""
    pepper = load_pepper(tmp_path)
    secret = (tmp_path / PEPPER_FILE).read_bytes()
    assert repr(pepper) == f"Pepper({pepper.fingerprint()})"
    assert secret.hex()[:16] not in repr(pepper)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(pepper)


def test_a_short_pepper_is_refused() -> None:
    """A pepper has 32 bytes."""
    with pytest.raises(ValueError, match="32 bytes"):
        Pepper(b"short")
