"""Where in the settings a route is set."""

__all__ = ("ALL_ROUTES", "route_setting")

ALL_ROUTES = "*"
"""The template under which requests of no route of the settings are counted."""


def route_setting(name: str, own: str, general: str) -> str:
    """The path of a setting for a route.

    Args:
        name: the name of the route in the settings; empty where it has none there.
        own: the setting of a route.
        general: the setting of all others.
    """
    return f"routes[{name}].{own}" if name else general
