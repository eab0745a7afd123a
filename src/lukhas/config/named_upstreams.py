"""All upstreams by the names that routes, limits, errors and metrics have for them."""

from lukhas.config.settings import Settings
from lukhas.config.upstreams import UpstreamSettings
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM

__all__ = ("named_upstreams", "upstreams_text")


def named_upstreams(settings: Settings) -> dict[str, UpstreamSettings]:
    """The upstreams; first that of all requests whose route names no other.

    That is `upstream`, as `default`, or where it names no server the first of `upstreams`. So each
    has one name only, and what is counted by upstream is counted once.
    """
    named: dict[str, UpstreamSettings] = {each.name: each for each in settings.upstreams}
    if settings.upstream.url is None and not settings.upstream.targets and named:
        return named
    return {DEFAULT_UPSTREAM: settings.upstream} | named


def upstreams_text(settings: Settings) -> str:
    """The upstreams, for people."""
    return ", ".join(
        f"{upstream.url}" if name == DEFAULT_UPSTREAM else f"{name} ({upstream.url})"
        for name, upstream in named_upstreams(settings).items()
    )
