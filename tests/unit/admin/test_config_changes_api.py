"""Routes and upstreams changed over the admin API."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lukhas.admin.config_version import ConfigVersion
from lukhas.admin.state import AdminState
from lukhas.admin.version_log import VersionLog
from lukhas.config.changes import Changes
from lukhas.config.changes_file import only_writer, read_changes
from lukhas.errors import StoreError
from tests.unit.admin.config_kit import FILE, OPERATOR_TOKEN, Node, client_of, outcome

NEW: dict[str, Any] = {"name": "new", "path": "/new", "cost": 3}


@pytest.fixture
def node(state_dir: Path) -> Node:
    return Node(state_dir)


@pytest.fixture
async def http(node: Node, state: AdminState) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(node, state) as client:
        yield client


def routes(node: Node) -> list[str]:
    return [route.name for route in node.running.routes]


async def test_a_route_is_added_changed_and_deleted(http: httpx.AsyncClient, node: Node) -> None:
    """Each change is a version, taken up by the workers, and told value by value."""
    answer = await http.post("/config/routes", json=NEW)
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    assert answer.json() == {
        "version": 1,
        "applied": True,
        "valid": True,
        "changes": [{"path": "routes.new", "before": None, "after": NEW}],
        "findings": [],
    }
    assert routes(node) == ["reports", "orders", "new"]

    changed = (await http.put("/config/routes/new", json={**NEW, "cost": 5})).json()
    assert changed["changes"] == [{"path": "routes.new.cost", "before": 3, "after": 5}]

    gone = (await http.delete("/config/routes/new")).json()
    assert (gone["version"], gone["changes"][0]["after"]) == (3, None)
    assert routes(node) == ["reports", "orders"]
    assert node.reloads == 3


async def test_items_of_the_file_are_changed_deleted_and_given_back(
    http: httpx.AsyncClient, node: Node
) -> None:
    """The file itself is never written; what was changed says so, and a reset undoes it."""
    await http.put("/config/routes/orders", json={"path": "/orders", "cost": 2})
    item = (await http.get("/config/routes/orders")).json()
    assert (item["source"], item["is_changed"]) == ("admin API", True)
    await http.delete("/config/routes/reports")
    assert routes(node) == ["orders"]
    assert (await http.delete("/config/routes/reports")).status_code == 404

    assert (await http.post("/config/routes/reports/reset")).status_code == 200
    assert (await http.post("/config/routes/orders/reset")).status_code == 200
    assert (await http.post("/config/routes/orders/reset")).status_code == 404
    assert node.running.routes == node.desk._running.routes
    assert routes(node) == ["reports", "orders"]
    assert read_changes(node.state_dir).is_empty
    assert node.file.read_text(encoding="utf-8") == FILE


async def test_a_dry_run_changes_nothing(http: httpx.AsyncClient, node: Node) -> None:
    """It tells what would be, mistakes too."""
    would = (await http.post("/config/routes?dry_run=true", json=NEW)).json()
    assert (would["version"], would["applied"], len(would["changes"])) == (1, False, 1)
    bad = {**NEW, "path": "/orders"}
    answer = await http.post("/config/routes?dry_run=true", json=bad)
    wrong = answer.json()
    assert (answer.status_code, wrong["valid"], wrong["changes"]) == (200, False, [])
    assert wrong["findings"][0]["what"].startswith("the route 'new' is for the same requests")
    assert read_changes(node.state_dir) == Changes()
    assert node.reloads == 0
    assert (await http.get("/audit")).json() == {"entries": []}


@pytest.mark.parametrize(
    ("item", "what"),
    [
        ({"name": "new", "path": "orders"}, "path"),
        ({"name": "new", "path": "/n", "limitz": "1/s"}, "limitz"),
        ({"name": "new", "path": "/n", "upstream": "none"}, "none"),
        ({"name": "1", "path": "/n"}, "not a name"),
    ],
)
async def test_a_bad_item_changes_nothing_and_says_the_place(
    http: httpx.AsyncClient, node: Node, item: Any, what: str
) -> None:
    """The same words as for a file."""
    answer = await http.post("/config/routes", json=item)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:lukhas:problem:settings-refused")
    assert what in problem["detail"]
    assert problem["findings"][0]["where"] == "admin API"
    assert problem["findings"][0]["path"].startswith(f"routes.{item['name']}")
    assert read_changes(node.state_dir) == Changes()
    assert node.reloads == 0


@pytest.mark.parametrize("body", ["", "{", "[]", "[" * 100_000])
async def test_a_body_that_is_no_item_is_refused(http: httpx.AsyncClient, body: str) -> None:
    """And one that has no end is cut off."""
    assert (await http.post("/config/routes", content=body)).status_code == 422
    long = b" " * (1024 * 1024 + 1)
    assert (await http.put("/config/routes/new", content=long)).status_code == 413


async def test_names_are_kept(http: httpx.AsyncClient) -> None:
    """An item has a name, one of its own, and keeps it."""
    assert (await http.post("/config/routes", json={"path": "/x"})).status_code == 422
    assert (await http.post("/config/routes", json={**NEW, "name": "orders"})).status_code == 409
    assert (await http.put("/config/routes/orders", json=NEW)).status_code == 422
    assert (await http.delete("/config/upstreams/default")).status_code == 409


async def test_no_change_is_lost_to_another(http: httpx.AsyncClient, node: Node) -> None:
    """Who looked at an older version has to look again."""
    await http.post("/config/routes", json=NEW, headers={"if-match": '"0"'})
    late = await http.delete("/config/routes/new", headers={"if-match": '"0"'})
    assert (late.status_code, late.json()["version"]) == (412, 1)
    assert late.json()["type"] == "urn:lukhas:problem:version-mismatch"
    odd = await http.delete("/config/routes/new", headers={"if-match": '"x"'})
    assert odd.status_code == 422
    with only_writer(node.state_dir):
        assert (await http.delete("/config/routes/new")).status_code == 503
    assert (await http.delete("/config/routes/new", headers={"if-match": "*"})).status_code == 200


@pytest.mark.parametrize(
    ("told", "status", "slug"),
    [
        (None, 503, "renewal-failed"),
        (outcome(done=False, detail="a worker did not start"), 503, "renewal-failed"),
        (outcome(done=False, detail="no", faults=("x: wrong",)), 422, "settings-refused"),
    ],
)
async def test_what_is_not_taken_up_is_not_kept(
    http: httpx.AsyncClient, node: Node, told: Any, status: int, slug: str
) -> None:
    """File and workers agree after a failure, and there is no version of it."""
    await http.post("/config/routes", json=NEW)
    node.outcome = told
    answer = await http.delete("/config/routes/new")
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:lukhas:problem:{slug}")
    assert read_changes(node.state_dir).version == 1
    assert node.fresh().settings == node.running
    assert [
        each["version"] for each in (await http.get("/config/versions")).json()["versions"]
    ] == [1]


async def test_servers_are_drained_by_an_operator(http: httpx.AsyncClient, node: Node) -> None:
    """By the address as it is written, or by host and port; nothing else of the file is held."""
    operator = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
    path = "/config/upstreams/orders/targets"
    drained = await http.patch(f"{path}/http://10.0.0.1:9001", json={"weight": 0}, headers=operator)
    assert drained.json()["changes"] == [
        {"path": "upstreams.orders.weights", "before": {}, "after": {"http://10.0.0.1:9001": 0}}
    ]
    assert (await http.delete("/config/routes/orders", headers=operator)).status_code == 403
    node.file.write_text(FILE.replace("10.0.0.2:9001", "10.0.0.3:9001"), encoding="utf-8")
    both = await http.patch(f"{path}/10.0.0.3:9001", json={"weight": 0})
    assert both.status_code == 422
    assert "no server has a weight above 0" in both.json()["detail"]
    back = await http.patch(f"{path}/10.0.0.1:9001", json={"weight": 1})
    assert "settings changed since the last reload" in back.json()["findings"][0]["what"]
    assert read_changes(node.state_dir).is_empty
    for wrong in ("10.0.0.9:9001", "nothing", "http://"):
        assert (await http.patch(f"{path}/{wrong}", json={"weight": 0})).status_code == 404
    nowhere = await http.patch("/config/upstreams/x/targets/a:1", json={"weight": 0})
    assert nowhere.status_code == 404
    assert (await http.patch(f"{path}/10.0.0.1:9001", json={"weight": -1})).status_code == 422


async def test_the_default_upstream_can_be_changed(http: httpx.AsyncClient, node: Node) -> None:
    """It is a table of its own in the file."""
    item = {"url": "http://localhost:9009", "targets": ["http://localhost:9010"]}
    answer = await http.put("/config/upstreams/default", json={"name": "default", **item})
    assert answer.status_code == 200
    assert node.running.upstream.url == "http://localhost:9009"
    await http.patch("/config/upstreams/default/targets/localhost:9010", json={"weight": 0})
    assert node.running.upstream.weights == {"http://localhost:9010": 0}
    source = (await http.get("/config/upstreams/default")).json()["source"]
    assert source == "admin API"


async def test_a_credential_that_was_masked_stays(http: httpx.AsyncClient, node: Node) -> None:
    """So an item can be read, changed and put back without knowing it."""
    item = (await http.get("/config/routes/reports")).json()["item"]
    assert item["set_request_headers"] == ["Authorization: ***", "X-Team: blue"]
    answer = await http.put("/config/routes/reports", json={**item, "cost": 4})
    assert [each["path"] for each in answer.json()["changes"]] == ["routes.reports.cost"]
    fields = node.running.routes[0].set_request_headers
    assert fields == ("Authorization: Bearer s3cret", "X-Team: blue")
    await http.put("/config/routes/reports", json={**item, "cost": 1})
    audit = (await http.get("/audit")).text + (await http.get("/config/versions/1/diff")).text
    assert "s3cret" not in audit


async def test_a_change_that_changes_nothing_is_no_version(
    http: httpx.AsyncClient, node: Node
) -> None:
    """What the file says already needs no change of it."""
    item = {"path": "/orders", "upstream": "orders", "name": "orders"}
    answer = (await http.put("/config/routes/orders", json=item)).json()
    assert (answer["version"], answer["applied"], answer["changes"]) == (0, False, [])
    assert node.reloads == 0
    assert (await http.get("/audit")).json() == {"entries": []}


async def test_a_new_word_of_the_file_is_told_where_it_does_not_count(
    http: httpx.AsyncClient, node: Node
) -> None:
    """File and API never disagree in silence."""
    await http.put("/config/routes/orders", json={"path": "/orders", "cost": 2})
    node.file.write_text(FILE.replace('path = "/orders"', 'path = "/o"'), encoding="utf-8")
    answer = (await http.post("/config/routes?dry_run=true", json=NEW)).json()
    (note,) = [each for each in answer["findings"] if each["where"] == "admin API"]
    assert "route 'orders' was changed here" in note["what"]
    assert note["hint"].startswith(
        "give the change up with POST /api/v1/config/routes/orders/reset"
    )


async def test_a_change_puts_right_what_a_file_broke(http: httpx.AsyncClient, node: Node) -> None:
    """An edit of the file may not fit a change any more; the change can still be given up."""
    await http.post("/config/routes", json={**NEW, "upstream": "orders"})
    text = FILE.replace('"orders"\nurl', '"sales"\nurl').replace(
        'upstream = "orders"', 'upstream = "sales"'
    )
    node.file.write_text(text, encoding="utf-8")
    assert (await http.get("/config/routes")).status_code == 422
    answer = await http.delete("/config/routes/new")
    assert answer.status_code == 200
    assert node.running.routes[1].upstream == "sales"


async def test_every_change_is_in_the_audit(http: httpx.AsyncClient) -> None:
    """With what it did, value by value, and what came to nothing too."""
    await http.post("/config/routes?note=for+the+shop", json=NEW)
    await http.post("/config/routes", json=NEW)
    found = (await http.get("/audit")).json()["entries"]
    assert [(each["action"], each["target"], each["status"]) for each in found] == [
        ("config.add", "routes/new", 409),
        ("config.add", "routes/new", 201),
    ]
    assert found[1]["detail"].startswith("version 1; for the shop; routes.new: None -> {'name':")


async def test_versions_are_kept_compared_and_restored(http: httpx.AsyncClient, node: Node) -> None:
    """A restore is a new version; 0 is the file alone."""
    await http.post("/config/routes?note=first", json=NEW)
    node.clock.time_ns += 7
    await http.put("/config/routes/new", json={**NEW, "cost": 9})
    listed = (await http.get("/config/versions")).json()
    assert listed["current"] == 2
    assert [(each["version"], each["by"], each["note"]) for each in listed["versions"]] == [
        (2, "admin", "put routes/new"),
        (1, "admin", "first"),
    ]
    diff = (await http.get("/config/versions/2/diff")).json()
    assert diff["changes"] == [{"path": "routes.new.cost", "before": 3, "after": 9}]
    whole = (await http.get("/config/versions/2/diff?against=0")).json()
    assert whole["changes"][0]["before"] is None
    back = (await http.post("/config/versions/1/restore")).json()
    assert (back["version"], back["changes"]) == (
        3,
        [{"path": "routes.new.cost", "before": 9, "after": 3}],
    )
    gone = (await http.post("/config/versions/0/restore?dry_run=true")).json()
    assert gone["changes"][0]["after"] is None
    await http.post("/config/versions/0/restore")
    assert routes(node) == ["reports", "orders"]
    assert (await http.get("/config/versions/77/diff")).status_code == 404
    assert (await http.post("/config/versions/77/restore")).status_code == 404


async def test_numbers_of_versions_are_never_used_again(
    http: httpx.AsyncClient, node: Node
) -> None:
    """Also where somebody has removed the file of changes."""
    await http.post("/config/routes", json=NEW)
    (node.state_dir / "changes.json").unlink()
    assert (await http.post("/config/routes", json=NEW)).json()["version"] == 2


async def test_a_reload_that_raises_leaves_nothing_behind(
    http: httpx.AsyncClient, node: Node
) -> None:
    """Whatever it is: file and workers agree afterwards."""

    async def broken() -> None:
        raise RuntimeError("it broke")

    node.desk._reload = broken
    with pytest.raises(RuntimeError, match="it broke"):
        await http.post("/config/routes", json=NEW)
    assert read_changes(node.state_dir) == Changes()
    assert (await http.get("/config/versions")).json() == {"current": 0, "versions": []}
    (entry,) = (await http.get("/audit")).json()["entries"]
    assert entry["status"] == 500


async def test_a_version_that_cannot_be_taken_back_stays_unused(
    http: httpx.AsyncClient,
    node: Node,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file is what counts; the number is not used again."""
    versions = await node.records.versions()

    async def forget(_number: int) -> None:
        raise StoreError("the disk is full")

    node.outcome = None
    monkeypatch.setattr(versions, "forget", forget)
    assert (await http.post("/config/routes", json=NEW)).status_code == 503
    assert "version 1 stays in the list, unused: the disk is full" in caplog.text
    monkeypatch.undo()
    node.outcome = outcome(done=True)
    assert (await http.post("/config/routes", json=NEW)).json()["version"] == 2


