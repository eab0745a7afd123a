"""Credentials in fields are not shown, and stay what they are."""

from typing import Any

import pytest

from lukhas.config.masking import masked, unmasked

ITEM = {
    "set_request_headers": ["Authorization: Bearer x", "X-Team: blue", "X-Api-Key: k"],
    "methods": ["Cookie: no field"],
}
SHOWN = {
    "set_request_headers": ["Authorization: ***", "X-Team: blue", "X-Api-Key: ***"],
    "methods": ["Cookie: no field"],
}


def test_credentials_in_fields_are_masked() -> None:
    """By the name of the field; others are shown, and so is what is no field."""
    assert masked("routes.a", ITEM) == SHOWN
    assert masked("headers.set_request", ["Set-Cookie: a=b", 7]) == ["Set-Cookie: ***", 7]
    assert masked("routes", [ITEM]) == [SHOWN]
    assert masked("workers", 3) == 3


def test_what_comes_back_masked_is_what_it_was() -> None:
    """Whatever the order; a new value of it is taken."""
    back = {**SHOWN, "set_request_headers": ["X-Api-Key: ***", "Authorization: Bearer y"]}
    assert unmasked(SHOWN, ITEM) == ITEM
    assert unmasked(back, ITEM)["set_request_headers"] == [
        "X-Api-Key: k",
        "Authorization: Bearer y",
    ]


@pytest.mark.parametrize("kept", [None, {}, {"set_request_headers": 7}])
def test_without_a_value_there_is_nothing_to_put_back(kept: Any) -> None:
    """It stays as it was sent."""
    assert unmasked(SHOWN, kept) == SHOWN
