"""Where a Redis or Valkey is, and how it is spoken to."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from lukhas.errors import ConfigError
from lukhas.policy.breaker import BreakerSettings

__all__ = ("RedisAddress", "RedisSettings", "settings_from_url")

_PORT = 6379
_HINT = (
    "write redis://host:port/0, rediss://host:port/0, unix:///path?db=0 "
    "or redis+cluster://host:port,host:port"
)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where one server listens.

    Attributes:
        host: host name or address; empty with a Unix socket.
        port: its port.
        path: the Unix socket, if it is one.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """What a `RedisLink` needs to know.

    Attributes:
        addresses: the server; with Cluster any of its nodes, asked in turn for the others.
        cluster: whether it is a Redis Cluster.
        username: the ACL user; empty: the default user.
        password: its password; empty: none. Never shown.
        database: the number of the database; a cluster has only 0.
        tls: how to encrypt; None: not at all.
        protocol: RESP version, 3 or 2.
        deadline_s: how long a call waits for its answer, unless it says otherwise.
        connect_timeout_s: how long to wait for a connection, the greeting included.
        calls_at_once: how many calls may wait for answers; more fail at once.
        refresh_s: how often a cluster is asked for its nodes when nothing seems to have changed.
        breaker: when to leave a failing server alone.
    """

    addresses: tuple[RedisAddress, ...]
    cluster: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    protocol: int = 3
    deadline_s: float = 0.025
    connect_timeout_s: float = 1.0
    calls_at_once: int = 10_000
    refresh_s: float = 60.0
    breaker: BreakerSettings = field(default_factory=BreakerSettings)

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ConfigError("a Redis needs an address", hint=_HINT)
        if self.cluster and self.database:
            raise ConfigError("a Redis Cluster has only database 0", hint="leave the number out")
        if self.protocol not in {2, 3}:
            raise ConfigError(f"there is no RESP version {self.protocol}", hint="use 3, or 2")


def settings_from_url(url: str, *, tls_ca_file: Path | None = None) -> RedisSettings:
    """Reads `redis://`, `rediss://`, `unix://`, `redis+cluster://` and `rediss+cluster://`.

    User and password may stand before the host, percent-encoded. The database is the path, or with
    `unix://` the parameter `db`. The parameter `protocol` chooses RESP 2 or 3.

    Args:
        url: the address.
        tls_ca_file: whom to trust with `rediss://`; None: whom the system trusts.

    Raises:
        ConfigError: it cannot be read; the text never repeats the password.
    """
    parts = _split(url)
    scheme, _, kind = parts.scheme.partition("+")
    if (scheme, kind) not in {
        ("redis", ""), ("rediss", ""), ("unix", ""), ("redis", "cluster"), ("rediss", "cluster"),
    }:  # fmt: skip
        raise ConfigError(f"{parts.scheme}:// is no Redis address", hint=_HINT)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    path = unquote(parts.path)
    if unknown := set(query) - {"db", "protocol"}:
        raise ConfigError(f"the Redis address has an unknown parameter {min(unknown)!r}",
                          hint="db and protocol are known")  # fmt: skip
    if scheme == "unix":
        addresses: tuple[RedisAddress, ...] = (RedisAddress(path=_socket_path(path, hosts)),)
        database = query.get("db", "0")
    else:
        addresses = tuple(_address(host) for host in hosts.split(","))
        database = query.get("db") or path.strip("/") or "0"
        if len(addresses) > 1 and not kind:
            raise ConfigError("several hosts are a cluster", hint=f"write {scheme}+cluster://")
    return RedisSettings(
        addresses,
        cluster=bool(kind),
        username=unquote(username),
        password=unquote(password),
        database=_number(database, "database"),
        tls=_tls(tls_ca_file) if scheme == "rediss" else None,
        protocol=_number(query.get("protocol", "3"), "protocol"),
    )


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # Not chained: the error of urlsplit may repeat what stands before the @.
        raise ConfigError("the Redis address cannot be read", hint=_HINT) from None


def _socket_path(path: str, hosts: str) -> str:
    if hosts or not path.startswith("/"):
        raise ConfigError("a Unix socket needs an absolute path", hint="write unix:///path")
    return path


def _address(text: str) -> RedisAddress:
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif ":" in text:
        host, _, port = text.rpartition(":")
    if not host:
        raise ConfigError("the Redis address has no host", hint=_HINT)
    number = _number(port, "port") if port else _PORT
    if not 0 < number < 65_536:
        raise ConfigError(f"there is no port {number}", hint=_HINT)
    return RedisAddress(unquote(host), number)


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ConfigError(f"the {what} in the Redis address is no number", hint=_HINT)
    return int(text)


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(
            f"the TLS authorities cannot be read ({error})", where=str(ca_file),
            hint="give a file of PEM certificates",
        ) from error  # fmt: skip
