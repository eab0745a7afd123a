"""Making new API keys."""

import pytest

from lukhas.identity.minting import mint_key
from lukhas.policy.access.api_keys import PresentedKey, parse_key


def test_every_key_is_new() -> None:
    """Ids and secrets do not repeat."""
    keys = [mint_key("live") for _ in range(200)]
    assert len({key.key_id for key in keys}) == 200
    assert len({key.text[-49:-6] for key in keys}) == 200


def test_a_rotated_key_keeps_its_id() -> None:
    """With an id given, only the secret is new."""
    first = mint_key("test")
    second = mint_key("test", key_id=first.key_id)
    assert second.key_id == first.key_id
    assert second.body != first.body
    assert isinstance(parse_key(second.text.encode()), PresentedKey)


def test_a_minted_key_does_not_show_itself() -> None:
    """The repr holds the id and not the secret."""
    minted = mint_key("live")
    assert minted.key_id in repr(minted)
    assert minted.text[-49:-6] not in repr(minted)


@pytest.mark.parametrize("key_id", ["", "short", "é" * 16, "_" * 16])
def test_a_wrong_id_is_refused(key_id: str) -> None:
    """An id of another form makes no key."""
    with pytest.raises(ValueError, match="wrong form"):
        mint_key("live", key_id=key_id)
