"""The hub, under the path of the original description."""

from lukhas.hub.integration import IntegrationConfig, IntegrationMode, create_optimization_hub

__all__ = ("IntegrationConfig", "IntegrationMode", "create_optimization_hub")
