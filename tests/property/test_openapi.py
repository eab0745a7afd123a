"""Bodies and parameters made from a schema pass; mutated ones are refused at the mutated place."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.hub.openapi import read_description
from lukhas.policy.openapi.description import ApiDescription
from lukhas.policy.openapi.faults import MessageFault
from tests.unit.pipeline.stages.openapi_kit import SHOP

SCHEMA = "/paths/~1items/post/requestBody/content/application~1json/schema"
NAMES = st.from_regex(r"\A[a-z ]+\Z")
ITEMS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": NAMES, "price": st.floats(0.01, 1e300) | st.integers(1, 2**80)},
    optional={
        "note": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
        "tags": st.lists(NAMES, max_size=3),
    },
)
BODIES = st.lists(ITEMS, min_size=1, max_size=5)


def described() -> ApiDescription:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "openapi.json"
        file.write_text(json.dumps(SHOP))
        return read_description(file)


DESCRIPTION = described()
# A change to an item; where its fault is, below the item; and the rule it breaks.
MUTATIONS: list[tuple[Callable[[dict[str, Any]], object], str, str]] = [
    (lambda item: item.pop("name"), "", "required"),
    (lambda item: item.update(name=""), "/name", "minLength"),
    (lambda item: item.update(name=7), "/name", "type"),
    (lambda item: item.update(price=0), "/price", "exclusiveMinimum"),
    (lambda item: item.update(price="1"), "/price", "type"),
    (lambda item: item.update(tags=["a", "b", None]), "/tags/2", "type"),
    (lambda item: item.update({"a/b~c": 1}), "/a~1b~0c", "additionalProperties"),
]


def faults_of(value: object) -> list[MessageFault]:
    return DESCRIPTION.body_faults(SCHEMA, value, most=50)


@given(BODIES)
def test_what_the_schema_makes_passes(items: list[dict[str, Any]]) -> None:
    """There is no false alarm."""
    assert faults_of({"items": items}) == []


@given(BODIES, st.data())
def test_a_mutation_is_found_at_its_place(items: list[dict[str, Any]], data: st.DataObject) -> None:
    """The pointer is that of the one value that was changed, and the rule the broken one."""
    index = data.draw(st.integers(0, len(items) - 1))
    change, at, rule = data.draw(st.sampled_from(MUTATIONS))
    change(items[index])
    found = {(f.mismatch.pointer, f.mismatch.rule) for f in faults_of({"items": items})}
    assert (f"/items/{index}{at}", rule) in found
    assert all(pointer.startswith(f"/items/{index}") for pointer, _ in found)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_gets_an_answer(value: object) -> None:
    """Whatever it is, it never fails, and a fault has a place that is there."""
    assert isinstance(faults_of(value), list)


@given(st.integers(-1000, 100), st.lists(st.integers(), max_size=5))
def test_typed_parameters_pass(limit: int, ids: list[int]) -> None:
    """What the schema allows is taken as what it means."""
    query = "&".join([f"limit={limit}", *(f"ids={each}" for each in ids)]).encode()
    assert query_faults(query) == []


@given(st.binary(max_size=60))
def test_any_query_gets_an_answer(query: bytes) -> None:
    """However broken its encoding is."""
    for fault in query_faults(query):
        assert fault.member()["in"] == "query"


def query_faults(query: bytes) -> list[MessageFault]:
    found = DESCRIPTION.find(b"/v1/items")
    assert found is not None
    head = RequestHead("GET", "http", b"a", b"/v1/items", query, Headers([]))
    return DESCRIPTION.head_faults(found, found.operations["GET"], head, most=10)
