"""How text becomes a value: the table of styles of OpenAPI 3.1 section 4.8.12.6 and the types."""

import pytest

from lukhas.policy.openapi.faults import Mismatch, Place
from lukhas.policy.openapi.parameters import Kinds, Parameter, Sent, candidates, query_pairs

ANY: Kinds = frozenset()


def one(
    *kinds: str,
    place: Place = Place.QUERY,
    style: str = "form",
    explode: bool = True,
    items: tuple[str, ...] = (),
    properties: dict[str, Kinds] | None = None,
) -> Parameter:
    return Parameter(
        "color",
        place,
        required=True,
        style=style,
        explode=explode,
        pointer="/schema",
        kinds=frozenset(kinds),
        items=frozenset(items),
        properties=properties or {},
    )


def test_a_query_in_pairs() -> None:
    assert query_pairs(b"a%5B=1&a%5B=%20&b&&c=d=e") == {"a[": ["1", "%20"], "b": [""], "c": ["d=e"]}
    assert query_pairs(b"") == {}


@pytest.mark.parametrize(
    ("kinds", "text", "values"),
    [
        (("integer",), "12", [12, "12"]),
        (("integer",), "012", ["012"]),
        (("integer",), "1.5", ["1.5"]),
        (("number",), "1.5", [1.5, "1.5"]),
        (("number",), "-2e3", [-2000.0, "-2e3"]),
        (("number",), "1e999", ["1e999"]),
        (("number",), "NaN", ["NaN"]),
        (("boolean",), "true", [True, "true"]),
        (("boolean",), "false", [False, "false"]),
        (("boolean",), "yes", ["yes"]),
        (("null", "string"), "", [None, ""]),
        (("null",), "null", [None, "null"]),
        (("null",), "none", ["none"]),
        (("string",), "12", ["12"]),
        ((), "12", ["12"]),
    ],
)
def test_a_text_and_what_it_may_stand_for(
    kinds: tuple[str, ...], text: str, values: list[object]
) -> None:
    assert candidates(one(*kinds), {"color": [text]}) == values


@pytest.mark.parametrize(
    ("place", "value"),
    [(Place.QUERY, "a b+"), (Place.PATH, "a+b%2B"), (Place.HEADER, "a+b%2B")],
)
def test_only_a_query_is_still_encoded(place: Place, value: str) -> None:
    assert candidates(one("string", place=place), {"color": ["a+b%2B"]}) == [value]


def test_nothing_sent_and_too_much_sent() -> None:
    assert candidates(one("string"), {}) is None
    assert candidates(one("array"), {"color": []}) is None
    assert candidates(one("string"), {"color": ["a", "b"]}) == Mismatch("", "single", "one value")


@pytest.mark.parametrize(
    ("parameter", "sent"),
    [
        (one("array"), ["blue", "bl%61ck"]),
        (one("array", explode=False), ["blue,bl%61ck"]),
        (one("array", style="spaceDelimited", explode=False), ["blue%20black"]),
        (one("array", style="spaceDelimited", explode=False), ["blue+black"]),
        (one("array", style="pipeDelimited", explode=False), ["blue%7Cblack"]),
        (one("array", style="pipeDelimited", explode=False), ["blue|black"]),
        (one("array", place=Place.PATH, style="simple", explode=False), ["blue,black"]),
        (one("array", place=Place.HEADER, style="simple", explode=False), ["blue, black"]),
        (one("array", place=Place.COOKIE), ["blue", "black"]),
    ],
)
def test_a_list_by_style(parameter: Parameter, sent: list[str]) -> None:
    assert candidates(parameter, {"color": sent}) == [["blue", "black"]]


def test_a_list_of_numbers_and_an_empty_one() -> None:
    numbers = one("array", explode=False, items=("integer",))
    assert candidates(numbers, {"color": ["1,2,x"]}) == [[1, 2, "x"], ["1", "2", "x"]]
    assert candidates(numbers, {"color": [""]}) == [[]]
    # A comma that is encoded belongs to a value.
    assert candidates(one("array", explode=False), {"color": ["a%2Cb,c"]}) == [["a,b", "c"]]


RGB = {"R": frozenset(("integer",)), "G": frozenset(("integer",)), "B": frozenset(("integer",))}
COLOR = {"R": 100, "G": 200, "B": 150}


@pytest.mark.parametrize(
    ("parameter", "sent"),
    [
        (one("object", properties=RGB), {"R": ["100"], "G": ["200"], "B": ["150"], "o": ["1"]}),
        (one("object", explode=False, properties=RGB), {"color": ["R,100,G,200,B,150"]}),
        (
            one("object", style="deepObject", properties=RGB),
            {"color[R]": ["100"], "color[G]": ["200"], "color[B]": ["150"], "color[": ["2"]},
        ),
        (
            one("object", place=Place.HEADER, style="simple", explode=False, properties=RGB),
            {"color": ["R,100, G,200,B,150"]},
        ),
        (
            one("object", place=Place.PATH, style="simple", properties=RGB),
            {"color": ["R=100,G=200,B=150,noise"]},
        ),
    ],
)
def test_an_object_by_style(parameter: Parameter, sent: Sent) -> None:
    assert candidates(parameter, sent) == [COLOR, {name: str(v) for name, v in COLOR.items()}]


@pytest.mark.parametrize(
    "parameter",
    [
        one("object", properties=RGB),
        one("object", explode=False),
        one("object", style="deepObject"),
        one("object", place=Place.PATH, style="simple"),
    ],
)
def test_an_object_that_was_not_sent(parameter: Parameter) -> None:
    assert candidates(parameter, {"other": ["1"]}) is None


def test_an_object_that_cannot_be_read() -> None:
    fault = Mismatch("", "style", "names and values by turns")
    assert candidates(one("object", explode=False), {"color": ["R,100,G"]}) == fault
    assert candidates(one("object", place=Place.PATH, style="simple"), {"color": ["R"]}) == fault


def test_a_property_that_is_not_described_is_text() -> None:
    parameter = one("object", explode=False, properties=RGB)
    assert candidates(parameter, {"color": ["X,1"]}) == [{"X": "1"}]
