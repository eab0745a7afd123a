"""Two workers on one file: what was asked for before a purge is never served after it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from lukhas.http.headers import Headers
from lukhas.policy.caching.freshness import Freshness
from lukhas.policy.caching.purges import Purge
from lukhas.policy.caching.terms import ReuseTerms
from lukhas.storage.entries import StoredResponse
from lukhas.storage.memory_entries import MemoryEntryStore
from lukhas.storage.node_entries import NodeEntryStore
from lukhas.storage.node_entry_opening import open_node_entry_file
from lukhas.storage.tiered_entries import TieredEntryStore
from lukhas.units import MIB, SECOND_NS

TERMS = ReuseTerms(Freshness(0, 0, 60 * SECOND_NS, "max-age"), False, False, 0, True, True)
PATHS = (b"/a/1", b"/a/2", b"/b")
TAGS = {b"/a/1": "red", b"/a/2": "blue", b"/b": "red"}
PURGES = (
    *(Purge(resource=("http", b"h", path, b"")) for path in PATHS),
    Purge(tag="red"),
    Purge(path_prefix=b"/a/"),
    Purge(),
)
Step: TypeAlias = tuple[str, int, bytes, int]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("ask", "answer", "get", "purge")),
        st.integers(0, 1),
        st.sampled_from(PATHS),
        st.integers(0, len(PURGES) - 1),
    ),
    max_size=40,
)


def entry(path: bytes, version: int) -> StoredResponse:
    return StoredResponse(
        ("http", b"h", path, b"", ""),
        status=200,
        headers=Headers([]),
        body=b"%d" % version,
        vary=(),
        selected_by=(),
        selected_raw=None,
        terms=TERMS,
        tags=frozenset((TAGS[path],)),
    )


@contextmanager
def two_workers() -> Iterator[list[TieredEntryStore]]:
    """Two stores over one file; they never trust what they knew before."""
    with tempfile.TemporaryDirectory() as folder:
        file = open_node_entry_file(Path(folder), 8 * MIB)
        made = []
        for _ in range(2):
            store = TieredEntryStore(MemoryEntryStore(MIB), look_every_ns=0)
            store.open_node(NodeEntryStore(file))
            made.append(store)
        yield made
        file.close()


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_nothing_asked_for_before_a_purge_is_served_after_it(steps: list[Step]) -> None:
    """The origin has a version of each resource; a purge tells that it has another one by now."""
    versions = dict.fromkeys(PATHS, 0)
    asked: dict[tuple[int, bytes], tuple[int, int]] = {}
    with two_workers() as stores:
        for what, worker, path, which in steps:
            store = stores[worker]
            if what == "ask":
                asked[worker, path] = (store.ticket(), versions[path])
            elif what == "answer" and (worker, path) in asked:
                ticket, version = asked.pop((worker, path))
                old = store.get(("http", b"h", path, b"", "")) or ()
                store.put(entry(path, version), ticket, old)
            elif what == "purge":
                purge = PURGES[which]
                for met in PATHS:
                    if purge.fits(("http", b"h", met, b"", ""), frozenset((TAGS[met],))):
                        versions[met] += 1
                store.purge(purge)
            found = store.get(("http", b"h", path, b"", "")) or ()
            assert all(int(one.body) == versions[path] for one in found)
