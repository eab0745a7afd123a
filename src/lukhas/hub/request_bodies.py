"""Settings of request bodies into policies and stages."""

from lukhas.config.answers import RouteSettings
from lukhas.config.settings import Settings
from lukhas.pipeline.stage import Stage
from lukhas.pipeline.stages.decompress import DecompressStage
from lukhas.policy.decompression import DecompressionPolicy
from lukhas.policy.routing.routes import RouteTable

__all__ = ("decompress_stages", "decompression_policy")


def decompression_policy(
    settings: Settings, route: RouteSettings | None = None
) -> DecompressionPolicy:
    """How request bodies of a route are decoded; of all others if None."""
    general = settings.request_decompression
    own = route.decompress_request if route is not None else None
    cap = route.body_bytes if route is not None else None
    cap = settings.server.body_bytes if cap is None else cap
    return DecompressionPolicy(
        enabled=general.enabled if own is None else own,
        codings=tuple(coding.encode("ascii") for coding in general.codings),
        body_bytes=min(general.body_bytes, cap or general.body_bytes),
        ratio=general.ratio,
    )


def decompress_stages(table: RouteTable) -> tuple[Stage, ...]:
    """The stage that decodes request bodies, where a route asks for that."""
    rules = (table.default.rule, *table.rules)
    return (DecompressStage(),) if any(rule.decompression.enabled for rule in rules) else ()
