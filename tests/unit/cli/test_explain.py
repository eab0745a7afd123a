"""`lukhas explain` tells a record in lines."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from lukhas.cli.main import run
from lukhas.policy.explain.records import DecisionRecord, SplitFacts, StageRecord, StageTime
from lukhas.storage.record_files import RECORDS_FILE, RecordFile
from tests.unit.policy.explain.test_reevaluation import RECORD


def keep(folder: Path, record: DecisionRecord) -> None:
    file = RecordFile(folder / RECORDS_FILE)
    file.keep([(record, msgspec.msgpack.encode(record))])
    file.close()


def test_a_record_is_told_stage_by_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With modes, policies, figures, times, and what comes out again."""
    record = replace(
        RECORD,
        took_ns=2_500_000,
        query="page=***",
        tier="free",
        consumer="192.0.2.1",
        upstream="canary",
        strategy="balanced",
        stages=(
            StageRecord("split", "passed", "upstream canary"),
            StageRecord("limit", "refused", "limit l reached", "p", "shadow", (("cost", 1),)),
        ),
        times=(StageTime("limit", 12_000), StageTime("handler", 2_000_000)),
        split=SplitFacts(("default", "canary"), (50, 50), 0.7, "canary"),
    )
    keep(tmp_path, record)
    assert run(["explain", "id-1", "--state-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        "id-1  2025-06-11T00:00:00.000+00:00  kept as sampled\n"
        "GET shop.test/items/7?page=***\n"
        "status 200 in 2.50 ms\n"
        "caller 192.0.2.1 (free), upstream canary, strategy balanced\n"
        "\n"
        "split       passed: upstream canary\n"
        "limit       refused [shadow]: limit l reached (p)  0.012 ms\n"
        "             cost: 1\n"
        "handler     2.000 ms\n"
        "\n"
        "decided again from the recorded facts:\n"
        "  split     the same\n"
    )
    keep(tmp_path, replace(record, split=SplitFacts(("default", "b"), (50, 50), 0.2, "b")))
    assert run(["explain", "id-1", "--state-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("  split     now default\n")


def test_json_is_the_whole_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs; and a record of which little is known is told as well."""
    keep(tmp_path, RECORD)
    assert run(["explain", "id-1", "--json", "--state-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert msgspec.json.decode(out, type=DecisionRecord) == RECORD
    assert run(["explain", "id-1", "--state-dir", str(tmp_path)]) == 0
    assert "caller unknown" in capsys.readouterr().out


def test_what_is_not_kept_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2, whether there are other records or none."""
    for _ in range(2):
        assert run(["explain", "id-9", "--state-dir", str(tmp_path)]) == 2
        assert "explain: no record of request 'id-9' is kept in" in capsys.readouterr().err
        keep(tmp_path, RECORD)
