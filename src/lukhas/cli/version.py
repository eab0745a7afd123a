"""`lukhas version`."""

import sys

__all__ = ("version",)


def version() -> None:
    """Print the version."""
    from importlib.metadata import version as version_of

    sys.stdout.write(f"lukhas {version_of('lukhas-api-optimizer')}\n")
