"""Reading request heads from ASGI scopes."""

from lukhas.http.headers import Headers
from lukhas.middleware.request_heads import RequestHeads
from tests.unit.middleware.kit import (
    http_scope,
)


def test_request_heads_are_values() -> None:
    """The raw fields of a scope that has them as a list are shared, not copied."""
    heads = RequestHeads()
    scope = http_scope("/a b/ü", raw_path=b"/a%20b/%C3%BC", query_string=b"q=1")
    head = heads.read(scope)
    assert head is not None
    assert head.headers.raw is scope["headers"]
    assert (head.path, head.query, head.authority) == (b"/a%20b/%C3%BC", b"q=1", b"test")
    kept = heads.read(http_scope("/a/b/c d", raw_path=b"/a%2fb/c%20d"))
    assert kept is not None
    assert kept.path == b"/a%2Fb/c%20d"
    both = heads.read(http_scope("/a b", raw_path=b"/a%20b"))
    assert both is not None
    assert both.path == b"/a%20b"
    rewritten = heads.read(http_scope("/new", raw_path=b"/old%2Fpath"))
    assert rewritten is not None
    assert rewritten.path == b"/new"
    assert rewritten.headers == Headers([(b"host", b"test")])


def test_the_normal_forms_of_hosts_are_bounded() -> None:
    """Thousands of hosts do not fill the memory, and each is still read right."""
    heads = RequestHeads()
    for number in range(3000):
        head = heads.read(http_scope(headers=[(b"host", b"H%d:80" % number)]))
        assert head is not None
        assert head.authority == b"h%d" % number
    assert len(heads._authorities) <= 1024
