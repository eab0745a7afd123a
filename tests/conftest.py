"""What every test gets: one hypothesis profile and an environment free of LUKHAS_ settings."""

import os
import shutil
import sys
import tempfile

from hypothesis import settings

# No deadline: a shared machine may pause for longer than any one example takes.
settings.register_profile("lukhas", deadline=None)
settings.load_profile("lukhas")


def pytest_configure() -> None:
    """Forget the LUKHAS_ variables and the state of whoever runs the tests; keep bytecode."""
    for name in [name for name in os.environ if name.startswith("LUKHAS_")]:
        del os.environ[name]
    # Hundreds of processes are started; where each compiles all it imports, that takes most of
    # the time.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="lukhas-tests-")


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ.pop("XDG_STATE_HOME", ""), ignore_errors=True)
