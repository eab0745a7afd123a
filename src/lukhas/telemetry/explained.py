"""The records of a process: the last ones, and those that are still to be reported."""

from collections import OrderedDict, deque

import msgspec

from lukhas.policy.explain.records import DecisionRecord
from lukhas.units import MIB

__all__ = ("RecentRecords", "read_record")

_MOST_PENDING = 2000
_MOST_BYTES = 4 * MIB


class RecentRecords:
    """Holds the last records in memory, by request id; for one thread.

    Args:
        most: how many.
        reports: whether somebody drains them; else nothing is held for that.
    """

    def __init__(self, *, most: int = 1000, reports: bool = False) -> None:
        self._most = most
        self._records: OrderedDict[str, DecisionRecord] = OrderedDict()
        self._reports = reports
        self._pending: deque[DecisionRecord] = deque(maxlen=_MOST_PENDING)

    def keep(self, record: DecisionRecord) -> None:
        """Takes a record; the oldest goes if there are too many."""
        records = self._records
        records[record.request_id] = record
        records.move_to_end(record.request_id)
        if len(records) > self._most:
            records.popitem(last=False)
        if self._reports:
            self._pending.append(record)

    def find(self, request_id: str) -> DecisionRecord | None:
        """The last record of a request with this id; None if there is none."""
        return self._records.get(request_id)

    def latest(self, most: int = 100) -> tuple[DecisionRecord, ...]:
        """The last records, the newest first."""
        found = list(self._records.values())[-most:] if most > 0 else []
        return tuple(reversed(found))

    def drain(self) -> list[bytes]:
        """What was kept since the last drain, as bytes for `read_record`.

        At most 2000, and 4 MiB: the latest, as a report has a bounded size.
        """
        pending, self._pending = self._pending, deque(maxlen=_MOST_PENDING)
        drained: list[bytes] = []
        room_bytes = _MOST_BYTES
        for record in reversed(pending):
            data = msgspec.msgpack.encode(record)
            room_bytes -= len(data)
            if room_bytes < 0:
                break
            drained.append(data)
        drained.reverse()
        return drained


def read_record(data: bytes) -> DecisionRecord:
    """A record from its bytes.

    Raises:
        msgspec.DecodeError: they are none.
    """
    return msgspec.msgpack.decode(data, type=DecisionRecord)
