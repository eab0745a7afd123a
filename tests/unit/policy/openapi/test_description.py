"""A description finds faults in heads, bodies and responses, each with its place."""

from collections.abc import Callable
from typing import Any

import pytest

from lukhas.http.headers import HeaderPairs, Headers
from lukhas.http.messages import RequestHead
from lukhas.policy.openapi.description import ApiDescription, essence
from lukhas.policy.openapi.faults import MessageFault, Mismatch, Place, SchemaCheck
from lukhas.policy.openapi.references import node_at


def parameter(name: str, place: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}


DOC_SCHEMA = {"schema": {"const": [1]}}
JSON = {"content": {"application/json": {"schema": {"const": "good"}}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [{"url": "/v1/"}],
    "paths": {
        "/plain": {"get": {}},
        "/b/{id}": {"parameters": [parameter("id", "path")], "get": {}, "put": {}},
        "/a/{id}": {
            "get": {
                "parameters": [
                    parameter("id", "path", const=7),
                    parameter("q", "query", required=True, const="x"),
                    parameter("X-Team", "header", const="a, b"),
                    parameter("theme", "cookie", const="dark"),
                    {
                        "name": "doc",
                        "in": "query",
                        "content": {"application/json": {"schema": {"const": [1]}}},
                    },
                    parameter("size", "query", enum=["1", 2]),
                ],
                "responses": {
                    "200": {
                        "content": {
                            **JSON["content"],
                            "text/csv": {"schema": {"const": 1}},
                            "text/html": {},
                        }
                    },
                    "2XX": {"content": {"application/*": {"schema": {"const": "good"}}}},
                    "404": {"description": "none"},
                },
            },
            "put": {"requestBody": JSON, "responses": {"default": JSON}},
        },
    },
}


def compiled(asked: list[str]) -> Callable[[str], SchemaCheck]:
    """Checks that a value is among those that the schema names."""

    def make(pointer: str) -> SchemaCheck:
        asked.append(pointer)
        schema = node_at(DOCUMENT, pointer)
        good = schema.get("enum", [schema.get("const")])

        def check(value: object, *, most: int) -> list[Mismatch]:
            same = any(type(value) is type(each) and value == each for each in good)
            return [] if same else [Mismatch("", "const", "the value")] * min(most, 2)

        return check

    return make


def described(**options: Any) -> ApiDescription:
    return ApiDescription(DOCUMENT, requests=compiled([]), responses=compiled([]), **options)


API = described()


def faults(
    query: bytes, headers: HeaderPairs | None = None, *, path: bytes = b"/v1/a/7", most: int = 9
) -> list[MessageFault]:
    found = API.find(path)
    assert found is not None
    operation = found.operation("GET")
    assert operation is not None
    head = RequestHead("GET", "http", b"x.test", path, query, Headers(headers or []))
    return API.head_faults(found, operation, head, most=most)


def told(*found: MessageFault) -> list[tuple[Place, str, str]]:
    return [(each.place, each.name, each.mismatch.rule) for each in found]


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [(b"Text/HTML; charset=x", "text/html"), (b"", ""), (None, "")],
)
def test_a_media_type_without_its_parameters(content_type: bytes | None, media_type: str) -> None:
    assert essence(content_type) == media_type


def test_each_schema_is_compiled_once() -> None:
    asked: list[str] = []
    answered: list[str] = []
    ApiDescription(DOCUMENT, requests=compiled(asked), responses=compiled(answered))
    assert len(asked) == len(set(asked)) == 8
    assert len(answered) == len(set(answered)) == 4


def test_a_good_head() -> None:
    fields = [
        (b"x-team", b"a"),
        (b"x-team", b"b"),
        (b"cookie", b"odd; theme=dark"),
        (b"cookie", b"z=1"),
    ]
    assert faults(b"q=x&doc=[1]&size=1", fields) == []
    assert faults(b"q=x&size=2") == []


def test_an_operation_without_parameters_takes_anything() -> None:
    assert faults(b"q=1&q=2", path=b"/v1/plain") == []


