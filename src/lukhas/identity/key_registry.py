"""The registry of API keys: the truth on the admin plane, copied into the node's key table."""

import re
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from lukhas.clock import Clock
from lukhas.errors import ConfigError, LukhasError, StoreError
from lukhas.identity.key_schema import (
    API_KEYS,
    KEY_REGISTRY,
    known_consumer,
    next_revision,
    record_of,
)
from lukhas.identity.key_table import KeyTable, TablePosition, must_rebuild, open_key_table
from lukhas.identity.minting import mint_key
from lukhas.identity.pepper import Pepper, load_pepper
from lukhas.policy.access.api_keys import ApiKeyRecord, valid_environment
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.sql import Database, open_database
from lukhas.units import SECOND_NS

__all__ = (
    "DEFAULT_GRACE_S",
    "IssuedKey",
    "KeyNotFoundError",
    "KeyNotUsableError",
    "KeyRegistry",
    "check_consumer",
    "open_key_registry",
)

DEFAULT_GRACE_S = 3600
MAX_GRACE_S = 30 * 86_400
MAX_SCOPES = 16

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}|")
_SCOPE = re.compile(r"[!-~]{1,64}")
# Each failed attempt means that another process got on.
_MAX_ATTEMPTS = 64


class KeyNotFoundError(LukhasError):
    """There is no key with this id.

    Attributes:
        key_id: the id asked for.
    """

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(f"there is no API key {key_id!r}: `lukhas keys list` shows all")


