"""A FastAPI app with limits and caching. Run it with: uvicorn fastapi_app:app --app-dir examples"""

from fastapi import Depends, FastAPI

from lukhas.config.settings import Settings
from lukhas.middleware.fastapi import OptimizerMiddleware, cache, exempt, limit

app = FastAPI(title="Library")


@app.get("/books")
@cache(ttl_s=30)
async def books() -> list[str]:
    """The same for everybody: kept for half a minute."""
    return ["Sea Stories", "Maps"]


@app.get("/loans")
@cache(ttl_s=10, private=True)
async def loans() -> dict[str, int]:
    """Kept for each caller apart."""
    return {"loans": 2}


@app.post("/orders")
@limit("2/minute; 20/day")
async def order() -> dict[str, str]:
    """Costs work, so it has a limit on top of the tier's."""
    return {"state": "taken"}


@app.get("/search", dependencies=[Depends(limit("10/minute", by="address"))])
async def search(q: str = "") -> dict[str, str]:
    """Everybody behind one address is counted together."""
    return {"asked": q}


@app.get("/health")
@exempt
async def health() -> dict[str, bool]:
    """No limits here."""
    return {"ok": True}


settings = Settings.model_validate({"tiers": {"free": "100/minute; 1000/hour"}})
app.add_middleware(OptimizerMiddleware, settings=settings)
