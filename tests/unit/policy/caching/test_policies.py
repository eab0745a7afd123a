"""lukhas.policy.caching.policies."""

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.caching.policies import CachePolicy


@pytest.mark.parametrize(
    "bound",
    ["default_ttl_s", "max_ttl_s", "max_heuristic_ttl_s", "max_error_ttl_s", "max_body_bytes"],
)
def test_negative_bounds_are_refused(bound):
    """A bound below zero is a mistake, and the message names it and the policy."""
    with pytest.raises(ConfigError, match=rf"cache policy 'api': {bound} is -1"):
        CachePolicy(name="api", **{bound: -1})


def test_credential_headers_are_lower_case():
    """Field names are compared in lower case, so a name in upper case could never match."""
    with pytest.raises(ConfigError, match="lower case"):
        CachePolicy(credential_headers=frozenset((b"X-Token",)))


def test_defaults_are_safe():
    """By default nothing is private, no freshness is invented, API keys are credentials."""
    policy = CachePolicy()
    assert policy.default_ttl_s is None
    assert not policy.private
    assert not policy.store_request_errors
    assert policy.credential_headers == {b"authorization", b"x-api-key"}