def test_faults_have_their_places() -> None:
    found = faults(b"doc={&size=3", [(b"x-team", b"c"), (b"cookie", b"theme=dim")], path=b"/v1/a/8")
    assert told(*found) == [
        (Place.PATH, "id", "const"),
        (Place.PATH, "id", "const"),
        (Place.QUERY, "q", "required"),
        (Place.HEADER, "x-team", "const"),
        (Place.HEADER, "x-team", "const"),
        (Place.COOKIE, "theme", "const"),
        (Place.COOKIE, "theme", "const"),
        (Place.QUERY, "doc", "json"),
        (Place.QUERY, "size", "const"),
    ]
    assert told(*faults(b"q=x&q=x")) == [(Place.QUERY, "q", "single")]
    assert told(*faults(b"q=x&doc=" + b"[" * 100_000)) == [(Place.QUERY, "doc", "json")]


def test_no_more_faults_than_asked_for() -> None:
    assert len(faults(b"", path=b"/v1/a/8", most=1)) == 1
    assert len(faults(b"", path=b"/v1/a/8", most=3)) == 3


def test_the_base_path_may_be_given() -> None:
    other = described(base_path="/other/")
    assert other.find(b"/other/plain") is not None
    assert other.find(b"/v1/plain") is None


def test_a_body() -> None:
    found = API.find(b"/v1/a/7")
    assert found is not None
    body = found.operations["PUT"].body
    assert body is not None
    pointer = body["application/json"]
    assert pointer is not None
    assert API.body_faults(pointer, "good", most=5) == []
    assert told(*API.body_faults(pointer, "bad", most=1)) == [(Place.BODY, "", "const")]


@pytest.mark.parametrize(
    ("method", "status", "content_type", "answer"),
    [
        ("GET", 200, b"application/json", "/200/content/application~1json/schema"),
        ("GET", 200, b"application/json; charset=utf-8", "/200/content/application~1json/schema"),
        ("GET", 200, b"text/csv", None),
        ("GET", 200, b"text/html", None),
        ("GET", 200, None, None),
        ("GET", 204, b"application/a+json", "/2XX/content/application~1*/schema"),
        ("GET", 404, b"text/plain", None),
        ("PUT", 500, b"application/json", "/default/content/application~1json/schema"),
    ],
)
def test_the_schema_of_a_response(
    method: str, status: int, content_type: bytes | None, answer: str | None
) -> None:
    found = API.find(b"/v1/a/7")
    assert found is not None
    media = API.response_media(found.operations[method], status, content_type)
    if answer is None:
        assert media is None
        return
    assert isinstance(media, str)
    assert media.endswith("/responses" + answer)
    assert API.response_faults(media, "good", most=5) == []
    assert told(*API.response_faults(media, "bad", most=1)) == [(Place.BODY, "", "const")]


def test_a_response_that_is_not_described() -> None:
    found = API.find(b"/v1/a/7")
    assert found is not None
    get = found.operations["GET"]
    status = API.response_media(get, 302, b"text/plain")
    assert isinstance(status, MessageFault)
    assert status.member() == {
        "in": "status",
        "rule": "responses",
        "expected": "a status that is described",
    }
    kind = API.response_media(get, 200, b"image/png")
    assert isinstance(kind, MessageFault)
    assert kind.member() == {
        "in": "header",
        "name": "content-type",
        "rule": "content",
        "expected": "application/json, text/csv, text/html",
    }


def test_a_fault_as_a_member_of_a_problem() -> None:
    assert MessageFault(Place.BODY, "", Mismatch("", "type", "a list")).member() == {
        "in": "body",
        "pointer": "",
        "rule": "type",
        "expected": "a list",
    }
    assert MessageFault(Place.QUERY, "q", Mismatch("/0", "type", "a number")).member() == {
        "in": "query",
        "name": "q",
        "pointer": "/0",
        "rule": "type",
        "expected": "a number",
    }
