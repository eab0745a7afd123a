"""What every test gets: one hypothesis profile and an environment free of LUKHAS_ settings."""

import os

from hypothesis import settings

# No deadline: a shared machine may pause for longer than any one example takes.
settings.register_profile("lukhas", deadline=None)
settings.load_profile("lukhas")


def pytest_configure() -> None:
    """Forget the LUKHAS_ variables of whoever runs the tests, so that defaults are defaults."""
    for name in [name for name in os.environ if name.startswith("LUKHAS_")]:
        del os.environ[name]
