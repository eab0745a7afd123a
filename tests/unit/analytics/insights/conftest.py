"""A history to fill."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.analytics.insights.kit import Filled, filled


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Filled]:
    """An empty history at a midnight."""
    made = await filled(tmp_path)
    yield made
    await made.history.database.close()
