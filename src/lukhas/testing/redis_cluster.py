"""A real Redis Cluster for tests: three masters, each with a replica, made without redis-cli."""

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

from lukhas.errors import StoreError
from lukhas.testing.redis_server import RedisServer, free_port

__all__ = ("RedisClusterServers",)

_MASTERS = 3
_SLOTS = 16_384
_WAIT_S = 30.0
_LOOK_S = 0.02
# A cluster that was made a moment ago does not fail over with the default delay and validity.
_OPTIONS = (
    "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0",
    "--cluster-replica-validity-factor", "0", "--cluster-announce-ip", "127.0.0.1",
)  # fmt: skip


class RedisClusterServers:
    """Six servers that are a cluster when the constructor returns.

    Args:
        options: further options for each server.

    Attributes:
        masters: the servers that were masters at the start.
        replicas: a replica of each, in the same order.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._servers: list[RedisServer] = []
        try:
            for _ in range(2 * _MASTERS):
                self._servers.append(self._start(options))
            self.masters = self._servers[:_MASTERS]
            self.replicas = self._servers[_MASTERS:]
            self._join()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """The address of the cluster."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self._servers)

    def wait_until_whole(self) -> None:
        """Waits until every server that runs says that all slots are served.

        Raises:
            StoreError: they do not within half a minute.
        """
        self._wait_for(lambda server: b"cluster_state:ok" in server.ask("CLUSTER", "INFO"))

    def fail_over(self, index: int) -> RedisServer:
        """Kills a master and waits until its replica has taken over; gives the new master.

        Raises:
            StoreError: it does not within half a minute.
        """
        self.masters[index].kill()
        heir = self.replicas[index]
        self._wait_until(lambda: b"master" in heir.ask("ROLE"), "no replica took over")
        self.wait_until_whole()
        return heir

    def close(self) -> None:
        """Kills all of them."""
        for server in self._servers:
            server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _start(options: Sequence[str]) -> RedisServer:
        port, bus_port = free_port(), free_port()
        return RedisServer((*_OPTIONS, "--cluster-port", str(bus_port), *options), port=port)

    def _join(self) -> None:
        first, *others = self._servers
        for number, server in enumerate(self._servers):
            _ok(server.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1)))
        for server in others:
            bus_port = server.ask("CONFIG", "GET", "cluster-port").split(b"\r\n")[-2].decode()
            _ok(first.ask("CLUSTER", "MEET", "127.0.0.1", str(server.port), bus_port))
        bounds = [_SLOTS * number // _MASTERS for number in range(_MASTERS + 1)]
        for number, master in enumerate(self.masters):
            first_slot, last_slot = bounds[number], bounds[number + 1] - 1
            _ok(master.ask("CLUSTER", "ADDSLOTSRANGE", str(first_slot), str(last_slot)))
        count = b"cluster_known_nodes:%d" % len(self._servers)
        self._wait_for(lambda server: count in server.ask("CLUSTER", "INFO"))
        for master, replica in zip(self.masters, self.replicas, strict=True):
            name = master.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode()
            self._wait_until(
                partial(_follows, replica, name),
                "a replica does not know its master",
            )
        self.wait_until_whole()
        for replica in self.replicas:
            self._wait_until(
                partial(_is_connected, replica),
                "a replica has no connection to its master",
            )

    def _wait_for(self, holds: Callable[[RedisServer], bool]) -> None:
        for server in self._servers:
            if server.pid:
                self._wait_until(
                    partial(holds, server), f"the cluster is not whole at {server.url}"
                )

    @staticmethod
    def _wait_until(holds: Callable[[], bool], complaint: str) -> None:
        until_s = time.monotonic() + _WAIT_S
        while True:
            with contextlib.suppress(OSError):
                if holds():
                    return
            if time.monotonic() > until_s:
                raise StoreError(f"{complaint}: it was waited for {_WAIT_S:g} s")
            time.sleep(_LOOK_S)


def _ok(reply: bytes) -> None:
    if not reply.startswith(b"+OK"):
        raise StoreError(f"the cluster cannot be made: {reply.decode(errors='replace').strip()}")


def _follows(replica: RedisServer, master_id: str) -> bool:
    return replica.ask("CLUSTER", "REPLICATE", master_id).startswith(b"+OK")


def _is_connected(replica: RedisServer) -> bool:
    return b"connected" in replica.ask("ROLE")
