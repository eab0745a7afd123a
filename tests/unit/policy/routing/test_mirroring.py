"""lukhas.policy.routing.mirroring: which requests are copied."""

from hypothesis import given
from hypothesis import strategies as st

from lukhas.policy.routing.mirroring import Mirror

DRAWN = st.floats(0, 1, exclude_max=True)


@given(DRAWN)
def test_all_or_none(drawn: float) -> None:
    assert Mirror("shadow").takes(drawn)
    assert not Mirror("shadow", 0.0).takes(drawn)


@given(DRAWN, st.floats(0, 1))
def test_a_share(drawn: float, share: float) -> None:
    assert Mirror("shadow", share).takes(drawn) is (drawn < share)
