"""Changes of the admin API over a file that is edited too: both always tell the same story."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lukhas.admin.config_edits import Edit, added, deleted, put, reset, weighed
from lukhas.config.changes import ADMIN_API, Changes, Kind
from lukhas.config.changes_file import read_changes, write_changes
from lukhas.config.faults import SettingsError
from lukhas.config.loading import Loaded, load_settings, read_sources

NAMES = st.sampled_from(["a", "b", "c", "d"])
SERVERS = ("http://10.0.0.1:9000", "http://10.0.0.2:9000")


def item(kind: Kind, name: str, number: int) -> dict[str, Any]:
    """An item that fits every other, but for a path that two may have."""
    if kind == "routes":
        return {"name": name, "path": f"/{number}", "cost": number}
    return {
        "name": name,
        "url": SERVERS[0],
        "targets": list(SERVERS[1:]),
        "pool_connections": number,
    }


class FileAndApi(RuleBasedStateMachine):
    """A file and changes over it, with what each name must be at every moment."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.file = self.folder / "gateway.toml"
        self.state_dir = self.folder / "state"
        self.state_dir.mkdir()
        self.in_file: dict[Kind, dict[str, dict[str, Any]]] = {"routes": {}, "upstreams": {}}
        self.kept: list[Changes] = [Changes()]
        self.loaded: Loaded | None = None

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def load(self, changes: Changes) -> Loaded:
        return load_settings(
            {"--state-dir": str(self.state_dir)},
            self.file,
            {},
            needs_upstream=True,
            changes=lambda _: changes,
        )

    @initialize()
    def begin(self) -> None:
        self.write_file()
        self.loaded = self.load(Changes())

    def write_file(self) -> None:
        lines = ['upstream = "http://127.0.0.1:9"']
        for kind, items in self.in_file.items():
            for each in items.values():
                lines += [f"[[{kind}]]", *(f"{key} = {json.dumps(each[key])}" for key in each)]
        self.file.write_text("\n".join(lines), encoding="utf-8")

    def change(self, edit: Edit) -> None:
        """As the desk does it: all or nothing."""
        old = read_changes(self.state_dir)
        tree, _, _ = read_sources({"--state-dir": str(self.state_dir)}, self.file, {})
        try:
            wanted = edit(old, tree)
            loaded = self.load(wanted)
        except (HTTPException, SettingsError):
            return
        new = Changes(old.version + 1, wanted.items, wanted.weights)
        write_changes(self.state_dir, new)
        self.kept.append(new)
        self.loaded = loaded

    @rule(kind=st.sampled_from(["routes", "upstreams"]), name=NAMES, number=st.integers(1, 5))
    def add(self, kind: Kind, name: str, number: int) -> None:
        self.change(added(kind, item(kind, name, number)))

    @rule(kind=st.sampled_from(["routes", "upstreams"]), name=NAMES, number=st.integers(1, 5))
    def replace(self, kind: Kind, name: str, number: int) -> None:
        self.change(put(kind, name, item(kind, name, number)))

    @rule(kind=st.sampled_from(["routes", "upstreams"]), name=NAMES)
    def delete(self, kind: Kind, name: str) -> None:
        self.change(deleted(kind, name))

    @rule(kind=st.sampled_from(["routes", "upstreams"]), name=NAMES)
    def give_back(self, kind: Kind, name: str) -> None:
        self.change(reset(kind, name))

    @rule(name=NAMES, server=st.sampled_from(SERVERS), weight=st.integers(0, 3))
    def weigh(self, name: str, server: str, weight: int) -> None:
        self.change(weighed(name, server, weight))

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        earlier = data.draw(st.sampled_from(self.kept))
        self.change(lambda _changes, _tree: Changes.read(earlier.document(), earlier.version))

    @rule(kind=st.sampled_from(["routes", "upstreams"]), name=NAMES, number=st.integers(0, 5))
    def edit_file(self, kind: Kind, name: str, number: int) -> None:
        """An edit that does not fit what is there is refused by a reload, and taken back."""
        before = dict(self.in_file[kind])
        self.in_file[kind].pop(name, None)
        if number:
            self.in_file[kind][name] = item(kind, name, number)
        self.write_file()
        try:
            self.loaded = self.load(read_changes(self.state_dir))
        except SettingsError:
            self.in_file[kind] = before
            self.write_file()

    @invariant()
    def all_tell_the_same(self) -> None:
        """What runs, what starts now, the file of changes, and the places of values."""
        if self.loaded is None:
            return
        changes = read_changes(self.state_dir)
        fresh = self.load(changes)
        assert fresh.settings == self.loaded.settings
        assert fresh.sources == self.loaded.sources
        noted = " ".join(note.what for note in fresh.notes)
        for kind in self.in_file:
            self.the_last_word_counts(kind, changes, fresh)
            for name, change in changes.of(kind).items():
                if change.item is not None and (name in self.in_file[kind]) is (not change.below):
                    assert f"{kind[:-1]} {name!r}" in noted
        for upstream in fresh.settings.upstreams:
            weights = dict(changes.weights.get(upstream.name, {}))
            assert upstream.weights == weights

    def the_last_word_counts(self, kind: Kind, changes: Changes, fresh: Loaded) -> None:
        """A change if there is one, else the file; and each says where it is from."""
        expected = dict(self.in_file[kind])
        for name, change in changes.of(kind).items():
            expected.pop(name, None)
            if change.item is not None:
                expected[name] = dict(change.item)
        found = getattr(fresh.settings, kind)
        assert {each.name for each in found} == set(expected)
        number = "cost" if kind == "routes" else "pool_connections"
        for at, each in enumerate(found):
            assert getattr(each, number) == expected[each.name][number]
            place = fresh.origins.place((kind, at, "name"))
            if each.name in changes.of(kind):
                assert place == ADMIN_API
                continue
            file, _, line = str(place).rpartition(":")
            assert file == str(self.file)
            text = self.file.read_text(encoding="utf-8").splitlines()[int(line) - 1]
            assert text == f'name = "{each.name}"'


TestFileAndApi = FileAndApi.TestCase
TestFileAndApi.settings = hypothesis_settings(
    max_examples=15, stateful_step_count=15, deadline=None
)
