"""Making a programmatic hub from a few switches."""

from dataclasses import dataclass, field
from enum import Enum

from pydantic import BaseModel

from lukhas.config.settings import Settings
from lukhas.hub.programmatic import OptimizationHub
from lukhas.policy.modes import Mode

__all__ = ("IntegrationConfig", "IntegrationMode", "create_optimization_hub")

_CACHE_TTL_S = 60


class IntegrationMode(Enum):
    """How far the hub may act."""

    PRODUCTION = "production"
    """Limits refuse and the cache answers."""
    SHADOW = "shadow"
    """Everything is decided and recorded, and every request is let through."""


@dataclass(frozen=True, slots=True)
class IntegrationConfig:
    """What a hub is to do.

    Attributes:
        mode: how far it may act.
        enable_intelligent_routing: choose upstreams by their performance.
        enable_predictive_caching: fetch what will be asked for next.
        enable_auto_scaling: follow the load with the number of workers.
        cache_ttl_s: how long responses that say nothing about it are kept, for each user apart; 0
            for not at all.
        settings: everything else.

    What a switch asks for and this version does not have is not ignored: it stands as
    `not_available` among the hub's `parts()`, and is logged.
    """

    mode: IntegrationMode = IntegrationMode.PRODUCTION
    enable_intelligent_routing: bool = False
    enable_predictive_caching: bool = False
    enable_auto_scaling: bool = False
    cache_ttl_s: int = _CACHE_TTL_S
    settings: Settings | None = field(default=None)


async def create_optimization_hub(config: IntegrationConfig | None = None) -> OptimizationHub:
    """A started hub; close it with `await hub.close()`.

    Raises:
        ConfigError: the settings do not fit together.
        StateDirError: the state directory cannot be used.
    """
    config = config or IntegrationConfig()
    hub = OptimizationHub(_settings(config), unavailable=_unavailable(config))
    await hub.start(with_keys=False)
    return hub


def _unavailable(config: IntegrationConfig) -> tuple[str, ...]:
    asked = (
        ("intelligent-routing", config.enable_intelligent_routing),
        ("predictive-caching", config.enable_predictive_caching),
        ("auto-scaling", config.enable_auto_scaling),
    )
    return tuple(name for name, wanted in asked if wanted)


def _settings(config: IntegrationConfig) -> Settings:
    settings = config.settings or Settings()
    # Each user has entries of its own here: responses of a programmatic caller seldom say whether
    # they may be shared, and the caller vouches for who the user is.
    cache = settings.cache.model_copy(
        update={"private": True, "default_ttl_s": config.cache_ttl_s or None}
    )
    settings = settings.model_copy(update={"cache": cache})
    return _shadowed(settings) if config.mode is IntegrationMode.SHADOW else settings


def _shadowed(settings: Settings) -> Settings:
    """The same settings with every policy in shadow mode that is not off."""

    def shadow(mode: Mode | None) -> Mode | None:
        return Mode.SHADOW if mode is Mode.ENFORCE else mode

    def each(section: BaseModel, *names: str) -> BaseModel:
        return section.model_copy(update={name: shadow(getattr(section, name)) for name in names})

    return settings.model_copy(
        update={
            "cache": each(settings.cache, "mode"),
            "tiers": each(settings.tiers, "mode"),
            "identity": each(settings.identity, "mode"),
            "overload": each(settings.overload, "mode"),
            "limits": tuple(each(limit, "mode") for limit in settings.limits),
            "routes": tuple(each(route, "limits_mode", "cache_mode") for route in settings.routes),
        }
    )
