"""`lukhas keys`: API keys."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from lukhas.cli.options import ConfigFile, StateDir, load_state_dir
from lukhas.errors import ConfigError
from lukhas.units import DAY_NS, SECOND_NS

if TYPE_CHECKING:
    from lukhas.identity.key_registry import IssuedKey, KeyRegistry
    from lukhas.policy.access.api_keys import ApiKeyRecord

__all__ = ("keys_app",)

T = TypeVar("T")

_HEADINGS = ("ID", "CONSUMER", "TIER", "TENANT", "CREATED", "EXPIRES", "LAST USED", "STATE")
_PAGE = 500
_MAX_LIFETIME_DAYS = 36_500

keys_app = typer.Typer(help="Create, list, rotate and revoke API keys.", rich_markup_mode=None)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="As `lukhas keys list` shows it.")]


@keys_app.command()
def create(
    *,
    tier: Annotated[
        str,
        typer.Option(metavar="TIER", help="free, basic, premium, enterprise or internal."),
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose key it is; the tier if not given.")
    ] = None,
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose consumer it is.")] = "",
    environment: Annotated[
        str, typer.Option("--env", metavar="ENV", help="Part of the key, e.g. live or test.")
    ] = "live",
    expires_in_days: Annotated[
        str | None, typer.Option(metavar="DAYS", help="When it stops working; never if not given.")
    ] = None,
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Make an API key, which works at once. Standard output gets the key and nothing else."""
    from lukhas.clock import SystemClock
    from lukhas.policy.rate_limiting.tiers import Tier

    try:
        wanted = Tier(tier.lower())
    except ValueError:
        hint = "use " + ", ".join(known.value for known in Tier)
        raise ConfigError(f"{tier!r} is not a tier", where="--tier", hint=hint) from None
    lifetime_ns = _lifetime_ns(expires_in_days)
    expires_ns = None if lifetime_ns is None else SystemClock().now_ns() + lifetime_ns

    async def issue(registry: "KeyRegistry") -> "IssuedKey":
        return await registry.create(
            wanted.value if name is None else name,
            wanted,
            tenant=tenant,
            environment=environment,
            expires_ns=expires_ns,
        )

    _hand_over(_with_registry(issue, load_state_dir(state_dir, config)))


@keys_app.command("list")
def list_keys(config: ConfigFile = None, state_dir: StateDir = None) -> None:
    """Show all API keys, without their secrets."""
    from lukhas.clock import SystemClock

    async def collect(registry: "KeyRegistry") -> "list[ApiKeyRecord]":
        records: list[ApiKeyRecord] = []
        while page := await registry.list(limit=_PAGE, offset=len(records)):
            records.extend(page)
        return records

    records = _with_registry(collect, _existing(load_state_dir(state_dir, config)))
    now_ns = SystemClock().now_ns()
    rows = [_HEADINGS, *(_row(record, now_ns) for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


@keys_app.command()
def revoke(key_id: KeyId, config: ConfigFile = None, state_dir: StateDir = None) -> None:
    """Withdraw an API key for ever."""

    async def withdraw(registry: "KeyRegistry") -> "ApiKeyRecord":
        return await registry.revoke(key_id)

    record = _with_registry(withdraw, _existing(load_state_dir(state_dir, config)))
    sys.stderr.write(f"lukhas: revoked {record.key_id} of {record.consumer}\n")


@keys_app.command()
def rotate(
    key_id: KeyId,
    grace_s: Annotated[
        str, typer.Option(metavar="SECONDS", help="How long the secret before stays valid.")
    ] = "3600",
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Give an API key a new secret. Standard output gets the key and nothing else."""
    grace = _number(grace_s, "--grace-s")

    async def renew(registry: "KeyRegistry") -> "IssuedKey":
        return await registry.rotate(key_id, grace_s=grace)

    _hand_over(_with_registry(renew, _existing(load_state_dir(state_dir, config))))


def _with_registry(use: "Callable[[KeyRegistry], Awaitable[T]]", state_dir: Path) -> T:
    from lukhas.clock import SystemClock
    from lukhas.identity.key_registry import open_key_registry

    async def session() -> T:
        async with open_key_registry(state_dir, clock=SystemClock()) as registry:
            return await use(registry)

    return asyncio.run(session())


def _existing(state_dir: Path) -> Path:
    """The directory; only `create` makes one, so that a slip of the pen does not show no keys."""
    if not state_dir.is_dir():
        raise ConfigError(
            f"there is no state directory {state_dir}",
            hint="name that of the gateway with --state-dir; "
            "`lukhas serve` and `lukhas keys create` make one",
        )
    return state_dir


def _hand_over(issued: "IssuedKey") -> None:
    record = issued.record
    sys.stderr.write(
        f"lukhas: key {record.key_id} for {record.consumer}, tier {record.tier.value};"
        " it is shown only this once\n"
    )
    sys.stdout.write(f"{issued.text}\n")


def _row(record: "ApiKeyRecord", now_ns: int) -> tuple[str, ...]:
    has_expired = record.expires_ns is not None and record.expires_ns <= now_ns
    state = "revoked" if record.revoked else "expired" if has_expired else "active"
    return (
        record.key_id,
        record.consumer,
        record.tier.value,
        record.tenant or "-",
        _date(record.created_ns),
        _date(record.expires_ns) if record.expires_ns is not None else "never",
        _date(record.last_used_ns) if record.last_used_ns is not None else "-",
        state,
    )


def _date(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M")


def _lifetime_ns(days: str | None) -> int | None:
    if days is None:
        return None
    count = _number(days, "--expires-in-days")
    if not 0 < count <= _MAX_LIFETIME_DAYS:
        hint = f"write a number of days up to {_MAX_LIFETIME_DAYS}"
        raise ConfigError(f"{days!r} is out of range", where="--expires-in-days", hint=hint)
    return round(count * DAY_NS)


def _number(text: str, flag: str) -> float:
    try:
        return float(text)
    except ValueError:
        what = f"{text!r} is not a number"
        raise ConfigError(what, where=flag, hint="write it like 30") from None
