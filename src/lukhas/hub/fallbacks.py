"""What stands in for upstreams, from the settings, and the stage that sees to it."""

from lukhas.config.resilience import RouteFallbackSettings
from lukhas.config.settings import Settings
from lukhas.http.headers import Headers
from lukhas.pipeline.stages.fallback import FallbackStage
from lukhas.policy.routing.fallbacks import Fallback, StandIn

__all__ = ("fallback_of", "fallback_stages")


def fallback_of(settings: RouteFallbackSettings | None, upstream: str) -> Fallback | None:
    """What stands in on a route; None for nothing.

    Args:
        settings: those of the route.
        upstream: the name of the upstream that they name; empty for none.
    """
    if settings is None:
        return None
    return Fallback(upstream, _answer(settings), frozenset(settings.statuses))


def fallback_stages(settings: Settings) -> tuple[FallbackStage, ...]:
    """The stage; none where nothing stands in on any route, so that it costs nothing there."""
    wanted = any(route.fallback is not None for route in settings.routes)
    return (FallbackStage(),) if wanted else ()


def _answer(settings: RouteFallbackSettings) -> StandIn | None:
    if settings.status is None:
        return None
    body = settings.body.encode()
    fields = [(b"cache-control", b"no-store"), (b"content-length", b"%d" % len(body))]
    if body:
        fields.insert(0, (b"content-type", settings.content_type.encode("ascii")))
    return StandIn(settings.status, Headers(fields), body)
