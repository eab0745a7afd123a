"""The dashboard: one page that its script fills, at every address that the script knows.

It is built from `ui/` into `assets/app` (`make ui`), and is part of the package.
"""

from functools import cache
from importlib import resources

__all__ = ("DASHBOARD_PATHS", "DEEP_PATHS", "dashboard_page")

DASHBOARD_PATHS = (
    "/",
    "/alerts",
    "/cache",
    "/capacity",
    "/consumers",
    "/explain",
    "/insights",
    "/limits",
    "/routes",
    "/settings",
    "/upstreams",
)
"""Where it is; the same as in `ui/src/app.tsx`."""

DEEP_PATHS = ("/alerts", "/explain")
"""Those with a page for each alert, or request, below them."""


@cache
def dashboard_page() -> str:
    """The page as it was built."""
    built = resources.files("lukhas.admin").joinpath("assets", "app", "index.html")
    return built.read_text(encoding="utf-8")
