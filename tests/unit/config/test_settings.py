"""The defaults of the tree are safe, and it cannot be changed."""

import pytest
from pydantic import ValidationError

from lukhas.config.settings import Settings
from lukhas.policy.modes import Mode


def test_defaults_stay_on_this_machine() -> None:
    """Both listeners are on loopback, nobody is trusted, nothing without a lifetime is cached."""
    settings = Settings()
    assert str(settings.listen) == "127.0.0.1:8000"
    assert str(settings.admin.listen) == "127.0.0.1:8001"
    assert settings.trusted_proxies == ()
    assert settings.upstream.url is None
    assert settings.cache.default_ttl_s is None
    assert settings.cache.mode is Mode.ENFORCE
    assert settings.tiers.free == "60/minute; 1000/hour; 10000/day"
    assert settings.tiers.internal is None
    assert settings.identity.on_unknown == "reject"


def test_settings_are_frozen_and_closed() -> None:
    """A setting cannot be changed, and a key that does not exist cannot be given."""
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.workers = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings.model_validate({"wrokers": 1})


def test_secrets_are_not_shown() -> None:
    """Neither repr nor str of the settings holds the token."""
    settings = Settings.model_validate({"admin": {"token": "0123456789abcdef"}})
    assert "0123456789abcdef" not in repr(settings) + str(settings)


def test_credentials_always_make_a_response_personal() -> None:
    """RFC 9111 section 3.5: no setting can make the cache overlook Authorization or the API key."""
    chosen = {"api_key_header": "X-Token", "credential_headers": []}
    identity = Settings.model_validate({"identity": chosen}).identity
    assert identity.credential_headers == ("authorization", "x-token")
    named = Settings.model_validate({"identity": {"api_key_header": "X-Token"}}).identity
    assert named.credential_headers == ("authorization", "x-api-key", "x-token")
