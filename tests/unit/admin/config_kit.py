"""An admin plane whose settings can be changed, over a file, with a parent that does as told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from lukhas.admin.access import AdminToken
from lukhas.admin.app import create_admin_app
from lukhas.admin.audit_api import audit_router
from lukhas.admin.config_api import config_router
from lukhas.admin.config_changes_api import config_changes_router
from lukhas.admin.config_desk import ConfigDesk
from lukhas.admin.config_versions_api import config_versions_router
from lukhas.admin.operators import Operators, operators_of
from lukhas.admin.records import AdminRecords
from lukhas.admin.state import AdminState
from lukhas.config.changes_file import read_changes
from lukhas.config.loading import Loaded, load_settings
from lukhas.config.operators import OperatorSettings
from lukhas.config.sources import SettingsSources, process_environment
from lukhas.hub.control_link import Outcome
from tests.unit.admin.conftest import TOKEN, ManualClock

FILE = """\
upstream = "http://localhost:9000"

[[upstreams]]
name = "orders"
url = "http://10.0.0.1:9001"
targets = ["http://10.0.0.2:9001"]

[[routes]]
name = "reports"
path = "/reports/{rest:path}"
limits = "2/minute"
set_request_headers = ["Authorization: Bearer s3cret", "X-Team: blue"]

[[routes]]
name = "orders"
path = "/orders"
upstream = "orders"
"""

OPERATOR_TOKEN = "the token of an operator"


class Node:
    """A node as the admin plane sees it.

    Args:
        state_dir: the state directory; the file is beside it.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.file = state_dir.parent / "gateway.toml"
        self.file.write_text(FILE, encoding="utf-8")
        self.sources = SettingsSources({"--state-dir": str(self.state_dir)}, self.file)
        self.outcome: Outcome | None = outcome(done=True)
        self.reloads = 0
        self.begins_anew = True
        self.running = self.fresh().settings
        self.clock = ManualClock()
        self.records = AdminRecords(self.state_dir, self.clock)
        self.desk = ConfigDesk(
            self.running, sources=self.sources, records=self.records, reload=self.reload
        )

    def fresh(self) -> Loaded:
        """What a process that starts now would read."""
        return load_settings(
            self.sources.flags,
            self.sources.file,
            process_environment(),
            needs_upstream=True,
            changes=read_changes,
        )

    async def reload(self) -> Outcome | None:
        """Takes up what a parent would, if it is to."""
        self.reloads += 1
        if self.outcome is not None and self.outcome.done:
            self.running = self.fresh().settings
            asyncio.get_running_loop().call_soon(self._begin_anew)
        return self.outcome

    def _begin_anew(self) -> None:
        """What the next admin process has in place of this one's."""
        self.desk._running = self.running
        self.desk._is_replaced = not self.begins_anew

    @property
    def operators(self) -> Operators:
        """An admin, and an operator."""
        kim = {"name": "kim", "role": "operator", "token": OPERATOR_TOKEN}
        return operators_of(AdminToken(TOKEN, "settings"), [OperatorSettings.model_validate(kim)])


def outcome(*, done: bool, detail: str = "generation 2", faults: tuple[str, ...] = ()) -> Outcome:
    """What a parent answers."""
    return Outcome(
        order="reload", done=done, detail=detail, faults=faults, time_ns=0, finished=True
    )


@asynccontextmanager
async def client_of(node: Node, state: AdminState) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the admin token."""
    app = create_admin_app(
        state,
        token=AdminToken(TOKEN, "settings"),
        operators=node.operators,
        trail=node.records,
        routers=[
            audit_router(node.records),
            config_versions_router(node.desk, node.records),
            config_router(node.desk),
            config_changes_router(node.desk),
        ],
    )
    transport = httpx.ASGITransport(app, client=("192.0.2.9", 40000))
    async with (
        node.records.lifespan(app),
        httpx.AsyncClient(
            transport=transport,
            base_url="http://admin.test/api/v1",
            headers={"authorization": f"Bearer {TOKEN}"},
        ) as client,
    ):
        yield client
