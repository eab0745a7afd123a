"""An admin database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lukhas.storage.sql import Database, open_database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path)
    yield opened
    await opened.close()