class KeyNotUsableError(LukhasError):
    """The key is revoked or expired, and so cannot be rotated.

    Attributes:
        key_id: the id of the key.
    """

    def __init__(self, key_id: str, state: str) -> None:
        self.key_id = key_id
        super().__init__(f"the API key {key_id} is {state}: create a new one instead")


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key just made: the only time its text is known.

    Attributes:
        record: what is kept.
        text: the key, to be handed to its consumer. Secret: not in the repr.
    """

    record: ApiKeyRecord
    text: str = field(repr=False)


class KeyRegistry:
    """Creates, lists, rotates and revokes API keys.

    Every change is committed to the database first and then copied into the node's key table; a
    change that did not get that far is copied by the next one, or by `synchronise`.

    Args:
        database: where the truth is.
        table: the copy that the workers of this node read.
        pepper: what the keys are hashed with.
        clock: for the times of creation and expiry.
    """

    __slots__ = ("_clock", "_database", "_pepper", "_table")

    def __init__(
        self, database: Database, *, table: KeyTable, pepper: Pepper, clock: Clock
    ) -> None:
        self._database = database
        self._table = table
        self._pepper = pepper
        self._clock = clock

    async def open(self) -> None:
        """Checks the pepper and brings the key table up to date; to be called once.

        Raises:
            StoreError: the keys were made with another pepper, or a store failed.
        """
        fingerprint = self._pepper.fingerprint()
        row = await self._state()
        if row is None:
            row = await self._begin_registry(fingerprint)
        if row.pepper_fingerprint != fingerprint:
            raise StoreError(
                f"the API keys in {self._database.place} were hashed with another pepper than the "
                "one in the state directory: put the right pepper file back"
            )
        await self.synchronise()

    async def create(
        self,
        consumer: str,
        tier: Tier,
        *,
        tenant: str = "",
        environment: str = "live",
        scopes: Sequence[str] = (),
        expires_ns: int | None = None,
    ) -> IssuedKey:
        """Makes a key, which works at once.

        Args:
            consumer: a name for people and metrics, up to 128 characters.
            tier: where its limits come from.
            tenant: whose consumer it is; empty if there are no tenants.
            environment: becomes part of the key, e.g. `"live"` or `"test"`.
            scopes: what it may be used for; up to 16.
            expires_ns: from when on it is refused (Unix time); None for never.

        Raises:
            ConfigError: an argument has a wrong form.
            StoreError: a store failed, or the key table is full.
        """
        now_ns = self._clock.now_ns()
        _check(consumer, tenant=tenant, environment=environment, scopes=scopes)
        if expires_ns is not None and expires_ns <= now_ns:
            raise ConfigError("the key would have expired already", hint="choose a later time")
        self._table.check_room()
        minted = mint_key(environment)
        record = ApiKeyRecord(
            key_id=minted.key_id,
            secret_hashes=(self._pepper.digest(minted.body),),
            tier=tier,
            consumer=consumer,
            tenant=tenant,
            created_ns=now_ns,
            expires_ns=expires_ns,
            scopes=tuple(scopes),
        )
        await self._insert(record, environment)
        await self.synchronise()
        return IssuedKey(record, minted.text)

    async def _insert(self, record: ApiKeyRecord, environment: str) -> None:
        async with self._database.writing() as connection:
            revision = await next_revision(connection)
            await known_consumer(connection, record)
            await connection.execute(
                insert(API_KEYS).values(
                    key_id=record.key_id,
                    environment=environment,
                    consumer=record.consumer,
                    tenant=record.tenant,
                    tier=record.tier.value,
                    scopes=list(record.scopes),
                    created_ns=record.created_ns,
                    expires_ns=record.expires_ns,
                    secret_hash=record.secret_hashes[0],
                    revision=revision,
                )
            )

    async def get(self, key_id: str) -> ApiKeyRecord | None:
        """The record of a key, revoked or not; None if there is none."""
        async with self._database.reading() as connection:
            row = await _row(connection, key_id)
        return None if row is None else record_of(row)

    async def revoke(self, key_id: str) -> ApiKeyRecord:
        """Withdraws a key for ever; revoking it again changes nothing.

        Raises:
            KeyNotFoundError: there is no such key.
            StoreError: a store failed.
        """
        now_ns = self._clock.now_ns()
        async with self._database.writing() as connection:
            row = await _existing_row(connection, key_id)
            if row.revoked_ns is None:
                row = await _change(connection, key_id, {"revoked_ns": now_ns})
        await self.synchronise()
        return record_of(row)

    async def rotate(self, key_id: str, *, grace_s: float = DEFAULT_GRACE_S) -> IssuedKey:
        """Gives a key a new secret under the same id.

        The secret before stays valid for `grace_s` seconds; one that was in its grace period
        already ends now.

        Raises:
            ConfigError: the grace period is negative or longer than 30 days.
            KeyNotFoundError: there is no such key.
            KeyNotUsableError: the key is revoked or expired.
            StoreError: a store failed.
        """
        if not 0 <= grace_s <= MAX_GRACE_S:
            raise ConfigError(
                f"a grace period of {grace_s} s is not possible", hint="choose 0 s to 30 days"
            )
        now_ns = self._clock.now_ns()
        async with self._database.writing() as connection:
            row = await _existing_row(connection, key_id)
            if row.revoked_ns is not None:
                raise KeyNotUsableError(key_id, "revoked")
            if row.expires_ns is not None and row.expires_ns <= now_ns:
                raise KeyNotUsableError(key_id, "expired")
            minted = mint_key(row.environment, key_id=key_id)
            changes = {
                "secret_hash": self._pepper.digest(minted.body),
                "previous_hash": row.secret_hash if grace_s else None,
                "previous_expires_ns": now_ns + round(grace_s * SECOND_NS) if grace_s else None,
            }
            row = await _change(connection, key_id, changes)
        await self.synchronise()
        return IssuedKey(record_of(row), minted.text)

    async def synchronise(self) -> bool:
        """Copies all changes that the node's key table lacks into it.

        Cheap when there are none; where several nodes share a database, each calls it now and then.

        Returns:
            Whether there were any.

        Raises:
            StoreError: a store failed, or the table is full.
        """
        for _ in range(_MAX_ATTEMPTS):
            # The table first: the registry can only be further by the time it is read.
            seen = self._table.position()
            async with self._database.reading() as connection:
                row = (await connection.execute(select(KEY_REGISTRY))).one()
                reached = TablePosition(row.registry_id, row.revision)
                if reached == seen:
                    return False
                after = -1 if must_rebuild(seen, reached) else seen.revision
                rows = await connection.execute(select(API_KEYS).where(API_KEYS.c.revision > after))
                changes = [record_of(changed) for changed in rows]
            if self._table.follow(changes, seen=seen, reached=reached):
                return True
        raise StoreError("the key table is changed by others all the time: try again")

    async def list(
        self, *, tenant: str | None = None, limit: int = 1000, offset: int = 0
    ) -> tuple[ApiKeyRecord, ...]:
        """Keys by age, the oldest first, revoked ones too.

        Args:
            tenant: only those of this tenant; None for all.
            limit: how many at most.
            offset: how many to leave out first.
        """
        query = select(API_KEYS).order_by(API_KEYS.c.created_ns, API_KEYS.c.key_id)
        if tenant is not None:
            query = query.where(API_KEYS.c.tenant == tenant)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.limit(limit).offset(offset))
            return tuple(record_of(row) for row in rows)

    async def _state(self) -> "Row[Any] | None":
        async with self._database.reading() as connection:
            return (await connection.execute(select(KEY_REGISTRY))).one_or_none()

    async def _begin_registry(self, fingerprint: str) -> "Row[Any]":
        try:
            async with self._database.writing() as connection:
                await connection.execute(
                    insert(KEY_REGISTRY).values(
                        id=1,
                        registry_id=uuid.uuid4().hex,
                        revision=0,
                        pepper_fingerprint=fingerprint,
                    )
                )
        except StoreError as error:
            # Another process was quicker; its row is as good as ours.
            if not isinstance(error.__cause__, IntegrityError):
                raise
        async with self._database.reading() as connection:
            return (await connection.execute(select(KEY_REGISTRY))).one()


@asynccontextmanager
async def open_key_registry(
    state_dir: Path, *, clock: Clock, url: str = "", table: KeyTable | None = None
) -> AsyncIterator[KeyRegistry]:
    """Opens a registry with everything it stands on, and closes what it opened.

    Args:
        state_dir: where the pepper, the key table and (without a URL) the database are.
        clock: for the times of creation and expiry.
        url: see `open_database`.
        table: the key table, if this process has it open already.

    Raises:
        StateDirError: the state directory cannot be used.
        StoreError: a store cannot be opened, or the pepper is not the right one.
    """
    pepper = load_pepper(state_dir)
    database = await open_database(state_dir, url=url)
    try:
        shared = nullcontext(table) if table is not None else closing(open_key_table(state_dir))
        with shared as opened:
            registry = KeyRegistry(database, table=opened, pepper=pepper, clock=clock)
            await registry.open()
            yield registry
    finally:
        await database.close()


def check_consumer(name: str, *, tenant: str) -> None:
    """Makes sure that a consumer can be called so.

    Raises:
        ConfigError: name or tenant have a wrong form.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigError(
            "the consumer needs a name", hint="1 to 128 characters, no control characters"
        )
    if _TENANT.fullmatch(tenant) is None:
        raise ConfigError(
            f"{tenant!r} is no tenant", hint="up to 64 letters, digits, dots, dashes, underscores"
        )


