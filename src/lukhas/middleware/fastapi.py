"""The names for FastAPI apps."""

from lukhas.middleware.asgi import OptimizerMiddleware
from lukhas.middleware.marks import cache, exempt, limit

__all__ = ("LUKHASFastAPIMiddleware", "OptimizerMiddleware", "cache", "exempt", "limit")

LUKHASFastAPIMiddleware = OptimizerMiddleware
