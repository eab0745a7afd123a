"""`lukhas demo`: an example shop behind the gateway, with some traffic."""

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import typer

from lukhas.cli.options import Admin, Listen, StateDir, load_changed, sources_of

if TYPE_CHECKING:
    from lukhas.config.addresses import Address
    from lukhas.config.settings import Settings
    from lukhas.identity.key_registry import IssuedKey

__all__ = ("demo",)

_STOP_S = 3.0
# Names, tiers and requests a second; together about 20 requests a second.
_CALLERS = (
    ("anonymous", None, 1.2),
    ("hobbyist", "free", 1.5),
    ("start-up", "basic", 4.0),
    ("partner", "premium", 6.0),
    ("wholesaler", "enterprise", 7.0),
)
_ANY_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach them


def demo(listen: Listen = None, admin: Admin = None, state_dir: StateDir = None) -> None:
    """Serve a bundled example shop API behind the gateway, with synthetic traffic."""
    with ExitStack() as stack:
        kept_in = state_dir or stack.enter_context(tempfile.TemporaryDirectory(prefix="lukhas-"))
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        upstream = f"http://127.0.0.1:{listening.getsockname()[1]}"
        flags = {
            "--upstream": upstream,
            "--listen": listen,
            "--admin": admin,
            "--state-dir": kept_in,
        }
        sources = sources_of(flags, Path(__file__).with_name("demo.toml"))

        def read_settings() -> "Settings":
            return load_changed(sources, needs_upstream=True).settings

        settings = read_settings()
        from lukhas.admin.access import load_token
        from lukhas.gateway.supervisor import run

        secret = settings.admin.token
        configured = None if secret is None else secret.get_secret_value()

        keys = asyncio.run(_make_keys(settings.state_dir))
        if state_dir is not None:
            stack.callback(lambda: asyncio.run(_revoke(settings.state_dir, keys)))
        shop_command = ["lukhas.cli.demo_shop", str(listening.fileno())]
        stack.enter_context(_child(shop_command, descriptor=listening.fileno()))
        orders = stack.enter_context(_child(["lukhas.cli.demo_traffic"]))

        def on_ready(data_plane: "Address", admin_plane: "Address") -> None:
            texts = {name: key.text for name, key in keys.items()}
            _start_traffic(orders, data_plane, texts)
            token = load_token(configured, settings.state_dir)
            # Only a token that ends with the demo is shown.
            is_shown = state_dir is None and configured is None
            shown = token.value if is_shown else f"see {token.source}"
            sys.stdout.write(_guide(data_plane, admin_plane, texts["partner"], shown))
            sys.stdout.flush()

        code = run(settings, on_ready=on_ready, read_settings=read_settings, sources=sources)
        raise typer.Exit(code)


async def _make_keys(state_dir: Path) -> "dict[str, IssuedKey]":
    from lukhas.clock import SystemClock
    from lukhas.identity.key_registry import open_key_registry
    from lukhas.policy.rate_limiting.tiers import Tier

    keys: dict[str, IssuedKey] = {}
    async with open_key_registry(state_dir, clock=SystemClock()) as registry:
        for name, tier, _ in _CALLERS:
            if tier is not None:
                keys[name] = await registry.create(name, Tier(tier), environment="demo")
    return keys


async def _revoke(state_dir: Path, keys: "dict[str, IssuedKey]") -> None:
    from lukhas.clock import SystemClock
    from lukhas.identity.key_registry import open_key_registry

    async with open_key_registry(state_dir, clock=SystemClock()) as registry:
        for issued in keys.values():
            await registry.revoke(issued.record.key_id)


@contextmanager
def _child(command: list[str], descriptor: int | None = None) -> "Iterator[IO[bytes]]":
    """Runs a module as a child process; it ends when its standard input does."""
    process = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", *command],
        stdin=subprocess.PIPE,
        pass_fds=() if descriptor is None else (descriptor,),
        # An interrupt at the terminal is for us alone; we tell our children.
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    try:
        yield process.stdin
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start_traffic(orders: IO[bytes], data_plane: "Address", keys: dict[str, str]) -> None:
    host = _ANY_HOSTS.get(data_plane.host, data_plane.host)
    plan = {
        "host": host,
        "port": data_plane.port,
        # Another address of this machine: the limits of whoever tries the demo stay untouched.
        "source": "127.0.0.2" if host in {"127.0.0.1", "localhost"} else "",
        "callers": [
            {"name": name, "key": keys.get(name, ""), "rate": rate} for name, _, rate in _CALLERS
        ],
    }
    orders.write(json.dumps(plan).encode() + b"\n")
    orders.flush()


def _guide(data_plane: "Address", admin_plane: "Address", key: str, token: str) -> str:
    shop = f"http://{data_plane}"
    return f"""
The example shop behind the gateway:  {shop}/products
The admin plane and its dashboard:    http://{admin_plane}/   (token: {token})

Five consumers send about 20 requests a second. Try it yourself:

  curl -i {shop}/products/7                    # twice: Cache-Status tells of the hit
  curl -i -H 'X-API-Key: {key}' {shop}/products
  curl -N {shop}/orders/stream                 # events as they come; Ctrl-C ends it
  for i in $(seq 70); do curl -s -o /dev/null -w '%{{http_code}} ' {shop}/products; done

Ctrl-C stops everything.
"""
