"""`lukhas reload` and `lukhas upgrade`: make a running gateway renew itself."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lukhas.cli.options import ConfigFile, StateDir, load_state_dir
from lukhas.errors import LukhasError, StateDirError

if TYPE_CHECKING:
    from lukhas.hub.control_link import Outcome

__all__ = ("RenewalRefusedError", "reload", "upgrade")

_DEADLINE_S = 120.0
_SIGNALS = {"reload": signal.SIGHUP, "upgrade": signal.SIGUSR2}


class RenewalRefusedError(LukhasError):
    """A running gateway did not renew itself; nothing about it has changed.

    Attributes:
        order: what it was asked for.
        detail: why it did not.
    """

    def __init__(self, order: str, detail: str) -> None:
        self.order = order
        self.detail = detail
        super().__init__(f"{order} refused, nothing has changed: {detail}")


def reload(*, config: ConfigFile = None, state_dir: StateDir = None) -> None:
    """Make the running gateway read its settings again, without losing a request.

    It is found by its state directory. A mistake in the settings changes nothing, and gives 2.
    """
    _tell("reload", config, state_dir)


def upgrade(*, config: ConfigFile = None, state_dir: StateDir = None) -> None:
    """Make the running gateway take up newly installed code, without losing a request.

    It is found by its state directory. If the new code does not start, nothing changes.
    """
    _tell("upgrade", config, state_dir)


def _tell(order: Literal["reload", "upgrade"], config: ConfigFile, state_dir: StateDir) -> None:
    from lukhas.gateway.pid_file import running_gateway

    folder = load_state_dir(state_dir, config)
    try:
        pid = running_gateway(folder)
        if pid is None:
            hint = "start one with lukhas serve, or name its state directory with --state-dir"
            raise StateDirError(f"{folder}: no gateway runs on this state directory: {hint}")
        outcome = _asked(folder, order, pid)
    except OSError as error:
        reason = f"the gateway cannot be told ({error.strerror or error})"
        raise StateDirError(f"{folder}: {reason}: use the account that it runs under") from None
    if outcome is None:
        sys.stderr.write(f"lukhas: told the gateway (pid {pid}) to {order}: see its log\n")
    elif outcome.done:
        sys.stderr.write(f"lukhas: {order} done: {outcome.detail}\n")
    else:
        raise RenewalRefusedError(order, outcome.detail)


def _asked(folder: Path, order: Literal["reload", "upgrade"], pid: int) -> "Outcome | None":
    """What came of it; None where the gateway cannot tell it, and was only sent a signal.

    Raises:
        RenewalRefusedError: it ended meanwhile.
        OSError: it may not be told by this user, or does not answer in time.
    """
    from lukhas.hub.control_link import CONTROL_SOCKET, outcome_of

    path = folder / CONTROL_SOCKET
    if not path.exists():
        os.kill(pid, _SIGNALS[order])
        return None

    async def waited() -> "Outcome | None":
        async with asyncio.timeout(_DEADLINE_S):
            return await outcome_of(path, order, finished=True)

    outcome = asyncio.run(waited())
    if outcome is None:
        raise RenewalRefusedError(order, "the gateway has ended")
    return outcome
