"""Limits and the cache, as a client sees them."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import Origin
from tests.e2e.kit import Gateway, run_gateway


@pytest.fixture(scope="module")
def limited(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Five requests a minute for each address, and `--cache-ttl`."""
    flags = ("--upstream", origin.url, "--limit", "5/minute", "--cache-ttl", "30")
    with run_gateway(tmp_path_factory.mktemp("limited"), *flags) as running:
        yield running


def client_at(address: str) -> httpx.Client:
    """A client with an address, and so with limits, of its own."""
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(transport=transport, trust_env=False, timeout=20.0)


def test_the_request_over_the_limit_is_refused(limited: Gateway) -> None:
    """Five requests of five a minute pass; the sixth gets a 429 that says what to do (RFC 9457)."""
    with client_at("127.0.0.11") as http:
        passed = [http.get(f"{limited.url}/plain/over/{number}") for number in range(5)]
        refused = http.get(f"{limited.url}/plain/over/5")
    assert [answer.status_code for answer in passed] == [200] * 5
    assert passed[0].headers["ratelimit-policy"] == '"free-minute";q=5;w=60'
    left = [re.match(r'"free-minute";r=(\d)', answer.headers["ratelimit"]) for answer in passed]
    assert [found and found[1] for found in left] == ["4", "3", "2", "1", "0"]

    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["ratelimit-policy"] == '"free-minute";q=5;w=60'
    assert refused.headers["ratelimit"].startswith('"free-minute";r=0;t=')
    assert 1 <= int(refused.headers["retry-after"]) <= 65
    problem = refused.json()
    assert (problem["status"], problem["limit"], problem["window_s"]) == (429, 5, 60)
    assert (problem["policy"], problem["violated-policies"]) == ("tier-free", ["free-minute"])
    assert problem["retry_after_s"] == int(refused.headers["retry-after"])
    assert problem["instance"] == f"urn:lukhas:request:{refused.headers['x-request-id']}"


def test_a_public_answer_is_fetched_once(before_httpbin: Gateway, http: httpx.Client) -> None:
    """The second request for httpbin's /cache/60 is answered from the cache (RFC 9111)."""
    first, second = (http.get(f"{before_httpbin.url}/cache/60?once") for _ in range(2))
    assert first.headers["cache-control"] == "public, max-age=60"
    assert "age" not in first.headers
    assert first.headers["cache-status"] == "lukhas; fwd=uri-miss; stored"
    assert re.fullmatch(r"lukhas; hit; ttl=\d+", second.headers["cache-status"])
    assert 0 <= int(second.headers["age"]) <= 60
    assert second.content == first.content


def test_a_hit_does_not_reach_the_origin(
    before_origin: Gateway, origin: Origin, http: httpx.Client
) -> None:
    """Of many requests for a fresh answer the origin sees one, HEAD included."""
    url = f"{before_origin.url}/fresh/once"
    answers = [http.get(url) for _ in range(5)]
    head = http.head(url)
    assert {answer.content for answer in answers} == {b"call 1"}
    assert (head.content, head.headers["content-length"]) == (b"", "6")
    assert origin.count("/fresh/once") == 1


def test_answers_without_freshness_pass(
    before_origin: Gateway, origin: Origin, http: httpx.Client
) -> None:
    """What does not say how long it is fresh is asked for each time."""
    assert [http.get(f"{before_origin.url}/plain/each").text for _ in range(2)] == [
        "call 1",
        "call 2",
    ]
    assert origin.count("/plain/each") == 2


def test_cache_ttl_keeps_what_says_nothing(limited: Gateway, origin: Origin) -> None:
    """With --cache-ttl, an answer without freshness of its own is a hit for that long."""
    with client_at("127.0.0.12") as http:
        answers = [http.get(f"{limited.url}/plain/ttl") for _ in range(3)]
    assert [answer.text for answer in answers] == ["call 1"] * 3
    assert re.fullmatch(r"lukhas; hit; ttl=(30|2\d)", answers[2].headers["cache-status"])
    assert origin.count("/plain/ttl") == 1


def test_hits_count_against_the_limit(limited: Gateway) -> None:
    """A hit carries the figures of this request, and the request over the limit is refused."""
    with client_at("127.0.0.13") as http:
        answers = [http.get(f"{limited.url}/fresh/limited") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 429]
    figures = [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers]
    assert figures == [f'"free-minute";r={left}' for left in (4, 3, 2, 1, 0, 0)]


def test_answers_to_credentials_are_not_shared(
    before_origin: Gateway, origin: Origin, http: httpx.Client
) -> None:
    """Without leave of the origin, an answer to Authorization is for its sender only."""
    fields = {"authorization": "Basic c29tZWJvZHk6c2VjcmV0"}
    url = f"{before_origin.url}/plain/personal"
    assert http.get(url, headers=fields).text == "call 1"
    assert http.get(url).text == "call 2"
