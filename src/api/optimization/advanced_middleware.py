"""The middleware, under the path of the original description."""

from lukhas.middleware.fastapi import LUKHASFastAPIMiddleware

__all__ = ("LUKHASFastAPIMiddleware",)
