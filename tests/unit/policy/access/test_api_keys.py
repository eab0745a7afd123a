"""API keys: text form, records and acceptance."""

import re
from dataclasses import replace
from zlib import crc32

import pytest

from lukhas.policy.access.api_keys import (
    MAX_KEY_LENGTH,
    NEVER_NS,
    ApiKeyRecord,
    PresentedKey,
    Rejection,
    accepted_until_ns,
    compose_key,
    consumer_of,
    parse_key,
    valid_environment,
)
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier

KEY_ID = b"0123456789ABCDEF"
SECRET = b"s" * 43
BODY, TEXT = compose_key("live", key_id=KEY_ID, secret=SECRET)
NEW, OLD, OTHER = b"n" * 32, b"o" * 32, b"x" * 32
RECORD = ApiKeyRecord(
    key_id=KEY_ID.decode(),
    secret_hashes=(NEW,),
    tier=Tier.PREMIUM,
    consumer="acme",
    tenant="north",
    created_ns=1,
)
ROTATED = replace(RECORD, secret_hashes=(NEW, OLD), previous_expires_ns=200)


def test_a_key_has_prefix_environment_id_secret_and_checksum() -> None:
    """The text is lk_<env>_<id>_<secret><checksum>, the checksum in base 62."""
    assert BODY == b"lk_live_0123456789ABCDEF_" + SECRET
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    value = 0
    for character in TEXT[-6:].decode():
        value = value * 62 + digits.index(character)
    assert TEXT[:-6] == BODY
    assert value == crc32(BODY)


def test_a_key_is_one_word() -> None:
    """A double click selects the whole key."""
    assert re.fullmatch(rb"\w+", TEXT)


def test_parse_reads_what_compose_wrote() -> None:
    """A composed key parses into its parts."""
    assert parse_key(TEXT) == PresentedKey("live", KEY_ID.decode(), BODY)


def test_the_longest_key_parses() -> None:
    """An environment of 16 characters makes the longest key."""
    _, text = compose_key("a" * 16, key_id=KEY_ID, secret=SECRET)
    assert len(text) == MAX_KEY_LENGTH
    assert isinstance(parse_key(text), PresentedKey)


@pytest.mark.parametrize(
    "presented",
    [
        b"",
        b"lk_",
        b"secret",
        TEXT[:-1],
        TEXT + b"0",
        TEXT + b"\n",
        b" " + TEXT,
        TEXT.replace(b"lk_", b"LK_"),
        TEXT.replace(b"_live_", b"__"),
        TEXT.replace(b"_live_", b"_Live_"),
        TEXT.replace(b"_live_", b"_" + b"a" * 17 + b"_"),
        TEXT.replace(b"s", b"-", 1),
        TEXT.replace(b"s", b"\xff", 1),
        b"lk_" * 10_000,
    ],
)
def test_another_form_is_malformed(presented: bytes) -> None:
    """Whatever has not exactly the form of a key is malformed."""
    assert parse_key(presented) is Rejection.MALFORMED


def test_a_wrong_checksum_is_told_apart() -> None:
    """A mistyped key fails its checksum before any look-up."""
    assert parse_key(TEXT.replace(b"s", b"t", 1)) is Rejection.BAD_CHECKSUM
    assert parse_key(TEXT[:-1] + (b"0" if TEXT[-1:] != b"0" else b"1")) is Rejection.BAD_CHECKSUM


@pytest.mark.parametrize(
    ("environment", "key_id", "secret"),
    [
        ("Live", KEY_ID, SECRET),
        ("", KEY_ID, SECRET),
        ("1a", KEY_ID, SECRET),
        ("live", KEY_ID[1:], SECRET),
        ("live", KEY_ID, SECRET + b"s"),
        ("live", KEY_ID, b"_" * 43),
    ],
)
def test_a_wrong_part_is_not_composed(environment: str, key_id: bytes, secret: bytes) -> None:
    """A part of the wrong form is refused, and the message does not show the secret."""
    with pytest.raises(ValueError, match="wrong form") as caught:
        compose_key(environment, key_id=key_id, secret=secret)
    assert secret.decode() not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        *((name, True) for name in ("live", "t2", "a" * 16)),
        *((name, False) for name in ("a" * 17, "", "a_b", "2a", "é", "\ud800", "live\n")),
    ],
)
def test_environment_names(name: str, *, valid: bool) -> None:
    """An environment is 1 to 16 of a-z and 0-9, a letter first."""
    assert valid_environment(name) is valid


def test_no_secret_in_a_repr() -> None:
    """Neither a presented key nor a record shows its secret or its hashes."""
    parsed = parse_key(TEXT)
    assert SECRET.decode() not in repr(parsed)
    assert "nnnn" not in repr(RECORD)


def test_a_key_without_expiry_is_accepted_for_ever() -> None:
    """No expiry: the answer holds for ever."""
    assert accepted_until_ns(RECORD, NEW, 10**19 // 2) == NEVER_NS


def test_a_key_is_accepted_until_its_expiry() -> None:
    """Accepted until just before its expiry, refused at it."""
    record = replace(RECORD, expires_ns=100)
    assert accepted_until_ns(record, NEW, 99) == 100
    assert accepted_until_ns(record, NEW, 100) is Rejection.EXPIRED


def test_the_previous_secret_is_accepted_in_its_grace_period() -> None:
    """After a rotation both secrets pass; the old one until the grace period ends."""
    assert accepted_until_ns(ROTATED, NEW, 150) == NEVER_NS
    assert accepted_until_ns(ROTATED, OLD, 150) == 200
    assert accepted_until_ns(ROTATED, OLD, 200) is Rejection.EXPIRED
    assert accepted_until_ns(ROTATED, NEW, 200) == NEVER_NS


def test_the_expiry_of_the_key_ends_a_grace_period() -> None:
    """A grace period does not outlive the key."""
    assert accepted_until_ns(replace(ROTATED, expires_ns=120), OLD, 110) == 120


def test_a_second_secret_without_deadline_is_refused() -> None:
    """A record that lacks the end of the grace period lets the second secret pass never."""
    record = replace(ROTATED, previous_expires_ns=None)
    assert accepted_until_ns(record, OLD, 1) is Rejection.EXPIRED


def test_a_revoked_key_is_refused() -> None:
    """A revoked key is refused, whatever its expiry."""
    assert accepted_until_ns(replace(RECORD, revoked=True), NEW, 1) is Rejection.REVOKED


def test_a_wrong_secret_learns_nothing_of_the_record() -> None:
    """With a wrong secret, a revoked and an expired key answer as a live one does."""
    for record in (
        RECORD,
        ROTATED,
        replace(RECORD, revoked=True),
        replace(RECORD, expires_ns=0),
        replace(RECORD, secret_hashes=()),
    ):
        assert accepted_until_ns(record, OTHER, 1) is Rejection.WRONG_SECRET


def test_the_consumer_of_a_key() -> None:
    """The consumer is named by the key id and takes tier, name and tenant from the record."""
    assert consumer_of(RECORD) == Consumer(
        key="key:0123456789ABCDEF",
        tier=Tier.PREMIUM,
        name="acme",
        tenant="north",
        credential_id="0123456789ABCDEF",
    )
