"""Why a request got its answer, asked of a running gateway from outside."""

import json
from pathlib import Path

import httpx

from tests.e2e.conftest import Origin, StartGateway
from tests.e2e.kit import run_cli, wait_for


def test_a_refusal_is_explained_on_the_command_line_and_over_the_admin_api(
    gateway: StartGateway, origin: Origin, http: httpx.Client, tmp_path: Path
) -> None:
    """By its id, whichever of two workers refused it, with figures and no values of the query."""
    state = str(tmp_path / "state")
    arguments = ("--upstream", origin.url, "--workers", "2", "--limit", "3/hour")
    running = gateway(*arguments, "--state-dir", state)
    answers = [http.get(f"{running.url}/cached/1?token=hushed") for _ in range(5)]
    assert [answer.status_code for answer in answers[3:]] == [429, 429]
    request_id = answers[4].headers["x-request-id"]
    bearer = {"authorization": f"Bearer {running.token}"}
    with httpx.Client(base_url=running.admin_url, headers=bearer, trust_env=False) as admin:
        address = f"/api/v1/explain/{request_id}"
        wait_for(lambda: admin.get(address).status_code == 200, "the record")
        record = admin.get(address).json()
        assert (record["why"], record["status"], record["query"]) == ("refused", 429, "token=***")
        again = admin.post(f"{address}/reevaluate").json()
        assert again["same"]
        assert {decision["stage"] for decision in again["decisions"]} == {"route", "limit"}
        listed = admin.get("/api/v1/explain", params={"why": "refused"}).json()
        assert {each["request_id"] for each in listed["records"]} == {
            answer.headers["x-request-id"] for answer in answers[3:]
        }
        assert admin.get("/api/v1/explain/unknown").status_code == 404
    told = run_cli("explain", request_id, "--state-dir", state).stdout
    assert "limit       refused: limit" in told
    assert "hushed" not in told
    as_json = run_cli("explain", request_id, "--json", "--state-dir", state).stdout
    assert json.loads(as_json) == record
    unknown = run_cli("explain", "unknown", "--state-dir", state)
    assert unknown.returncode == 2
    assert "no record of request 'unknown' is kept" in unknown.stderr
