"""What a request costs, as it is written."""

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.rate_limiting.costs import Cost, CostBasis, parse_cost


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        (1, Cost(), "1"),
        ("1", Cost(), "1"),
        (5, Cost(weight=5), "5"),
        ("1000000", Cost(weight=1_000_000), "1000000"),
        ("messages", Cost(CostBasis.MESSAGES), "messages"),
        ("cpu-ms", Cost(CostBasis.CPU_MS), "cpu-ms"),
        (" Request-Bytes ", Cost(CostBasis.REQUEST_BYTES), "request-bytes"),
        ("request-kib", Cost(CostBasis.REQUEST_BYTES, unit=1024), "request-kib"),
        ("response-bytes", Cost(CostBasis.RESPONSE_BYTES), "response-bytes"),
        ("response-kib", Cost(CostBasis.RESPONSE_BYTES, unit=1024), "response-kib"),
        (
            "request-header:X-Cost",
            Cost(CostBasis.REQUEST_HEADER, name="x-cost"),
            "request-header:x-cost",
        ),
        (
            "response-header:x-cost",
            Cost(CostBasis.RESPONSE_HEADER, name="x-cost"),
            "response-header:x-cost",
        ),
    ],
)
def test_costs_are_read_and_shown(text: str | int, expected: Cost, shown: str) -> None:
    """What is shown reads as the same."""
    cost = parse_cost(text)
    assert cost == expected
    assert str(cost) == shown
    assert parse_cost(str(cost)) == cost


@pytest.mark.parametrize("weight", [0, -1, 1_000_001, "0", "1000001"])
def test_a_weight_is_in_range(weight: int | str) -> None:
    """1 to a million."""
    with pytest.raises(ConfigError) as caught:
        parse_cost(weight)
    assert caught.value.what == f"a cost of {weight}"
    assert caught.value.hint == "a cost is 1 to 1000000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "much",
        "1.5",
        "-1",
        "²",
        "requests:x",
        "messages:x",
        "messages-kib",
        "cpu-kib",
        "response-bytes-kib",
        "request-header",
        "request-header:",
        "response-header:a b",
        "response-header:" + "a" * 129,
        "response-kib:x",
    ],
)
def test_what_is_no_cost_is_refused(text: str) -> None:
    """With the text and what could be written."""
    with pytest.raises(ConfigError) as caught:
        parse_cost(text)
    assert caught.value.what == f"{text!r} is no cost"
    assert "response-header:NAME" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("amount", "unit", "expected"),
    [(0, 1, 1), (1, 1, 1), (7, 1, 7), (0, 1024, 1), (1024, 1024, 1), (1025, 1024, 2)],
)
def test_begun_units_count_whole(amount: int, unit: int, expected: int) -> None:
    """And nothing is for nothing."""
    assert Cost(CostBasis.RESPONSE_BYTES, unit=unit).of(amount) == expected


@pytest.mark.parametrize("basis", CostBasis)
def test_what_only_the_response_tells(basis: CostBasis) -> None:
    """Its size, its fields and the time that it took."""
    assert Cost(basis).of_response == (
        basis.value.startswith("response") or basis.value == "cpu-ms"
    )


def test_the_usual_cost_is_one_for_a_request() -> None:
    """Where nothing is said."""
    assert Cost.REQUEST == Cost() == parse_cost("1")
