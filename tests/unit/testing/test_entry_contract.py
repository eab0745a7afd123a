"""lukhas.testing.entry_contract."""

import pytest

from lukhas.testing.entry_contract import EntryStoreContract


def test_a_suite_needs_a_store() -> None:
    """Whoever forgets to say how one is made is told so."""
    with pytest.raises(NotImplementedError, match="make_store"):
        EntryStoreContract().make_store()
