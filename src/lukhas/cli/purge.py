"""`lukhas purge`: takes responses out of the cache of a gateway, running or not."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lukhas.cli.options import ConfigFile, StateDir, load

if TYPE_CHECKING:
    from lukhas.config.settings import Settings
    from lukhas.hub.cache_purges import PurgeReport
    from lukhas.policy.caching.purges import Purge

__all__ = ("purge",)


def purge(
    *,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="One address, in all its variants.")
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="All that have this tag.")] = None,
    prefix: Annotated[
        str | None,
        typer.Option(metavar="URL", help="All that begin so; a path such as /a/ is for all hosts."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    soft: Annotated[
        bool,
        typer.Option("--soft", help="Keep them, as stale: they are confirmed before the next use."),
    ] = False,
    config: ConfigFile = None,
    state_dir: StateDir = None,
) -> None:
    """Take responses out of the cache of all workers, and of all nodes if they share a Redis."""
    settings = load({"--state-dir": state_dir}, config).settings
    from lukhas.errors import ConfigError
    from lukhas.hub.cache_purges import chosen_purge

    try:
        chosen = chosen_purge(url=url, tag=tag, prefix=prefix, everything=everything, soft=soft)
    except ConfigError as error:
        raise ConfigError(error.what, where="purge", hint=error.hint) from None
    report = asyncio.run(_purged(settings, chosen))
    what = "ended the freshness of" if soft else "removed"
    told = ", and told the other nodes" if report.cluster else ""
    sys.stdout.write(f"{what} {report.met} response{'s' * (report.met != 1)}{told}\n")


async def _purged(settings: "Settings", chosen: "Purge") -> "PurgeReport":
    from lukhas.errors import ConfigError
    from lukhas.hub.cache import SERVE_DISK_BYTES, disk_bytes_of
    from lukhas.hub.cache_purges import CachePurges
    from lukhas.storage.node_entry_opening import ENTRIES_FILE

    kept = disk_bytes_of(settings, SERVE_DISK_BYTES) and settings.cache.redis is None
    if kept and not (settings.state_dir / ENTRIES_FILE).exists():
        # Who purges as another user than that of the gateway would be told that all is gone.
        raise ConfigError(
            f"there is no cache in {settings.state_dir}",
            where="purge",
            hint="name the state directory of the gateway with --state-dir",
        )
    async with CachePurges(settings) as purges:
        return await purges.purge(chosen)
