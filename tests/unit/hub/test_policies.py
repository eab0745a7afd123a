"""lukhas.hub.policies: settings into cache policies."""

from lukhas.config.settings import Settings
from lukhas.hub.policies import cache_policy
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.caching.post_rules import PostRule
from lukhas.policy.caching.query_rules import QueryRule


def test_no_settings_are_the_default_policy() -> None:
    """Two places that must say the same."""
    assert cache_policy(Settings()) == CachePolicy()


def test_a_strategy_reaches_the_policy() -> None:
    """With its staleness and bounds."""
    policy = cache_policy(Settings.model_validate({"strategy": "high-throughput"}))
    assert (policy.stale_while_revalidate_s, policy.stale_if_error_s) == (10, 300)


def test_the_strict_profile() -> None:
    """Nothing safer than the RFC."""
    policy = cache_policy(Settings.model_validate({"cache": {"profile": "strict-rfc"}}))
    assert policy.credential_headers == {b"authorization"}
    assert policy.store_cookies
    assert policy.store_request_errors
    assert not policy.cookies_identify
    assert policy.max_error_ttl_s == policy.max_ttl_s


def test_a_route_has_rules_of_its_own() -> None:
    """The rest is as for all."""
    settings = Settings.model_validate(
        {
            "cache": {"targets": ["Edge-Cache-Control"], "leak_guard": False},
            "routes": [
                {
                    "name": "a",
                    "path": "/a",
                    "cache_query_ignore": ["utm"],
                    "cache_query_sort": True,
                    "cache_post": "graphql",
                    "cache_post_serves_get": True,
                    "cache_ignore_client": True,
                },
                {"name": "b", "path": "/b", "cache_query_allow": ["q"]},
            ],
        }
    )
    first, second = (cache_policy(settings, route) for route in settings.routes)
    assert first.query == QueryRule(ignore=frozenset((b"utm",)), sort=True)
    assert first.post is PostRule.GRAPHQL
    assert first.post_for_get
    assert first.ignore_request_directives
    assert first.targets == (b"edge-cache-control",)
    assert not first.leak_guard
    assert second.query == QueryRule(allow=frozenset((b"q",)))
    assert second.post is PostRule.NEVER
