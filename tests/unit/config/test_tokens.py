"""Settings about whose tokens are believed."""

import json
from pathlib import Path
from typing import Any

import pytest

from lukhas.config.faults import SettingsError
from lukhas.config.loading import load_settings
from lukhas.config.rendering import render_settings
from lukhas.policy.rate_limiting.tiers import Tier

SECRET = "a secret that is longer than 32 bytes"
GOOD = {"issuer": "https://login.example.com/", "audience": "api", "keys_file": "/etc/keys.json"}
KEYED = {"issuer": "i", "audience": "api", "algorithms": ["HS256"], "secret": SECRET}


def load(*issuers: dict[str, Any]) -> Any:
    environ = {"LUKHAS_IDENTITY__TOKENS": json.dumps(issuers)}
    return load_settings({}, None, environ)


def fault(folder: Path, *issuers: dict[str, Any]) -> str:
    # A file, since its mistakes name their place; JSON is YAML.
    path = folder / "gateway.yaml"
    path.write_text(json.dumps({"identity": {"tokens": issuers}}), encoding="ascii")
    with pytest.raises(SettingsError) as caught:
        load_settings({}, path, {})
    return "\n".join(map(str, caught.value.faults))


def test_an_issuer_needs_a_name_an_audience_and_keys() -> None:
    """All else has a safe default."""
    (issuer,) = load(GOOD).settings.identity.tokens
    assert issuer.algorithms == ("RS256", "ES256", "EdDSA")
    assert (issuer.consumer_claim, issuer.tenant_claim, issuer.tier_claim) == ("sub", "", "")
    assert (issuer.leeway_s, issuer.default_tier, issuer.keep_claims) == (30.0, Tier.FREE, ())
    assert load().settings.identity.tokens == ()


def test_a_file_describes_an_issuer(tmp_path: Path) -> None:
    """In TOML, tables of tiers too; a relative path is made absolute."""
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[[identity.tokens]]\nissuer = "i"\naudience = "api"\nkeys_file = "keys.json"\n'
        'tier_claim = "plan"\ntiers = { gold = "premium" }\n',
        encoding="ascii",
    )
    (issuer,) = load_settings({}, path, {}).settings.identity.tokens
    assert issuer.tiers == {"gold": Tier.PREMIUM}
    assert issuer.keys_file is not None
    assert issuer.keys_file.is_absolute()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "a b"}, "issuer"),
        ({"audience": None}, "audience"),
        ({"algorithms": []}, "algorithms"),
        ({"algorithms": ["none"]}, "cannot be 'none'"),
        ({"algorithms": ["HS512"]}, "cannot be 'HS512'"),
        ({"algorithms": ["RS256", "HS256"]}, "at least 32 bytes"),
        ({"algorithms": ["HS256"], "secret": "short"}, "at least 32 bytes"),
        ({"algorithms": ["HS256"], "secret": SECRET}, "the only algorithm"),
        ({"secret": SECRET}, "not among the algorithms"),
        ({"keys_file": None}, "keys_file is missing"),
        ({"leeway_s": 61}, "at most 60"),
        ({"consumer_claim": ""}, "is empty"),
        ({"keep_claims": [""]}, "is empty"),
        ({"keep_claims": ["a\nb"]}, "not the name of a claim"),
        ({"tier_claim": "a" * 129}, "not the name of a claim"),
        ({"tiers": {"gold": "premium"}}, "without tier_claim"),
        ({"tier_claim": "plan", "tiers": {"gold": "silver"}}, "cannot be 'silver'"),
        ({"tier_claim": "plan", "tiers": "gold"}, "tiers"),
        ({"jwks_url": "https://login.example.com/keys"}, "unknown key"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    """Each names its place, and none shows a secret."""
    told = fault(tmp_path, GOOD | changes)
    assert what in told
    assert "tokens[0]" in told
    assert SECRET not in told


def test_a_missing_audience_is_told(tmp_path: Path) -> None:
    """Without one, tokens for other APIs would be taken."""
    assert "audience is missing" in fault(tmp_path, {"issuer": "i", "keys_file": "k"})


def test_an_issuer_stands_once(tmp_path: Path) -> None:
    """Or it would not be clear how its tokens are read."""
    assert "stands twice" in fault(tmp_path, GOOD, GOOD | {"audience": "b"})


def test_the_secret_is_not_shown() -> None:
    """`lukhas config show` prints stars; tables are TOML."""
    loaded = load(KEYED | {"tier_claim": "plan", "tiers": {"a b": "basic"}}, GOOD | {"tiers": {}})
    (line,) = [line for line in render_settings(loaded) if line.startswith("identity.tokens")]
    assert SECRET not in line
    assert 'secret = "***"' in line
    assert 'tiers = { "a b" = "basic" }' in line
    assert "tiers = {}" in line
