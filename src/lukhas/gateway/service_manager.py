"""What a service manager such as systemd says to us and hears from us.

Sources: sd_notify(3), sd_listen_fds(3) and the notify-reload section of systemd.service(5).
"""

import logging
import os
import socket
import time
from collections.abc import Mapping

from lukhas.config.sources import process_environment
from lukhas.errors import ConfigError

__all__ = ("activation_sockets", "environment_of_children", "monotonic_us", "notify")

_log = logging.getLogger("lukhas.supervisor")

_FIRST_DESCRIPTOR = 3
_MOST_SOCKETS = 2
_FOR_US_ALONE = ("NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def environment_of_children() -> dict[str, str]:
    """The environment without what the service manager says to this process alone."""
    environ = process_environment()
    return {name: value for name, value in environ.items() if name not in _FOR_US_ALONE}


def notify(*lines: str) -> None:
    """Tells the service manager something such as `READY=1`, if it wants to hear it."""
    address = process_environment().get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # The abstract namespace.
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        _log.warning("the service manager cannot be told %s: %s", lines[0], error)


def monotonic_us() -> int:
    """The time that goes with `RELOADING=1`, in microseconds (CLOCK_MONOTONIC)."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def activation_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """The listening sockets that this process was started with: data plane, then admin plane.

    None, one or two of them; they begin at descriptor 3.

    Raises:
        ConfigError: there are more, or one is no listening TCP socket.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = environ.get("LISTEN_FDS", "")
    if not count.isdecimal() or int(count) > _MOST_SOCKETS:
        raise ConfigError(
            f"{count!r} sockets were handed over",
            where="LISTEN_FDS",
            hint="hand over one for the data plane and at most one more for the admin plane",
        )
    return [_listening(_FIRST_DESCRIPTOR + index) for index in range(int(count))]


def _listening(descriptor: int) -> socket.socket:
    hint = "use ListenStream= with an address and a port"
    where = f"descriptor {descriptor}"
    try:
        inherited = socket.socket(fileno=descriptor)
        is_tcp = inherited.family in {socket.AF_INET, socket.AF_INET6}
        listens = inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ConfigError(f"is no socket ({error.strerror})", where=where, hint=hint) from None
    if not (is_tcp and listens):
        inherited.close()
        raise ConfigError("is no listening TCP socket", where=where, hint=hint)
    inherited.set_inheritable(False)
    inherited.setblocking(False)
    # Accepted connections take it over; without it small answers wait for 40 ms.
    inherited.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return inherited
