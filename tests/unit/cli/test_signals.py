"""`lukhas reload` and `lukhas upgrade` tell the gateway of a state directory."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lukhas.cli.main import run
from lukhas.gateway.control import Control
from lukhas.gateway.orders import Orders
from lukhas.gateway.pid_file import PidFile
from lukhas.hub.control_link import CONTROL_SOCKET, Outcome, ParentStatus

DONE = Outcome(order="reload", done=True, detail="generation 2", time_ns=1, finished=True)
REFUSED = Outcome(order="reload", done=False, detail="g.toml:6: bad", time_ns=1, finished=True)


@contextmanager
def gateway(state_dir: Path, outcome: Outcome | None) -> Iterator[None]:
    """A gateway that answers an order so; None ends without a word."""
    ready = threading.Event()

    async def answer() -> None:
        orders = Orders()
        control = Control(orders, lambda: ParentStatus(generation=1, workers_wanted=1))
        await control.listen(state_dir / CONTROL_SOCKET)
        ready.set()
        ticket = await orders.next()
        if outcome is not None:
            ticket.tell(outcome)
            while control._connections:  # noqa: ASYNC110 - until the other end has heard it
                await asyncio.sleep(0)
        await control.close()

    pid_file = PidFile(state_dir)
    thread = threading.Thread(target=lambda: asyncio.run(answer()))
    thread.start()
    ready.wait(10)
    yield
    thread.join(10)
    pid_file.close()


@pytest.mark.parametrize(
    ("outcome", "code", "told"),
    [
        (DONE, 0, "lukhas: reload done: generation 2"),
        (REFUSED, 2, "lukhas: reload refused, nothing has changed: g.toml:6: bad"),
        (None, 2, "lukhas: reload refused, nothing has changed: the gateway has ended"),
    ],
)
def test_what_comes_of_it_is_told(
    outcome: Outcome | None,
    code: int,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, and 2 if nothing has changed."""
    with gateway(tmp_path, outcome):
        assert run(["reload", "--state-dir", str(tmp_path)]) == code
    assert capsys.readouterr().err == f"{told}\n"


@pytest.mark.parametrize(
    ("command", "sent"), [("reload", signal.SIGHUP), ("upgrade", signal.SIGUSR2)]
)
def test_the_running_one_is_told(
    command: str,
    sent: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without its socket, the process that holds the state directory gets the signal."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, what: told.append((pid, what)))
    pid_file = PidFile(tmp_path)
    assert run([command, "--state-dir", str(tmp_path)]) == 0
    pid_file.close()
    assert told == [(os.getpid(), sent)]
    assert f"pid {os.getpid()}" in capsys.readouterr().err


def test_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2."""
    assert run(["reload", "--state-dir", str(tmp_path)]) == 2
    assert "no gateway runs on this state directory" in capsys.readouterr().err


def test_one_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that may not be signalled is a mistake with a way out."""

    def refuse(_pid: int, _what: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    pid_file = PidFile(tmp_path)
    assert run(["upgrade", "--state-dir", str(tmp_path)]) == 2
    pid_file.close()
    assert "use the account that it runs under" in capsys.readouterr().err
