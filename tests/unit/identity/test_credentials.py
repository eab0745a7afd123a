"""Checking presented keys."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lukhas.errors import StoreError
from lukhas.identity.credentials import LOOK_INTERVAL_NS, CredentialCache
from lukhas.identity.key_table import KeyTable, open_key_table
from lukhas.identity.minting import MintedKey, mint_key
from lukhas.identity.pepper import Pepper
from lukhas.policy.access.api_keys import ApiKeyRecord, Rejection, consumer_of
from lukhas.policy.rate_limiting.tiers import Tier

NOW = 1_800_000_000_000_000_000
PEPPER = Pepper(b"p" * 32)
KEY = mint_key("live")
TEXT = KEY.text.encode()


def record_for(key: MintedKey, *earlier: MintedKey) -> ApiKeyRecord:
    return ApiKeyRecord(
        key_id=key.key_id,
        secret_hashes=tuple(PEPPER.digest(one.body) for one in (key, *earlier)),
        tier=Tier.BASIC,
        consumer="acme",
        tenant="north",
        created_ns=1,
    )


class CountingTable:
    """A key table that counts what it is asked."""

    def __init__(self, *records: ApiKeyRecord) -> None:
        self.records = {record.key_id: record for record in records}
        self.current = 1
        self.gets = 0
        self.looks = 0

    def get(self, key_id: str) -> ApiKeyRecord | None:
        self.gets += 1
        return self.records.get(key_id)

    def generation(self) -> int:
        self.looks += 1
        return self.current

    def change(self, record: ApiKeyRecord) -> None:
        self.records[record.key_id] = record
        self.current += 1


@pytest.fixture
def table(tmp_path: Path) -> Iterator[KeyTable]:
    opened = open_key_table(tmp_path)
    yield opened
    opened.close()


def test_a_key_gives_its_consumer() -> None:
    """A true key gives the consumer of its record; the same object each time."""
    cache = CredentialCache(CountingTable(record_for(KEY)), PEPPER)
    consumer = cache.consumer_for(TEXT, NOW)
    assert consumer == consumer_of(record_for(KEY))
    assert cache.consumer_for(TEXT, NOW) is consumer


def test_a_known_key_asks_the_table_no_more() -> None:
    """One look-up of the record, one look at the generation in 20 ms."""
    table = CountingTable(record_for(KEY))
    cache = CredentialCache(table, PEPPER)
    for step_ns in (0, 1, LOOK_INTERVAL_NS - 1):
        cache.consumer_for(TEXT, NOW + step_ns)
    assert (table.gets, table.looks) == (1, 1)
    cache.consumer_for(TEXT, NOW + LOOK_INTERVAL_NS)
    assert (table.gets, table.looks) == (1, 2)


@pytest.mark.parametrize("text", [b"", b"hunter2", b"lk_live_x", b"lk_" * 50_000])
def test_what_is_no_key_needs_no_store(text: bytes) -> None:
    """A wrong form is refused without asking the table."""
    table = CountingTable(record_for(KEY))
    assert CredentialCache(table, PEPPER).consumer_for(text, NOW) is Rejection.MALFORMED
    assert table.gets == 0


def test_a_wrong_checksum_needs_no_store() -> None:
    """A mistyped key is refused without asking the table."""
    table = CountingTable(record_for(KEY))
    wrong = TEXT[:20] + (b"A" if TEXT[20:21] != b"A" else b"B") + TEXT[21:]
    assert CredentialCache(table, PEPPER).consumer_for(wrong, NOW) is Rejection.BAD_CHECKSUM
    assert table.gets == 0


def test_a_new_key_works_at_once() -> None:
    """A key refused as unknown works as soon as it is in the table, before the next look."""
    table = CountingTable()
    cache = CredentialCache(table, PEPPER)
    assert cache.consumer_for(TEXT, NOW) is Rejection.UNKNOWN
    assert cache.consumer_for(TEXT, NOW) is Rejection.UNKNOWN
    table.change(record_for(KEY))
    assert cache.consumer_for(TEXT, NOW) == consumer_of(record_for(KEY))


def test_a_revoked_key_stops_within_20_ms() -> None:
    """At the next look at the generation a revoked key is refused."""
    table = CountingTable(record_for(KEY))
    cache = CredentialCache(table, PEPPER)
    cache.consumer_for(TEXT, NOW)
    table.change(replace(record_for(KEY), revoked=True))
    assert cache.consumer_for(TEXT, NOW + LOOK_INTERVAL_NS) is Rejection.REVOKED


def test_expiry_holds_for_remembered_keys() -> None:
    """A remembered key is refused from its expiry on, with no change of the table."""
    table = CountingTable(replace(record_for(KEY), expires_ns=NOW + 10))
    cache = CredentialCache(table, PEPPER)
    assert not isinstance(cache.consumer_for(TEXT, NOW + 9), Rejection)
    assert cache.consumer_for(TEXT, NOW + 10) is Rejection.EXPIRED


def test_both_secrets_work_in_the_grace_period() -> None:
    """After a rotation the old secret works until its time, the new one on."""
    new = mint_key("live", key_id=KEY.key_id)
    rotated = replace(record_for(new, KEY), previous_expires_ns=NOW + 10)
    table = CountingTable(rotated)
    cache = CredentialCache(table, PEPPER)
    for now_ns, old in ((NOW, consumer_of(rotated)), (NOW + 10, Rejection.EXPIRED)):
        assert cache.consumer_for(TEXT, now_ns) == old
        assert cache.consumer_for(new.text.encode(), now_ns) == consumer_of(rotated)


def test_a_refused_secret_is_refused_until_the_table_changes() -> None:
    """A wrong secret is remembered as such, and checked again in a new generation."""
    stranger = mint_key("live", key_id=KEY.key_id)
    table = CountingTable(record_for(KEY))
    cache = CredentialCache(table, PEPPER)
    for _ in range(3):
        assert cache.consumer_for(stranger.text.encode(), NOW) is Rejection.WRONG_SECRET
    table.change(record_for(stranger))
    later_ns = NOW + LOOK_INTERVAL_NS
    assert cache.consumer_for(stranger.text.encode(), later_ns) == consumer_of(record_for(KEY))


def test_a_refused_key_that_vanished_is_unknown() -> None:
    """A refused key whose record went away is told as unknown, before the next look."""
    stranger = mint_key("live", key_id=KEY.key_id)
    table = CountingTable(record_for(KEY))
    cache = CredentialCache(table, PEPPER)
    cache.consumer_for(stranger.text.encode(), NOW)
    table.records.clear()
    assert cache.consumer_for(stranger.text.encode(), NOW) is Rejection.UNKNOWN


def test_known_and_unknown_ids_ask_the_table_alike() -> None:
    """Each refusal costs one look-up, whether the id exists or not, also when repeated."""
    stranger, nobody = mint_key("live", key_id=KEY.key_id), mint_key("live")
    counts = []
    for key in (stranger, nobody):
        table = CountingTable(record_for(KEY))
        cache = CredentialCache(table, PEPPER)
        for _ in range(5):
            assert isinstance(cache.consumer_for(key.text.encode(), NOW), Rejection)
        counts.append(table.gets)
    assert counts == [5, 5]


def test_refused_keys_do_not_push_out_accepted_ones() -> None:
    """A flood of refused keys leaves what was verified in place."""
    table = CountingTable(record_for(KEY))
    cache = CredentialCache(table, PEPPER, capacity=4)
    cache.consumer_for(TEXT, NOW)
    for _ in range(50):
        cache.consumer_for(mint_key("live").text.encode(), NOW)
    asked = table.gets
    cache.consumer_for(TEXT, NOW)
    assert table.gets == asked


def test_the_real_table_serves_the_cache(table: KeyTable) -> None:
    """With the node table: a key works, is revoked, and another process's write would show."""
    cache = CredentialCache(table, PEPPER)
    assert cache.consumer_for(TEXT, NOW) is Rejection.UNKNOWN
    table.put(record_for(KEY))
    assert cache.consumer_for(TEXT, NOW) == consumer_of(record_for(KEY))
    table.put(replace(record_for(KEY), revoked=True))
    assert cache.consumer_for(TEXT, NOW + LOOK_INTERVAL_NS) is Rejection.REVOKED
    table.remove(KEY.key_id)
    assert cache.consumer_for(TEXT, NOW + 2 * LOOK_INTERVAL_NS) is Rejection.UNKNOWN


