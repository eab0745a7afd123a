"""The records of a process."""

from dataclasses import replace

from lukhas.telemetry.explained import RecentRecords, read_record
from lukhas.units import MIB
from tests.unit.policy.explain.test_reevaluation import RECORD


def test_the_last_records_are_found_by_their_id() -> None:
    """The oldest goes when there are too many; of two with one id the later counts."""
    records = RecentRecords(most=2)
    for request_id, status in (("a", 200), ("b", 200), ("a", 404), ("c", 200)):
        records.keep(replace(RECORD, request_id=request_id, status=status))
    assert records.find("b") is None
    found = records.find("a")
    assert found is not None
    assert found.status == 404
    assert [record.request_id for record in records.latest()] == ["c", "a"]
    assert [record.request_id for record in records.latest(1)] == ["c"]
    assert records.latest(0) == ()


def test_what_is_to_be_reported_is_given_once() -> None:
    """As bytes that are the record again."""
    records = RecentRecords(reports=True)
    records.keep(RECORD)
    assert [read_record(data) for data in records.drain()] == [RECORD]
    assert records.drain() == []


def test_nothing_is_held_for_a_report_that_nobody_makes() -> None:
    """As in the middleware, which has no admin process."""
    records = RecentRecords()
    records.keep(RECORD)
    assert records.drain() == []


def test_a_report_has_a_bounded_size() -> None:
    """The latest records are in it, in the order in which they were kept."""
    records = RecentRecords(reports=True)
    for number in range(1500):
        records.keep(replace(RECORD, request_id=str(number), path="/" + 4000 * "a"))
    drained = records.drain()
    assert sum(map(len, drained)) <= 4 * MIB
    numbers = [int(read_record(data).request_id) for data in drained]
    assert numbers == list(range(1500 - len(drained), 1500))
    assert len(drained) > 900
