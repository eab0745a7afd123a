"""lukhas.policy.caching.policies."""

from typing import TypedDict

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.caching.policies import CachePolicy


class Bounds(TypedDict, total=False):
    """Everything of a policy that may not be negative."""

    default_ttl_s: int
    max_ttl_s: int
    max_heuristic_ttl_s: int
    max_error_ttl_s: int
    max_body_bytes: int


@pytest.mark.parametrize(
    "bounds",
    [
        {"default_ttl_s": -1},
        {"max_ttl_s": -1},
        {"max_heuristic_ttl_s": -1},
        {"max_error_ttl_s": -1},
        {"max_body_bytes": -1},
    ],
)
def test_negative_bounds_are_refused(bounds: Bounds) -> None:
    """A bound below zero is a mistake, and the message names it and the policy."""
    (bound,) = bounds
    with pytest.raises(ConfigError, match=rf"cache policy 'api': {bound} is -1: give 0 or more$"):
        CachePolicy(name="api", **bounds)


def test_credential_headers_are_lower_case() -> None:
    """Field names are compared in lower case, so a name in upper case could never match."""
    with pytest.raises(ConfigError, match="cache policy 'cache': a field name is not in lower"):
        CachePolicy(credential_headers=frozenset((b"X-Token",)))


def test_defaults_are_safe() -> None:
    """By default nothing is private, no freshness is invented, API keys are credentials."""
    policy = CachePolicy()
    assert policy.default_ttl_s is None
    assert not policy.private
    assert not policy.store_request_errors
    assert policy.credential_headers == {b"authorization", b"x-api-key"}
