"""Consumers and their keys: who may call, as the admin plane sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from lukhas.clock import Clock
from lukhas.errors import LukhasError, StoreError
from lukhas.identity.key_registry import KeyRegistry, check_consumer
from lukhas.identity.key_schema import (
    API_KEYS,
    CONSUMERS,
    new_consumer_id,
    next_revision,
    record_of,
)
from lukhas.policy.access.api_keys import ApiKeyRecord
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.storage.sql import Database

__all__ = (
    "ConsumerKey",
    "ConsumerNotFoundError",
    "ConsumerRecord",
    "ConsumerRegistry",
    "ConsumerTakenError",
)


class ConsumerNotFoundError(LukhasError):
    """There is no consumer with this id.

    Attributes:
        consumer_id: the id asked for.
    """

    def __init__(self, consumer_id: str) -> None:
        self.consumer_id = consumer_id
        super().__init__(f"there is no consumer {consumer_id!r}")


class ConsumerTakenError(LukhasError):
    """Another consumer has this name already.

    Attributes:
        name: the name.
        tenant: whose consumer it is.
    """

    def __init__(self, name: str, tenant: str) -> None:
        self.name, self.tenant = name, tenant
        of = f" of the tenant {tenant!r}" if tenant else ""
        super().__init__(f"there is a consumer {name!r}{of} already")


@dataclass(frozen=True, slots=True)
class ConsumerKey:
    """A key of a consumer.

    Attributes:
        record: what is kept about it.
        environment: what it was made for.
    """

    record: ApiKeyRecord
    environment: str

    @property
    def prefix(self) -> str:
        """How its text begins; no secret."""
        return f"lk_{self.environment}_{self.record.key_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerRecord:
    """Who calls.

    Attributes:
        id: never changes.
        name: what limits, metrics and logs call it.
        tenant: whose consumer it is; empty if there are no tenants.
        tier: that of its new keys; a change of it changes all of them.
        created_ns: since when it is known (Unix time).
        keys: its keys, the oldest first, revoked ones too.
    """

    id: str
    name: str
    tenant: str
    tier: Tier
    created_ns: int
    keys: tuple[ConsumerKey, ...] = ()


class ConsumerRegistry:
    """Creates, lists, changes and removes consumers.

    Args:
        database: where they are.
        keys: the registry of keys in the same database.
        clock: the time.
    """

    def __init__(self, database: Database, *, keys: KeyRegistry, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def list(self, *, limit: int = 100, offset: int = 0) -> Sequence[ConsumerRecord]:
        """Consumers by name, with their keys.

        Args:
            limit: how many at most.
            offset: how many to leave out first.

        Raises:
            StoreError: the database failed.
        """
        query = select(CONSUMERS).order_by(CONSUMERS.c.name, CONSUMERS.c.tenant, CONSUMERS.c.id)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.limit(limit).offset(offset))).all()
            return [await _with_keys(connection, row) for row in rows]

    async def get(self, consumer_id: str) -> ConsumerRecord:
        """A consumer.

        Raises:
            ConsumerNotFoundError: there is none with this id.
            StoreError: the database failed.
        """
        async with self._database.reading() as connection:
            return await _with_keys(connection, await _existing(connection, consumer_id))

    async def create(self, name: str, tier: Tier, *, tenant: str = "") -> ConsumerRecord:
        """Makes a consumer without keys.

        Raises:
            ConfigError: name or tenant have a wrong form.
            ConsumerTakenError: another has the name.
            StoreError: the database failed.
        """
        check_consumer(name, tenant=tenant)
        consumer = {
            "id": new_consumer_id(),
            "name": name,
            "tenant": tenant,
            "tier": tier.value,
            "created_ns": self._clock.now_ns(),
        }
        await self._write(insert(CONSUMERS).values(**consumer), name=name, tenant=tenant)
        return await self.get(str(consumer["id"]))

    async def _write(self, statement: Any, *, name: str, tenant: str) -> None:
        try:
            async with self._database.writing() as connection:
                await connection.execute(statement)
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise ConsumerTakenError(name, tenant) from None
            raise

    async def change(self, consumer_id: str, *, name: str, tier: Tier) -> ConsumerRecord:
        """Gives a consumer another name or tier, and all its keys with it, at once.

        Raises:
            ConfigError: the name has a wrong form.
            ConsumerNotFoundError: there is no such consumer.
            ConsumerTakenError: another has the name.
            StoreError: a store failed.
        """
        check_consumer(name, tenant="")
        try:
            async with self._database.writing() as connection:
                revision = await next_revision(connection)
                row = await _existing(connection, consumer_id)
                await connection.execute(
                    update(CONSUMERS)
                    .where(CONSUMERS.c.id == consumer_id)
                    .values(name=name, tier=tier.value)
                )
                await connection.execute(
                    update(API_KEYS)
                    .where(_keys_of(row))
                    .values(consumer=name, tier=tier.value, revision=revision)
                )
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise ConsumerTakenError(name, "") from None
            raise
        await self._keys.synchronise()
        return await self.get(consumer_id)

    async def delete(self, consumer_id: str) -> ConsumerRecord:
        """Removes a consumer and withdraws all its keys, at once; gives what it was then.

        Raises:
            ConsumerNotFoundError: there is no such consumer.
            StoreError: a store failed.
        """
        now_ns = self._clock.now_ns()
        async with self._database.writing() as connection:
            revision = await next_revision(connection)
            row = await _existing(connection, consumer_id)
            await connection.execute(
                update(API_KEYS)
                .where(_keys_of(row), API_KEYS.c.revoked_ns.is_(None))
                .values(revoked_ns=now_ns, revision=revision)
            )
            gone = await _with_keys(connection, row)
            await connection.execute(delete(CONSUMERS).where(CONSUMERS.c.id == consumer_id))
        await self._keys.synchronise()
        return gone


def _keys_of(row: "Row[Any]") -> ColumnElement[bool]:
    return and_(API_KEYS.c.tenant == row.tenant, API_KEYS.c.consumer == row.name)


async def _existing(connection: AsyncConnection, consumer_id: str) -> "Row[Any]":
    found = await connection.execute(select(CONSUMERS).where(CONSUMERS.c.id == consumer_id))
    row: Row[Any] | None = found.one_or_none()
    if row is None:
        raise ConsumerNotFoundError(consumer_id)
    return row


async def _with_keys(connection: AsyncConnection, row: "Row[Any]") -> ConsumerRecord:
    query = select(API_KEYS).where(_keys_of(row)).order_by(API_KEYS.c.created_ns, API_KEYS.c.key_id)
    keys = await connection.execute(query)
    return ConsumerRecord(
        id=row.id,
        name=row.name,
        tenant=row.tenant,
        tier=Tier(row.tier),
        created_ns=row.created_ns,
        keys=tuple(ConsumerKey(record_of(key), key.environment) for key in keys),
    )
