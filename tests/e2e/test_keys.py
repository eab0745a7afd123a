"""API keys, made and withdrawn while the gateway runs."""

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.kit import Gateway, run_cli, run_gateway


@pytest.fixture(scope="module")
def running(httpbin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with the limits of the tiers; its keys are those of all tests here."""
    with run_gateway(tmp_path_factory.mktemp("keys"), "--upstream", httpbin) as gateway:
        yield gateway


def _keys(gateway: Gateway, *arguments: str) -> str:
    done = run_cli("keys", *arguments, "--state-dir", str(gateway.state_dir))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _ask(http: httpx.Client, gateway: Gateway, key: str) -> httpx.Response:
    return http.get(f"{gateway.url}/anything", headers={"x-api-key": key})


def test_keys_work_and_stop_at_once(running: Gateway, http: httpx.Client) -> None:
    """A key works as soon as it is made, has the limits of its tier, and stops when revoked."""
    anonymous = http.get(f"{running.url}/anything")
    assert '"free-minute";q=60;w=60' in anonymous.headers["ratelimit-policy"]

    key = _keys(running, "create", "--tier", "premium", "--name", "partner")
    known = _ask(http, running, key)
    assert known.status_code == 200
    assert '"premium-minute";q=1000;w=60' in known.headers["ratelimit-policy"]
    bearer = http.get(f"{running.url}/anything", headers={"authorization": f"Bearer {key}"})
    assert '"premium-minute";r=998' in bearer.headers["ratelimit"]

    key_id = key.split("_")[2]
    listed = _keys(running, "list")
    assert key.split("_")[3] not in listed
    (row,) = (line.split() for line in listed.splitlines() if key_id in line)
    assert row[1:3] == ["partner", "premium"]
    assert row[-1] == "active"

    _keys(running, "revoke", key_id)
    refused = _ask(http, running, key)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    rows = _keys(running, "list").splitlines()
    assert [row.split()[-1] for row in rows if key_id in row] == ["revoked"]


def test_both_secrets_work_in_the_grace_period(running: Gateway, http: httpx.Client) -> None:
    """After rotation the old secret works on for the grace period, and counts as the same key."""
    old = _keys(running, "create", "--tier", "basic")
    assert _ask(http, running, old).status_code == 200
    new = _keys(running, "rotate", old.split("_")[2])
    assert new != old
    answers = [_ask(http, running, key) for key in (old, new)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert '"basic-minute";r=297' in answers[1].headers["ratelimit"]

    newest = _keys(running, "rotate", new.split("_")[2], "--grace-s", "0")
    assert _ask(http, running, newest).status_code == 200
    assert _ask(http, running, new).status_code == 401


def test_unknown_keys_are_refused(running: Gateway, http: httpx.Client) -> None:
    """A key that nobody made, or that was spoilt on its way, gets 401 with WWW-Authenticate."""
    key = _keys(running, "create", "--tier", "free")
    spoilt = key[:-1] + ("x" if key[-1] != "x" else "y")
    for wrong in ("something", spoilt, "lk_live_", ""):
        answer = _ask(http, running, wrong)
        assert answer.status_code == 401, wrong
        assert answer.headers["content-type"] == "application/problem+json"
        assert "www-authenticate" in answer.headers


def test_mistakes_with_keys_are_told(running: Gateway) -> None:
    """A tier or a key that does not exist is told in one line, with exit code 2."""
    where = ("--state-dir", str(running.state_dir))
    for arguments in (
        ("create", "--tier", "gold"),
        ("revoke", "nosuchkey"),
        ("rotate", "nosuchkey"),
        ("create", "--tier", "free", "--expires-in-days", "soon"),
    ):
        done = run_cli("keys", *arguments, *where)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith("lukhas: ")
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
