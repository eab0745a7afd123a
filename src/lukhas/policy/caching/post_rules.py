"""POST requests that only ask, by rule: their keys, and which GraphQL documents are queries."""

import json
import re
from enum import Enum
from hashlib import sha256

__all__ = ("MAX_POST_BYTES", "PostRule", "post_key")

MAX_POST_BYTES = 64 * 1024
"""Requests with longer bodies go past the cache."""

# A string, block string or comment; or a name, number or punctuator. All else is white space.
_TOKENS = re.compile(
    rb'"""(?:[^"\\]|\\"""|\\|"(?!""))*"""|"(?:[^"\\\n\r]|\\.)*"|#[^\n\r]*'
    rb"|[_A-Za-z][_0-9A-Za-z]*|-?[0-9][0-9.eE+-]*|\.\.\.|[!$&()\[\]{}:=@|]"
    rb"|[ \t\r\n,]+|\xef\xbb\xbf|.",
    re.DOTALL,
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DEFINING = frozenset((b"query", b"fragment"))
_KNOWN_MEMBERS = frozenset(("query", "variables", "operationName"))


class PostRule(Enum):
    """Which POST requests of a route are answered from the cache."""

    NEVER = "never"
    """None."""
    GRAPHQL = "graphql"
    """GraphQL queries, never mutations or subscriptions."""
    BODY = "body"
    """All: the operator's word that POST changes nothing here."""

    # Members are singletons; the inherited hash runs Python code.
    __hash__ = object.__hash__


def post_key(rule: PostRule, content_type: bytes | None, body: bytes) -> bytes | None:
    """A digest that tells what a POST asks for; None where it goes past the cache.

    Args:
        rule: the rule of the route.
        content_type: the Content-Type of the request.
        body: its body, whole.
    """
    if rule is PostRule.NEVER or len(body) > MAX_POST_BYTES:
        return None
    media_type = (content_type or b"").partition(b";")[0].strip().lower()
    if rule is PostRule.BODY:
        return _digest(b"body", content_type or b"", body)
    if media_type != b"application/json":
        return None
    return _graphql_key(body)


def _graphql_key(body: bytes) -> bytes | None:
    try:
        request = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, dict) or not _KNOWN_MEMBERS.issuperset(request):
        # A batch, a persisted query, or an extension whose meaning is unknown here.
        return None
    query, operation = request.get("query"), request.get("operationName")
    if not isinstance(query, str) or not isinstance(operation, str | None):
        return None
    document = _query_document(query.encode("utf-8", "surrogatepass"))
    if document is None:
        return None
    variables = json.dumps(request.get("variables"), sort_keys=True, ensure_ascii=True)
    name = b"" if operation is None else b"=" + operation.encode("utf-8", "surrogatepass")
    return _digest(b"graphql", document, variables.encode("ascii"), name)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Of two equal names our reader takes the last; the origin's may take the first.
        raise ValueError
    return members


def _query_document(query: bytes) -> bytes | None:
    """The document without white space and comments; None unless it holds queries only.

    The word before the name of a definition, at depth 0, is what tells. Anything unusual there is
    no query: taking a query for something else costs a hit, the opposite would repeat a change.
    """
    depth = 0
    tokens: list[bytes] = []
    seen_word = True
    has_query = False
    for match in _TOKENS.finditer(query):
        token = match.group()
        if token[:1] in b" \t\r\n,#" or token == _BYTE_ORDER_MARK:
            continue
        if depth == 0 and seen_word and token != b"{" and token not in _DEFINING:
            return None
        if depth == 0 and seen_word:
            has_query = has_query or token != b"fragment"
            seen_word = False
        if token in {b"{", b"("}:
            depth += 1
        elif token in {b"}", b")"}:
            depth -= 1
            seen_word = depth == 0 and token == b"}"
        if depth < 0:
            return None
        tokens.append(token)
    return b" ".join(tokens) if has_query and depth == 0 and seen_word else None


def _digest(*parts: bytes) -> bytes:
    digest = sha256()
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()
