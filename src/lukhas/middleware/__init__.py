"""The way in for ASGI apps: one middleware, and marks for single routes."""

from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.middleware.marks import cache, exempt, limit

__all__ = ("OptimizerMiddleware", "cache", "exempt", "limit")
