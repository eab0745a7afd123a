"""Addresses of Redis servers."""

import ssl
from pathlib import Path

import pytest

from lukhas.errors import ConfigError
from lukhas.storage.redis_settings import RedisAddress, RedisSettings, settings_from_url


@pytest.mark.parametrize(
    ("url", "addresses", "database"),
    [
        ("redis://h", ["h:6379"], 0),
        ("redis://h:7/2", ["h:7"], 2),
        ("redis://h:7?db=3", ["h:7"], 3),
        ("redis://[::1]:7", ["[::1]:7"], 0),
        ("redis://[::1]", ["[::1]:6379"], 0),
        ("unix:///run/a%20b.sock?db=4", ["/run/a b.sock"], 4),
        ("redis+cluster://a:1,b:2,[::1]:3", ["a:1", "b:2", "[::1]:3"], 0),
    ],
)
def test_addresses_that_can_be_read(url: str, addresses: list[str], database: int) -> None:
    """Every form that the documentation names."""
    settings = settings_from_url(url)
    assert [str(address) for address in settings.addresses] == addresses
    assert settings.database == database
    assert settings.cluster == ("cluster" in url)
    assert settings.tls is None


def test_user_and_password_are_percent_encoded() -> None:
    """So a password may hold any character; the representation never shows it."""
    settings = settings_from_url("redis://us%3Aer:p%40ss%2Fw@h:7")
    assert (settings.username, settings.password) == ("us:er", "p@ss/w")
    assert "p@ss/w" not in repr(settings)


def test_rediss_is_encrypted_and_checked(tmp_path: Path) -> None:
    """Host name and certificate are checked; a file of authorities that cannot be read is told."""
    for url in ("rediss://h", "rediss+cluster://a:1,b:2"):
        tls = settings_from_url(url).tls
        assert tls is not None
        assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(ConfigError, match="authorities"):
        settings_from_url("rediss://h", tls_ca_file=tmp_path / "none.pem")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://h", "http:// is no Redis address"),
        ("h:6379", "is no Redis address"),
        ("redis://", "no host"),
        ("redis://:s3cret@", "no host"),
        ("redis://h:0", "no port 0"),
        ("redis://h:s3cret", "port in the Redis address is no number"),
        ("redis://h/x", "database in the Redis address is no number"),
        ("redis://a,b", "several hosts are a cluster"),
        ("redis+cluster://a/1", "only database 0"),
        ("unix://relative.sock", "absolute path"),
        ("redis://h?db=1&s3cret=1", "unknown parameter"),
        ("redis://h?protocol=4", "no RESP version 4"),
        ("redis://[s3cret", "cannot be read"),
    ],
)
def test_addresses_that_cannot(url: str, words: str) -> None:
    """It is said what is wrong and what to write."""
    with pytest.raises(ConfigError, match=words) as caught:
        settings_from_url(url)
    if "unknown parameter" not in words:
        assert "s3cret" not in str(caught.value)
    assert caught.value.hint


def test_settings_need_an_address() -> None:
    """They are refused where they are made."""
    with pytest.raises(ConfigError, match="needs an address"):
        RedisSettings(())


def test_an_address_says_itself() -> None:
    """As it is written in errors."""
    assert str(RedisAddress(path="/run/redis.sock")) == "/run/redis.sock"
    assert str(RedisAddress("h", 1)) == "h:1"
