"""lukhas.policy.caching.purges: rule R18."""

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.caching.purges import Purge, purge_of_url

KEY = ("http", b"a.example", b"/x/1", b"q=1", "")
TAGS = frozenset(("red", "blue"))


@pytest.mark.parametrize(
    ("purge", "expected"),
    [
        (Purge(), True),
        (Purge(resource=KEY[:4]), True),
        (Purge(resource=("http", b"a.example", b"/x/1", b"")), False),
        (Purge(scheme="https"), False),
        (Purge(authority=b"b.example"), False),
        (Purge(authority=b"a.example", path_prefix=b"/x"), True),
        (Purge(path_prefix=b"/y"), False),
        (Purge(tag="red"), True),
        (Purge(tag="Red"), False),
        (Purge(tag="red", authority=b"b.example"), False),
    ],
)
def test_r18_a_purge_meets_what_fits_all_that_it_says(purge: Purge, expected: bool) -> None:
    """Nothing said means everything."""
    assert purge.fits(KEY, TAGS) is expected


def test_r18_a_url_names_one_resource_or_a_prefix() -> None:
    """In the normal form of keys: lower case, without the default port."""
    assert purge_of_url("http://A.example:80/x/1?q=1") == Purge(resource=KEY[:4])
    assert purge_of_url("https://a.example", soft=True) == Purge(
        resource=("https", b"a.example", b"/", b""), soft=True
    )
    assert purge_of_url("http://a.example/x?q", prefix=True) == Purge(
        scheme="http", authority=b"a.example", path_prefix=b"/x"
    )


@pytest.mark.parametrize("url", ["", "/x", "ftp://a/", "http://", "http://[::1/", "http://é/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """With a hint."""
    with pytest.raises(ConfigError, match="not an http URL"):
        purge_of_url(url)
