"""Settings into policies: the one place where the one is turned into the other."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from lukhas.config.answers import RouteSettings
from lukhas.config.caching import effective_values
from lukhas.config.consumers import LimitSettings
from lukhas.config.named_upstreams import named_upstreams
from lukhas.config.resilience import RouteFallbackSettings, RouteMirrorSettings
from lukhas.config.settings import Settings
from lukhas.config.tokens import TokenIssuerSettings
from lukhas.http.client_address import TrustedProxies
from lukhas.hub.best_of import best_of_policy
from lukhas.hub.fallbacks import fallback_of
from lukhas.hub.request_bodies import decompression_policy
from lukhas.hub.transformations import cors_policy, redirect_of, transformation
from lukhas.identity.tokens import TokenVerifier, TrustedIssuer
from lukhas.pipeline.stages.identify import IdentitySettings
from lukhas.pipeline.stages.limit_rules import LimitFields, LimitRules
from lukhas.policy.access.certificates import CertificateRule
from lukhas.policy.access.tokens import TokenIssuer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.post_rules import PostRule
from lukhas.policy.caching.query_rules import QueryRule
from lukhas.policy.compression import CompressionPolicy
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.costs import parse_cost
from lukhas.policy.rate_limiting.dimensions import parse_dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits
from lukhas.policy.rate_limiting.limits import Limit
from lukhas.policy.rate_limiting.policies import LimitPolicy
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.fallbacks import Fallback
from lukhas.policy.routing.mirroring import Mirror
from lukhas.policy.routing.routes import RouteRule, RouteTable
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM, Split
from lukhas.policy.strategies import STRATEGIES
from lukhas.units import SECOND_NS

__all__ = (
    "cache_policy",
    "certificate_rules",
    "compression_policy",
    "identity_settings",
    "limit_fields",
    "limit_policies",
    "limit_rules",
    "route_table",
    "tier_limits",
    "token_verifier",
)

_MAX_ERROR_TTL_S = 10
_ALL_BUT_INTERNAL = frozenset(tier for tier in Tier if tier is not Tier.INTERNAL)


def tier_limits(settings: Settings) -> dict[Tier, tuple[Limit, ...]]:
    """The limits of each tier."""
    texts: dict[Tier, str | None] = {tier: getattr(settings.tiers, tier.value) for tier in Tier}
    zone = ZoneInfo(settings.tiers.time_zone)
    return {
        tier: parse_limits(text, policy=tier.value, zone=zone) if text else ()
        for tier, text in texts.items()
    }


def limit_rules(settings: Settings) -> LimitRules:
    """Who may do how much."""
    return LimitRules(
        tier_limits=tier_limits(settings),
        policies=limit_policies(settings),
        tier_mode=settings.tiers.mode,
        tier_on_store_error=settings.tiers.on_store_error,
        fields=limit_fields(settings),
        exempt_addresses=TrustedProxies(settings.exempt.addresses),
        exempt_consumers=frozenset(settings.exempt.consumers),
    )


def limit_policies(settings: Settings) -> tuple[LimitPolicy, ...]:
    """The limits beside those of the tiers: the general ones, then those of the routes."""
    general = [_limit_policy(limit) for limit in settings.limits]
    routes = [
        LimitPolicy(
            name=route.name,
            limits=parse_limits(route.limits, policy=route.name),
            mode=route.limits_mode,
            on_store_error=settings.tiers.on_store_error,
            routes=frozenset((route.name,)),
        )
        for route in settings.routes
        if route.limits
    ]
    return (*general, *routes)


def _limit_policy(limit: LimitSettings) -> LimitPolicy:
    return LimitPolicy(
        name=limit.name,
        limits=parse_limits(limit.limits, policy=limit.name, zone=ZoneInfo(limit.time_zone)),
        mode=limit.mode,
        by=parse_dimension(limit.by),
        cost=parse_cost(limit.cost),
        tiers=frozenset(limit.tiers) or _ALL_BUT_INTERNAL,
        routes=frozenset(limit.routes),
        consumers=frozenset(limit.consumers),
        tenants=frozenset(limit.tenants),
        replaces_tier=limit.replaces_tier,
        on_store_error=limit.on_store_error,
    )


def limit_fields(settings: Settings) -> LimitFields:
    """What clients are told about their limits."""
    fields = settings.rate_limit_headers
    return LimitFields(standard=fields.standard, legacy=fields.legacy)


def compression_policy(settings: Settings, route: RouteSettings | None = None) -> CompressionPolicy:
    """How the responses of a route are compressed; those of all others if None."""
    compression = settings.compression
    mode = compression.mode if route is None or route.compression is None else route.compression
    values = STRATEGIES[settings.strategy]
    return CompressionPolicy(
        mode=mode,
        codings=tuple(coding.encode("ascii") for coding in compression.codings),
        types=tuple(media_type.encode("ascii") for media_type in compression.types),
        min_bytes=compression.min_bytes,
        effort=compression.effort or values.compression_effort,
    )


def cache_policy(settings: Settings, route: RouteSettings | None = None) -> CachePolicy:
    """The cache policy of a route; that of all others if None."""
    general = _general_cache_policy(settings)
    if route is None:
        return general
    ignores = route.cache_ignore_client
    return replace(
        general,
        name=route.name,
        mode=general.mode if route.cache_mode is None else route.cache_mode,
        default_ttl_s=general.default_ttl_s if route.cache_ttl_s is None else route.cache_ttl_s,
        private=general.private if route.cache_private is None else route.cache_private,
        ignore_request_directives=general.ignore_request_directives if ignores is None else ignores,
        query=_query_rule(route),
        post=PostRule(route.cache_post),
        post_for_get=route.cache_post_serves_get,
    )


def _general_cache_policy(settings: Settings) -> CachePolicy:
    cache = settings.cache
    values = effective_values(settings.strategy, cache)
    strict = cache.profile == "strict-rfc"
    names = ("authorization",) if strict else settings.identity.credential_headers
    return CachePolicy(
        mode=cache.mode,
        default_ttl_s=values.default_ttl_s,
        max_ttl_s=values.max_ttl_s,
        private=cache.private,
        max_body_bytes=values.max_body_bytes,
        credential_headers=frozenset(name.lower().encode("ascii") for name in names),
        max_error_ttl_s=values.max_ttl_s if strict else _MAX_ERROR_TTL_S,
        store_request_errors=strict,
        store_cookies=strict,
        cookies_identify=not strict,
        targets=tuple(name.lower().encode("ascii") for name in cache.targets),
        stale_while_revalidate_s=values.stale_while_revalidate_s,
        stale_if_error_s=values.stale_if_error_s,
        stale_if_unreachable_s=values.stale_if_unreachable_s,
        early_refresh=values.early_refresh,
        ignore_request_directives=cache.ignore_client_cache_control,
        leak_guard=cache.leak_guard,
    )


def _query_rule(route: RouteSettings) -> QueryRule | None:
    allow = route.cache_query_allow
    if allow is None and not route.cache_query_ignore and not route.cache_query_sort:
        return None
    return QueryRule(
        allow=None if allow is None else frozenset(name.encode() for name in allow),
        ignore=frozenset(name.encode() for name in route.cache_query_ignore),
        sort=route.cache_query_sort,
    )


def route_table(settings: Settings) -> RouteTable:
    """The routes.

    Raises:
        ConfigError: two routes are alike, or a path cannot be read.
    """
    first = next(iter(named_upstreams(settings)))
    rules = [
        RouteRule(
            name=route.name,
            template=route.path,
            cache=cache_policy(settings, route),
            hosts=frozenset(host.lower().encode("ascii") for host in route.hosts),
            methods=frozenset(route.methods),
            exempt=route.exempt,
            cost=route.cost,
            compression=compression_policy(settings, route),
            body_bytes=route.body_bytes,
            websocket=route.websocket,
            cors=cors_policy(settings, route),
            transformation=transformation(settings, route),
            redirect=redirect_of(route),
            upstream=_upstream(_first_named(route), first),
            split=_split(route, first),
            best_of=best_of_policy(route.name, route.best_of, lambda name: _upstream(name, first)),
            decompression=decompression_policy(settings, route),
            timeout_ns=None if route.timeout_s is None else round(route.timeout_s * SECOND_NS),
            fallback=_fallback(route.fallback, first),
            mirror=_mirror(route.mirror, first),
        )
        for route in settings.routes
    ]
    default = RouteRule(
        name="default",
        template="*",
        cache=cache_policy(settings),
        compression=compression_policy(settings),
        cors=cors_policy(settings),
        transformation=transformation(settings),
        upstream=first,
        decompression=decompression_policy(settings),
    )
    return RouteTable(rules, default=default)


def _upstream(name: str | None, first: str) -> str:
    """The name that an upstream has, whatever a route calls that of all others."""
    return first if name is None or name == DEFAULT_UPSTREAM else name


def _first_named(route: RouteSettings) -> str | None:
    """The upstream of what is decided before one of several is chosen."""
    return route.upstream if route.best_of is None else route.best_of.upstreams[0]


def _fallback(settings: RouteFallbackSettings | None, first: str) -> Fallback | None:
    if settings is None or settings.upstream is None:
        return fallback_of(settings, "")
    return fallback_of(settings, _upstream(settings.upstream, first))


def _mirror(settings: RouteMirrorSettings | None, first: str) -> Mirror | None:
    if settings is None:
        return None
    return Mirror(_upstream(settings.upstream, first), settings.percent / 100)


def _split(route: RouteSettings, first: str) -> Split | None:
    if not route.split:
        return None
    names = tuple(_upstream(name, first) for name in route.split)
    return Split(route.name, names, tuple(route.split.values()), by=route.split_by)


def identity_settings(settings: Settings) -> IdentitySettings:
    """How consumers are told apart."""
    identity = settings.identity
    return IdentitySettings(
        api_key_header=identity.api_key_header.lower().encode("ascii"),
        on_unknown=identity.on_unknown,
        trusted=TrustedProxies(settings.trusted_proxies),
        mode=identity.mode,
    )


def certificate_rules(settings: Settings) -> tuple[CertificateRule, ...]:
    """Whom client certificates stand for; none where no credential is looked at."""
    if settings.identity.mode is Mode.OFF:
        return ()
    return tuple(
        CertificateRule(
            consumer=rule.consumer,
            tier=rule.tier,
            tenant=rule.tenant,
            common_name=rule.common_name,
            san=rule.san,
            fingerprint=rule.fingerprint or "",
        )
        for rule in settings.identity.certificates
    )


def token_verifier(settings: Settings) -> TokenVerifier | None:
    """What verifies tokens; None where no issuer is trusted, or no credential is looked at."""
    issuers = settings.identity.tokens
    if not issuers or settings.identity.mode is Mode.OFF:
        return None
    return TokenVerifier([_trusted_issuer(each) for each in issuers])


def _trusted_issuer(issuer: TokenIssuerSettings) -> TrustedIssuer:
    terms = TokenIssuer(
        issuer=issuer.issuer,
        audience=issuer.audience,
        algorithms=frozenset(issuer.algorithms),
        leeway_ns=round(issuer.leeway_s * SECOND_NS),
        consumer_claim=issuer.consumer_claim,
        tier_claim=issuer.tier_claim,
        tiers=dict(issuer.tiers),
        default_tier=issuer.default_tier,
        tenant_claim=issuer.tenant_claim,
        keep_claims=issuer.keep_claims,
    )
    secret = issuer.secret.get_secret_value() if issuer.secret is not None else ""
    return TrustedIssuer(terms, issuer.keys_file, secret)
