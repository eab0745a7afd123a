"""The hub in code that is neither a gateway nor an ASGI app.

Run it with: python examples/hub_calls.py
"""

import asyncio

from lukhas.config.settings import Settings
from lukhas.hub.integration import IntegrationConfig, create_optimization_hub
from lukhas.hub.programmatic import OptimizationHub


async def ask(hub: OptimizationHub, user: str) -> str:
    """One request of a user, worked out or from the cache or refused."""
    allowed, result = await hub.process_api_request(
        endpoint="/reports/may", method="GET", user_id=user, tier="free"
    )
    if not allowed:
        return f"refused, try again in {result['retry_after_s']} s"
    if result["cached"]:
        return f"from the cache: {result['response']}"
    report = {"sales": 12}
    result = await hub.complete_api_request(result["request_id"], report)
    return f"worked out: {result['response']}"


async def main() -> None:
    """Three requests, of which the limit lets two pass."""
    settings = Settings.model_validate({"tiers": {"free": "2/minute"}})
    hub = await create_optimization_hub(IntegrationConfig(settings=settings, cache_ttl_s=60))
    try:
        for _ in range(3):
            print(await ask(hub, "ada"))
    finally:
        await hub.close()


if __name__ == "__main__":
    asyncio.run(main())
