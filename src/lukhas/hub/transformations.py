"""Settings of CORS, header fields, paths and redirects into policies and stages."""

from lukhas.config.answers import RouteSettings
from lukhas.config.settings import Settings
from lukhas.errors import ConfigError
from lukhas.pipeline.stage import Stage
from lukhas.pipeline.stages.cors import CorsStage
from lukhas.pipeline.stages.redirect import RedirectStage
from lukhas.pipeline.stages.route import RouteStage
from lukhas.pipeline.stages.transform import TransformStage
from lukhas.policy.cors import CorsPolicy
from lukhas.policy.field_rules import SECURITY_FIELDS, FieldRules, fields, parse_field_name
from lukhas.policy.modes import Mode
from lukhas.policy.routing.rewriting import Redirect, pattern_of
from lukhas.policy.routing.routes import RouteTable
from lukhas.policy.routing.transformation import Transformation

__all__ = (
    "cors_policy",
    "cors_stages",
    "redirect_of",
    "redirect_stages",
    "transform_stages",
    "transformation",
)

_TOLD_BY_SERVERS = frozenset((b"server", b"x-powered-by"))


def cors_policy(settings: Settings, route: RouteSettings | None = None) -> CorsPolicy:
    """Which pages may read the answers of a route; of all others if None.

    Raises:
        ConfigError: credentials are allowed for every origin.
    """
    cors = settings.cors
    mode, origins = cors.mode, cors.origins
    if route is not None:
        mode = mode if route.cors is None else route.cors
        origins = origins if route.cors_origins is None else route.cors_origins
    return CorsPolicy(
        mode=mode,
        origins=tuple(origins),
        methods=tuple(cors.methods),
        headers=tuple(cors.headers),
        exposed=tuple(cors.exposed_headers),
        credentials=cors.credentials,
        max_age_s=cors.max_age_s,
    )


def transformation(settings: Settings, route: RouteSettings | None = None) -> Transformation:
    """What is changed on the way to the origin and back.

    Raises:
        ConfigError: a path of the route cannot be read.
    """
    general = settings.headers
    request = FieldRules(
        frozenset(map(parse_field_name, general.remove_request)),
        fields(general.set_request),
        fields(general.add_request),
    )
    response = FieldRules(
        frozenset(map(parse_field_name, general.remove_response))
        | (_TOLD_BY_SERVERS if general.security else frozenset()),
        fields(general.set_response),
        fields(general.add_response),
        SECURITY_FIELDS if general.security else (),
    )
    rewrite = None
    if route is not None:
        removed = frozenset(map(parse_field_name, route.remove_request_headers))
        request = request.then(FieldRules(removed, fields(route.set_request_headers)))
        removed = frozenset(map(parse_field_name, route.remove_response_headers))
        response = response.then(FieldRules(removed, fields(route.set_response_headers)))
        if route.rewrite is not None:
            rewrite = pattern_of(route.rewrite, route.path)
            if not route.rewrite.startswith("/"):
                raise ConfigError(
                    f"{route.rewrite!r} is not a path", hint="only a redirect may name a host"
                )
    hsts = b"max-age=%d" % general.hsts_s if general.hsts_s else b""
    return Transformation(request, response, rewrite, hsts)


def redirect_of(route: RouteSettings) -> Redirect | None:
    """Where clients of a route are sent.

    Raises:
        ConfigError: the target cannot be read.
    """
    if route.redirect is None:
        return None
    return Redirect(pattern_of(route.redirect, route.path), route.redirect_status)


def cors_stages(table: RouteTable, routes: RouteStage) -> tuple[Stage, ...]:
    """The stage that answers preflights, where a route has any CORS."""
    policies = [match.cors for match in (table.default.rule, *table.rules)]
    return () if all(policy.mode is Mode.OFF for policy in policies) else (CorsStage(routes),)


def redirect_stages(table: RouteTable) -> tuple[Stage, ...]:
    """The stage that redirects, where a route is."""
    return (RedirectStage(),) if any(rule.redirect for rule in table.rules) else ()


def transform_stages(table: RouteTable) -> tuple[Stage, ...]:
    """The stage that changes fields and paths, where a route asks for that."""
    rules = (table.default.rule, *table.rules)
    is_needed = any(
        not rule.transformation.is_empty or rule.cors.mode is Mode.ENFORCE for rule in rules
    )
    return (TransformStage(),) if is_needed else ()
