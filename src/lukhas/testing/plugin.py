"""Fixtures for pytest. Nothing loads them by itself: ask for them in the top `conftest.py`.

    pytest_plugins = ["lukhas.testing.plugin"]

A plugin that came along with the installation would bring its fixtures into every test run of
everybody who has the package installed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from lukhas.config.loading import load_settings
from lukhas.config.settings import Settings
from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.testing.asgi_client import ASGIApp, AsgiClient
from lukhas.testing.clock import ManualClock
from lukhas.testing.limited_hub import LimitedHub

__all__ = (
    "LimitedClientFactory",
    "LimitedHubFactory",
    "Source",
    "limited_client",
    "limited_hub",
    "manual_clock",
)

Source = str | Path | Settings | Mapping[str, Any]
"""Where settings come from: TOML text, the path of a file, `Settings`, or a tree for them."""

LimitedHubFactory = Callable[[Source], LimitedHub]
"""Makes a hub from settings."""


class LimitedClientFactory(Protocol):
    """Makes a client of an app with the middleware around it."""

    def __call__(self, app: ASGIApp, source: Source = "", /) -> AsgiClient:
        """Takes the app, and settings as for a hub; the defaults if there are none."""
        ...


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that stands still until `advance` moves it; the other fixtures go by it."""
    return ManualClock()


@pytest.fixture
def limited_hub(manual_clock: ManualClock, tmp_path: Path) -> Iterator[LimitedHubFactory]:
    """Makes hubs on the manual clock from settings; see `Source`.

    The environment is not read, and nothing of the machine's state is used.
    """
    with ExitStack() as hubs:
        yield lambda source: hubs.enter_context(
            LimitedHub(_settings(source, tmp_path), manual_clock)
        )


@pytest.fixture
def limited_client(manual_clock: ManualClock, tmp_path: Path) -> Iterator[LimitedClientFactory]:
    """Puts the middleware around an app, on the manual clock, and gives a client for it.

    The app must not bring a middleware of this kind itself: it would have a clock of its own.
    """
    with ExitStack() as clients:

        def make(app: ASGIApp, source: Source = "", /) -> AsgiClient:
            settings = _settings(source, tmp_path)
            wrapped = OptimizerMiddleware(app, settings=settings, clock=manual_clock)
            return clients.enter_context(AsgiClient(wrapped))

        yield make


def _settings(source: Source, folder: Path) -> Settings:
    state_dir = folder / "lukhas-state"
    if isinstance(source, Mapping):
        source = Settings.model_validate({**source})
    if isinstance(source, Settings):
        return source.model_copy(update={"state_dir": state_dir})
    if isinstance(source, Path):
        path = source
    else:
        path = folder / "lukhas-settings.toml"
        path.write_text(source, encoding="utf-8")
    settings = load_settings({}, path, {"HOME": str(folder)}).settings
    return settings.model_copy(update={"state_dir": state_dir})
