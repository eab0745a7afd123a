"""What is counted by, as it is written."""

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.rate_limiting.dimensions import (
    Dimension,
    DimensionPart,
    Fact,
    parse_dimension,
)


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("consumer", Dimension.CONSUMER, "consumer"),
        ("Address", Dimension.ADDRESS, "address"),
        ("tenant", Dimension((DimensionPart(Fact.TENANT),)), "tenant"),
        ("credential", Dimension((DimensionPart(Fact.CREDENTIAL),)), "credential"),
        ("route", Dimension((DimensionPart(Fact.ROUTE),)), "route"),
        ("upstream", Dimension((DimensionPart(Fact.UPSTREAM),)), "upstream"),
        (
            "header:X-Device",
            Dimension((DimensionPart(Fact.HEADER, "x-device"),)),
            "header:x-device",
        ),
        ("claim:Org", Dimension((DimensionPart(Fact.CLAIM, "Org"),)), "claim:Org"),
        (
            " consumer + route+header:a ",
            Dimension(
                (
                    DimensionPart(Fact.CONSUMER),
                    DimensionPart(Fact.ROUTE),
                    DimensionPart(Fact.HEADER, "a"),
                )
            ),
            "consumer+route+header:a",
        ),
    ],
)
def test_dimensions_are_read_and_shown(text: str, expected: Dimension, shown: str) -> None:
    """Names of fields in lower case, those of claims as they are; what is shown reads the same."""
    dimension = parse_dimension(text)
    assert dimension == expected
    assert str(dimension) == shown
    assert parse_dimension(str(dimension)) == dimension


@pytest.mark.parametrize("text", ["", "moon", "consumer+", "+consumer", "consumer+moon"])
def test_what_is_nothing_to_count_by_is_named(text: str) -> None:
    """With all that could be."""
    with pytest.raises(ConfigError) as caught:
        parse_dimension(text)
    assert caught.value.what.endswith(f"in {text!r} is nothing to count by")
    assert all(fact.value in (caught.value.hint or "") for fact in Fact)


@pytest.mark.parametrize(
    "text", ["header", "header:", "claim", "claim:a b", "consumer:x", "header:" + "a" * 129]
)
def test_fields_and_claims_have_a_name_and_others_have_none(text: str) -> None:
    """One that can be written in a request."""
    with pytest.raises(ConfigError) as caught:
        parse_dimension(text)
    assert caught.value.what == f"{text!r} in {text!r} cannot be read"


@pytest.mark.parametrize("text", ["consumer+consumer", "header:a+route+header:A"])
def test_nothing_stands_twice(text: str) -> None:
    """It would say nothing more."""
    with pytest.raises(ConfigError) as caught:
        parse_dimension(text)
    assert caught.value.what == f"{text!r} names something twice"
