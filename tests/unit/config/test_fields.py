"""Each kind of setting takes what it means and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lukhas.config.settings import Settings


def reason(tree: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(tree)
    (error,) = caught.value.errors()
    return f"{error['msg']}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://LOCALHOST:9000/", "http://localhost:9000"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("http://api/base/v1/", "http://api/base/v1"),
        ("HTTPS://Api.Test:443/", "https://api.test"),
        ("unix:/run/api.sock", "unix:/run/api.sock"),
    ],
)
def test_upstream_urls_are_normalised(url: str, expected: str) -> None:
    """Scheme, host, port and a path to put in front are kept."""
    assert Settings.model_validate({"upstream": url}).upstream.url == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:9000",
        "ftp://a",
        "http://",
        "http://a:99999",
        "http://a:0",
        "http://a b",
        "http://u:p@a",
        "http://a?q",
        "http://a/x#",
        "http://a/ü",
        "http://[::1",
        "unix:run/api.sock",
        "unix:/" + "x" * 110,
    ],
)
def test_other_upstream_urls_are_refused(url: str) -> None:
    """What is no plain HTTP URL is a mistake."""
    assert reason({"upstream": url})


def test_passwords_in_urls_are_not_repeated() -> None:
    """The message about a password does not hold it."""
    assert "hunter2" not in reason({"upstream": "http://u:hunter2@a"})


def test_workers() -> None:
    """A number of processes from 1 to 64, or `auto`; everything else is told apart."""
    for good in (1, 64, "auto"):
        assert Settings.model_validate({"workers": good}).workers == good
    for number in (0, 65):
        assert f"{number} is not between 1 and 64" in reason({"workers": number})
    for other in (True, "2", 1.5, None):
        assert "neither a whole number" in reason({"workers": other})


@pytest.mark.parametrize(
    ("tree", "part"),
    [
        ({"trusted_proxies": ["10.0.0.1/8"]}, 'write "10.0.0.0/8"'),
        ({"trusted_proxies": ["proxy"]}, "not a network"),
        ({"server": {"allowed_hosts": ["*.example.com"]}}, "not a host"),
        ({"server": {"allowed_hosts": ["http://a"]}}, "not a host"),
        ({"server": {"body_bytes": "10 bits"}}, "not a size"),
        ({"identity": {"api_key_header": "X Key"}}, "not a header name"),
        ({"routes": [{"name": "a", "path": "/", "methods": ["G T"]}]}, "not an HTTP method"),
        ({"routes": [{"name": "a b", "path": "/"}]}, "not a name"),
        ({"routes": [{"name": "a", "path": "x"}]}, "does not start with /"),
        ({"tiers": {"free": "5/fortnight"}}, "not a unit of time"),
        ({"tiers": {"free": "10/minute; 5/hour"}}, "can never"),
        ({"listen": 8000}, "not an address"),
        ({"listen": "x"}, "not an address"),
        ({"admin": {"token": "short"}}, "at least 16"),
        ({"log": {"level": "loud"}}, "'debug'"),
        ({"cache": {"default_ttl_s": -1}}, "greater than or equal"),
    ],
)
def test_values_out_of_range_are_refused(tree: dict[str, Any], part: str) -> None:
    """Each mistake is told in words of its own."""
    assert part in reason(tree)


def test_values_are_brought_into_one_form() -> None:
    """Methods are upper case, header names and hosts lower case, sizes bytes, paths absolute."""
    settings = Settings.model_validate(
        {
            "state_dir": "~/x",
            "trusted_proxies": ["10.0.0.1", "fd00::/8"],
            "server": {"body_bytes": "1MiB", "allowed_hosts": ["API.Example.com:8443", "[::1]"]},
            "identity": {"credential_headers": ["X-Token"]},
            "routes": [{"name": "a", "path": "/", "methods": ["get"]}],
        }
    )
    assert settings.state_dir == Path("~/x").expanduser()
    assert settings.trusted_proxies == ("10.0.0.1/32", "fd00::/8")
    assert settings.server.body_bytes == 2**20
    assert settings.server.allowed_hosts == ("api.example.com:8443", "[::1]")
    assert settings.identity.credential_headers == ("x-token", "authorization", "x-api-key")
    assert settings.routes[0].methods == ("GET",)


def test_unknown_homes_are_refused() -> None:
    """A home directory that does not exist is a mistake, not a folder named ~."""
    assert "not known" in reason({"state_dir": "~no-such-user-here/x"})