def _check(consumer: str, *, tenant: str, environment: str, scopes: Sequence[str]) -> None:
    check_consumer(consumer, tenant=tenant)
    if not valid_environment(environment):
        raise ConfigError(
            f"{environment!r} is no environment", hint='1 to 16 of a-z and 0-9, such as "live"'
        )
    if len(scopes) > MAX_SCOPES or not all(map(_SCOPE.fullmatch, scopes)):
        raise ConfigError(
            "the scopes have a wrong form",
            hint=f"up to {MAX_SCOPES}, each of up to 64 visible ASCII characters",
        )


async def _row(connection: AsyncConnection, key_id: str) -> "Row[Any] | None":
    found = await connection.execute(select(API_KEYS).where(API_KEYS.c.key_id == key_id))
    return found.one_or_none()


async def _existing_row(connection: AsyncConnection, key_id: str) -> "Row[Any]":
    found = await connection.execute(
        select(API_KEYS).where(API_KEYS.c.key_id == key_id).with_for_update()
    )
    row: Row[Any] | None = found.one_or_none()
    if row is None:
        raise KeyNotFoundError(key_id)
    return row


async def _change(connection: AsyncConnection, key_id: str, values: dict[str, Any]) -> "Row[Any]":
    changed = await connection.execute(
        update(API_KEYS)
        .where(API_KEYS.c.key_id == key_id)
        .values(**values, revision=await next_revision(connection))
        .returning(API_KEYS)
    )
    row: Row[Any] = changed.one()
    return row