async def test_a_version_that_cannot_be_read_is_told(http: httpx.AsyncClient, node: Node) -> None:
    """It was kept by something else."""
    odd = ConfigVersion(version=5, at_ns=1, by="kim", note="", document={"format": 9})
    await (await node.records.versions()).keep(odd)
    answer = await http.post("/config/versions/5/restore")
    assert (answer.status_code, answer.json()["type"]) == (
        503,
        "urn:lukhas:problem:changes-unavailable",
    )


async def test_the_oldest_versions_go(node: Node, http: httpx.AsyncClient) -> None:
    """They are whole documents."""
    log = VersionLog(await node.records.database(), most=2)
    for number in range(1, 5):
        await log.keep(ConfigVersion(version=number, at_ns=0, by="", note="", document={}))
    assert [each.version for each in await log.list()] == [4, 3]


async def test_a_process_that_is_being_replaced_changes_nothing_more(
    http: httpx.AsyncClient, node: Node, state: AdminState
) -> None:
    """It takes no connection either, so who asks next asks the next process."""
    retired: list[str] = []
    state.retire = lambda: retired.append("retired")
    node.begins_anew = False
    answer = await http.post("/config/routes", json=NEW)
    assert (answer.status_code, answer.headers["connection"], retired) == (
        201,
        "close",
        ["retired"],
    )
    late = await http.delete("/config/routes/new")
    assert (late.status_code, late.headers["retry-after"]) == (503, "1")
    assert read_changes(node.state_dir).version == 1
    assert node.reloads == 1
