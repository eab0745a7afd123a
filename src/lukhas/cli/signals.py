"""`lukhas reload` and `lukhas upgrade`: tell a running gateway to renew itself."""

import os
import signal
import sys

from lukhas.cli.options import ConfigFile, StateDir, load_state_dir
from lukhas.errors import StateDirError

__all__ = ("reload", "upgrade")


def reload(*, config: ConfigFile = None, state_dir: StateDir = None) -> None:
    """Make the running gateway read its settings again, without losing a request.

    It is found by its state directory. What came of it is in its log.
    """
    _tell(signal.SIGHUP, "read its settings again", config, state_dir)


def upgrade(*, config: ConfigFile = None, state_dir: StateDir = None) -> None:
    """Make the running gateway take up newly installed code, without losing a request.

    It is found by its state directory. What came of it is in its log.
    """
    _tell(signal.SIGUSR2, "take up new code", config, state_dir)


def _tell(what: signal.Signals, to_do: str, config: ConfigFile, state_dir: StateDir) -> None:
    from lukhas.gateway.pid_file import running_gateway

    folder = load_state_dir(state_dir, config)
    hint = "start one with lukhas serve, or name its state directory with --state-dir"
    try:
        pid = running_gateway(folder)
        if pid is None:
            raise StateDirError(f"{folder}: no gateway runs on this state directory: {hint}")
        os.kill(pid, what)
    except OSError as error:
        reason = f"the gateway cannot be told ({error.strerror})"
        raise StateDirError(f"{folder}: {reason}: use the account that it runs under") from None
    sys.stderr.write(f"lukhas: told the gateway (pid {pid}) to {to_do}: see its log\n")
