"""What a route is called, and where in the settings it is set."""

__all__ = ("route_setting", "route_title")

_REST = "*"


def route_title(route: str) -> str:
    """A route as a sentence names it.

    Args:
        route: its template; `*` stands for the requests of no route of the settings.
    """
    return "What no route is for (*)" if route == _REST else route


def route_setting(name: str, own: str, general: str) -> str:
    """The path of a setting for a route.

    Args:
        name: the name of the route in the settings; empty where it has none there.
        own: the setting of a route.
        general: the setting of all others.
    """
    return f"routes[{name}].{own}" if name else general
