"""The form of API keys, on arbitrary input."""

from hypothesis import given
from hypothesis import strategies as st

from lukhas.identity.minting import mint_key
from lukhas.policy.access.api_keys import BASE62, PresentedKey, Rejection, compose_key, parse_key

DIGITS = BASE62.decode()
ENVIRONMENTS = st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True)
KEYS = st.builds(
    lambda environment, key_id, secret: compose_key(
        environment, key_id=key_id.encode(), secret=secret.encode()
    )[1],
    ENVIRONMENTS,
    st.text(DIGITS, min_size=16, max_size=16),
    st.text(DIGITS, min_size=43, max_size=43),
)


@given(ENVIRONMENTS)
def test_a_minted_key_parses(environment: str) -> None:
    """What is minted is read back: environment, id and the body to be hashed."""
    minted = mint_key(environment)
    parsed = parse_key(minted.text.encode())
    assert parsed == PresentedKey(environment, minted.key_id, minted.body)


@given(KEYS, st.data())
def test_a_changed_byte_is_always_noticed(text: bytes, data: st.DataObject) -> None:
    """CRC-32 finds every burst of up to 32 bits, so every changed byte."""
    place = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != text[place]))
    changed = text[:place] + bytes((byte,)) + text[place + 1 :]
    assert isinstance(parse_key(changed), Rejection)


@given(KEYS, st.data())
def test_swapped_neighbours_are_noticed(text: bytes, data: st.DataObject) -> None:
    """Two neighbours in the wrong order, the common typing error, are noticed."""
    place = data.draw(st.integers(0, len(text) - 2))
    swapped = (
        text[:place] + text[place + 1 : place + 2] + text[place : place + 1] + text[place + 2 :]
    )
    if swapped != text:
        assert isinstance(parse_key(swapped), Rejection)


@given(st.binary(max_size=200))
def test_no_bytes_raise(presented: bytes) -> None:
    """Any bytes get an answer, and only a whole key is a key."""
    answer = parse_key(presented)
    if isinstance(answer, PresentedKey):
        assert presented.startswith(answer.body)
    else:
        assert answer in {Rejection.MALFORMED, Rejection.BAD_CHECKSUM}


@given(KEYS, st.integers(0, 90))
def test_no_part_of_a_key_is_a_key(text: bytes, length: int) -> None:
    """A cut key is refused."""
    if length < len(text):
        assert isinstance(parse_key(text[:length]), Rejection)
