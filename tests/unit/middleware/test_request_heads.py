"""Reading request heads from ASGI scopes."""

from lukhas.http.headers import Headers
from lukhas.middleware.request_heads import RequestHeads
from tests.unit.middleware.kit import (
    http_scope,
)


def test_request_heads_are_values() -> None:
    """Path, query and host are in one form, and the fields are those of the scope."""
    heads = RequestHeads()
    scope = http_scope("/a b/ü", raw_path=b"/a%20b/%C3%BC", query_string=b"q=1")
    head = heads.read(scope)
    assert head is not None
    assert head.headers.raw == scope["headers"]
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


def test_a_head_is_read_once() -> None:
    """The same request again, in other objects, is the same head; any other is another one."""
    heads = RequestHeads()
    fields = [(b"host", b"test"), (b"accept", b"text/html")]
    first = heads.read(http_scope("/a", query_string=b"q=1", headers=fields))
    again = heads.read(http_scope("/a", query_string=b"q=1", headers=list(fields)))
    assert first is again
    for path, changed in (
        ("/b", {}),
        ("/a", {"query_string": b"q=2"}),
        ("/a", {"method": "HEAD"}),
        ("/a", {"scheme": "https"}),
        ("/a", {"raw_path": b"/%61"}),
        ("/a", {"headers": fields[::-1]}),
        ("/a", {"headers": [*fields, (b"accept", b"text/html")]}),
    ):
        other = heads.read(
            http_scope(path, **{"query_string": b"q=1", "headers": fields, **changed})
        )
        assert other is not None
        assert other is not first


def test_what_an_app_does_to_its_scope_stays_there() -> None:
    """The head is the server's, not what the app made of the list that it was read from."""
    heads = RequestHeads()
    scope = http_scope("/a", headers=[(b"host", b"test")])
    heads.read(scope)
    scope["headers"].append((b"x-user", b"ann"))
    head = heads.read(http_scope("/a", headers=[(b"host", b"test")]))
    assert head is not None
    assert head.headers.raw == [(b"host", b"test")]


def test_fields_may_be_any_pairs() -> None:
    """ASGI allows lists in place of tuples, and any iterable of them."""
    heads = RequestHeads()
    scope = http_scope("/a", headers=[[b"host", b"test"], [b"accept", b"*/*"]])
    for _ in range(2):
        head = heads.read(scope)
        assert head is not None
        assert head.headers.get(b"accept") == b"*/*"


def test_heads_that_never_come_again_are_not_kept() -> None:
    """What is known is bounded, and not even looked for while all requests differ."""
    heads = RequestHeads()
    for number in range(6000):
        head = heads.read(http_scope(headers=[(b"host", b"test"), (b"x-trace", b"%d" % number)]))
        assert head is not None
        assert head.headers.get(b"x-trace") == b"%d" % number
    assert not heads._known
    for _ in range(13_000):
        head = heads.read(http_scope("/again"))
    assert heads.read(http_scope("/again")) is head


def test_known_heads_are_bounded() -> None:
    """Many different requests, each coming twice, start the memory afresh when it is full."""
    heads = RequestHeads()
    for number in range(3000):
        for _ in range(2):
            assert heads.read(http_scope(f"/{number}")) is not None
    assert 0 < len(heads._known) <= 1024
    long = [(b"host", b"test"), (b"cookie", b"c" * 3000)]
    assert heads.read(http_scope("/long", headers=long)) is not heads.read(
        http_scope("/long", headers=long)
    )
