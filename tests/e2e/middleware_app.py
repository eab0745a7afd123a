"""A FastAPI app with the middleware, as its users write it; run by uvicorn in a process."""

from itertools import count

from fastapi import APIRouter, FastAPI, Request

from lukhas.config.settings import Settings
from lukhas.middleware import OptimizerMiddleware, cache, limit

_calls = count(1)
router = APIRouter(prefix="/v1")


@router.get("/cached")
@cache(ttl_s=60)
async def cached() -> dict[str, int]:
    """How often it was called."""
    return {"calls": next(_calls)}


@router.get("/limited")
@limit("2/minute")
def limited() -> dict[str, bool]:
    """Something scarce."""
    return {"ok": True}


@router.post("/echo")
async def echo(request: Request) -> dict[str, int]:
    """The length of the body."""
    return {"length": len(await request.body())}


@router.get("/broken")
async def broken() -> None:
    """Always fails."""
    raise RuntimeError("on purpose")


app = FastAPI()
app.include_router(router)
app.add_middleware(
    OptimizerMiddleware, settings=Settings.model_validate({"tiers": {"free": "40/minute"}})
)
