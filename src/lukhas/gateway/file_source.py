"""The servers of an upstream from a file that somebody else writes."""

import asyncio
import os
from pathlib import Path

from lukhas.config.targets import TargetAddress, parse_target
from lukhas.errors import ConfigError
from lukhas.gateway.discovery import DiscoveryError, FoundServer, FoundServers

__all__ = ("FileSource", "read_servers")

_LOOK_EVERY_S = 1.0
_MOST_BYTES = 1024 * 1024
_MOST_WEIGHT = 1_000_000


class FileSource:
    """Looks at a file once a second, and reads it when it is another one or was changed.

    A file with a mistake is as good as none: what was known stays.

    Args:
        path: the file.
        like: how servers are spoken to that do not say so themselves: scheme and prefix.
    """

    def __init__(self, path: Path, like: TargetAddress) -> None:
        self._path = path
        self._like = like
        self._state: tuple[int, int, int] = (0, 0, 0)
        self._known: tuple[FoundServer, ...] = ()

    async def find(self) -> FoundServers:
        """See `ServerSource`."""
        return await asyncio.to_thread(self._found)

    def _found(self) -> FoundServers:
        try:
            with self._path.open("rb") as file:
                stat = os.fstat(file.fileno())
                state = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
                if not self._known or state != self._state:
                    self._known = read_servers(file.read(_MOST_BYTES + 1), self._path, self._like)
                    self._state = state
        except OSError as error:
            raise DiscoveryError(f"{self._path} cannot be read ({error.strerror})") from None
        return FoundServers(self._known, _LOOK_EVERY_S)


def read_servers(data: bytes, path: Path, like: TargetAddress) -> tuple[FoundServer, ...]:
    """The servers that a file names.

    Raises:
        DiscoveryError: it names none, or a line is no server; with the line.
    """
    if len(data) > _MOST_BYTES:
        raise DiscoveryError(f"{path} has more than {_MOST_BYTES} bytes")
    found: dict[str, FoundServer] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            server = _server(words, like)
        except (ConfigError, ValueError) as error:
            raise DiscoveryError(f"{path}:{number}: {error}") from None
        if str(server.address) in found:
            raise DiscoveryError(f"{path}:{number}: {words[0]} is there twice")
        found[str(server.address)] = server
    if not found:
        raise DiscoveryError(f"{path} names no server")
    return tuple(found.values())


def _server(words: list[str], like: TargetAddress) -> FoundServer:
    if len(words) > 2:
        raise ValueError("a line has an address and a weight, and nothing more")
    address = parse_target(words[0], scheme=like.scheme)
    if not address.prefix and not address.socket_path:
        address = TargetAddress(address.scheme, address.host, address.port, like.prefix)
    weight = words[1].removeprefix("weight=") if len(words) == 2 else "1"
    if not weight.isdecimal() or int(weight) > _MOST_WEIGHT:
        raise ValueError(f"{words[1]!r} is no weight: use a whole number, 0 for no requests")
    return FoundServer(address, weight=int(weight))
