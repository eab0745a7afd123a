"""`lukhas demo`: what it prints works, and Ctrl-C ends all of it."""

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.kit import LUKHAS, Service, descendants, is_running, wait_for


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Service]:
    """A demo that has said how to use it."""
    flags = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    service = Service([*LUKHAS, "demo", *flags], tmp_path, {"TMPDIR": str(tmp_path)})
    try:
        service.wait_for_output("Ctrl-C stops everything")
        yield service
    finally:
        # Its children end when it does, however that comes about.
        service.kill()


def _shell(line: str) -> str:
    done = subprocess.run(
        ["bash", "-c", line.replace("curl ", "curl -q --noproxy '*' --max-time 5 -s ")],
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_printed_lines_work_and_ctrl_c_ends_everything(demo: Service, tmp_path: Path) -> None:
    """Each printed curl line does what it says; after Ctrl-C no process and no folder is left."""
    said = demo.stdout
    lines = re.findall(r"^  ((?:curl|for) .*?)(?:\s+#.*)?$", said, re.MULTILINE)
    twice, with_key, stream, many = lines
    _shell(twice)
    assert "cache-status: lukhas; hit" in _shell(twice).lower()
    assert '"premium-minute"' in _shell(with_key)
    assert _shell(stream).count("event: order") >= 2
    statuses = _shell(many).split()
    assert len(statuses) == 70
    assert set(statuses) == {"200", "429"}

    found = re.search(r"dashboard:\s+(http://\S+)\s+\(token: (\S+)\)", said)
    assert found is not None
    headers = {"authorization": f"Bearer {found[2]}"}

    def traffic() -> bool:
        status = httpx.get(f"{found[1]}api/v1/status", headers=headers, trust_env=False).json()
        return status["traffic"]["requests_total"] > 70 and len(status["tiers"]) >= 4

    wait_for(traffic, "traffic of several tiers")

    family = descendants(demo.process.pid)
    assert len(family) >= 4
    code = demo.end(signal.SIGINT)
    wait_for(lambda: not [pid for pid in family if is_running(pid)], "end of all its processes")
    assert code in {0, 130}
    assert "Traceback" not in demo.stderr
    assert not list(tmp_path.glob("lukhas-*"))