def test_a_broken_table_is_not_taken_for_an_unknown_key(table: KeyTable) -> None:
    """A table that cannot be read raises; it never accepts and never refuses."""
    cache = CredentialCache(table, PEPPER)
    table.close()
    with pytest.raises(StoreError):
        cache.consumer_for(TEXT, NOW)


def test_the_cache_does_not_show_secrets() -> None:
    """Its repr holds no key."""
    cache = CredentialCache(CountingTable(record_for(KEY)), PEPPER)
    cache.consumer_for(TEXT, NOW)
    assert KEY.text[-49:-6] not in repr(cache)


def test_the_last_use_of_each_key_is_told_once() -> None:
    """What was told is told no more; a key that was verified before is noted all the same."""
    other = mint_key("live")
    table = CountingTable(record_for(KEY), record_for(other))
    cache = CredentialCache(table, PEPPER, notes_uses=True)
    assert cache.drain_uses() == {}
    for step_ns in (0, 5, 7):
        cache.consumer_for(TEXT, NOW + step_ns)
    cache.consumer_for(other.text.encode(), NOW + 6)
    assert cache.drain_uses() == {KEY.key_id: NOW + 7, other.key_id: NOW + 6}
    assert cache.drain_uses() == {}
    cache.consumer_for(TEXT, NOW + 9)
    assert cache.drain_uses() == {KEY.key_id: NOW + 9}


def test_only_an_accepted_key_is_used() -> None:
    """Trying a wrong secret, or a key that is revoked or expired, is no use of the key."""
    table = CountingTable(replace(record_for(KEY), expires_ns=NOW + 10))
    cache = CredentialCache(table, PEPPER, notes_uses=True)
    forged = mint_key("live", key_id=KEY.key_id).text.encode()
    assert cache.consumer_for(forged, NOW) is Rejection.WRONG_SECRET
    assert cache.consumer_for(b"lk_live_x", NOW) is Rejection.MALFORMED
    assert cache.drain_uses() == {}
    cache.consumer_for(TEXT, NOW + 1)
    assert cache.consumer_for(TEXT, NOW + 10) is Rejection.EXPIRED
    assert cache.drain_uses() == {KEY.key_id: NOW + 1}
    table.change(replace(record_for(KEY), revoked=True))
    later = NOW + LOOK_INTERVAL_NS
    assert cache.consumer_for(TEXT, later) is Rejection.REVOKED
    assert cache.drain_uses() == {}


def test_nothing_is_noted_where_nobody_takes_it_away() -> None:
    """Else it would stay for as long as the process lives."""
    cache = CredentialCache(CountingTable(record_for(KEY)), PEPPER)
    cache.consumer_for(TEXT, NOW)
    assert cache.consumer_for(TEXT, NOW) == consumer_of(record_for(KEY))
    assert cache.drain_uses() == {}
