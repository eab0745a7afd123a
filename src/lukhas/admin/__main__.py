"""The admin process, as the supervisor starts it."""

import logging
import signal
import sys

from lukhas.admin.access import load_token, may_bind
from lukhas.admin.cache_api import CacheAccess, cache_router
from lukhas.admin.process import AdminOptions, run_admin
from lukhas.errors import LukhasError
from lukhas.hub.cache_purges import CachePurges
from lukhas.hub.child_link import announce_ready, end_with_parent, read_task
from lukhas.storage.node import prepare_state_dir
from lukhas.telemetry.logs import configure_logging

__all__ = ("main",)


def main() -> None:
    """Runs the admin process that the task on standard input describes, until SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which asks us.
    task = read_task()
    end_with_parent()
    settings = task.settings
    configure_logging(
        style=settings.log.format, level=settings.log.level.upper(), stream=sys.stderr
    )
    # What uvicorn says about its own start is under the name "uvicorn.error", errors or not.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    token = settings.admin.token
    try:
        may_bind(settings.admin.listen.host, token_configured=token is not None)
        options = AdminOptions(
            descriptor=task.descriptor,
            telemetry_path=task.telemetry_path,
            token=load_token(
                token.get_secret_value() if token is not None else None,
                prepare_state_dir(settings.state_dir),
            ),
            gateway_url=task.gateway_url,
        )
        announce_ready(task)
        access = CacheAccess(CachePurges(settings))
        run_admin(options, routers=(cache_router(access),), lifespan=access.lifespan())
    except LukhasError as error:
        sys.stderr.write(f"lukhas: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
