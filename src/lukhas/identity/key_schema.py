"""The registry's tables; the migrations make the same ones."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from lukhas.policy.access.api_keys import ApiKeyRecord
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = (
    "API_KEYS",
    "CONSUMERS",
    "KEY_REGISTRY",
    "keep_uses",
    "known_consumer",
    "new_consumer_id",
    "next_revision",
    "record_of",
)

_METADATA = MetaData()

KEY_REGISTRY = Table(
    "key_registry",
    _METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("registry_id", String(32), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("pepper_fingerprint", String(16), nullable=False),
)
"""One row, with id 1: which registry this is, and the number of its last change."""

API_KEYS = Table(
    "api_keys",
    _METADATA,
    Column("key_id", String(16), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("consumer", String(128), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("tier", String(16), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger),
    Column("revoked_ns", BigInteger),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("previous_hash", LargeBinary(32)),
    Column("previous_expires_ns", BigInteger),
    Column("revision", BigInteger, nullable=False),
    Column("last_used_ns", BigInteger),
    Index("ix_api_keys_revision", "revision"),
    Index("ix_api_keys_tenant", "tenant", "created_ns"),
    Index("ix_api_keys_consumer", "tenant", "consumer"),
)
"""One row a key; `revision` is the number of the change that it had last. A use is no change."""

CONSUMERS = Table(
    "consumers",
    _METADATA,
    Column("id", String(32), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("tier", String(16), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    UniqueConstraint("tenant", "name", name="uq_consumers_tenant_name"),
)
"""One row a consumer: whose keys have its name and tenant."""


def record_of(row: "Row[Any]") -> ApiKeyRecord:
    """The record in a row of `API_KEYS`."""
    hashes: tuple[bytes, ...] = (row.secret_hash,)
    if row.previous_hash is not None:
        hashes = (row.secret_hash, row.previous_hash)
    return ApiKeyRecord(
        key_id=row.key_id,
        secret_hashes=hashes,
        tier=Tier(row.tier),
        consumer=row.consumer,
        tenant=row.tenant,
        created_ns=row.created_ns,
        expires_ns=row.expires_ns,
        previous_expires_ns=row.previous_expires_ns,
        revoked=row.revoked_ns is not None,
        scopes=tuple(row.scopes),
        last_used_ns=row.last_used_ns,
    )


async def keep_uses(connection: AsyncConnection, uses: Mapping[str, int]) -> None:
    """Keeps when keys were used last, unless a later time is kept.

    No revision is counted: workers would forget which keys they have verified.

    Args:
        connection: in a transaction that writes.
        uses: Unix times by key id; one that no key has is passed over.
    """
    kept = API_KEYS.c.last_used_ns
    later = or_(kept.is_(None), kept < bindparam("used_ns"))
    await connection.execute(
        update(API_KEYS)
        .where(API_KEYS.c.key_id == bindparam("used_key"), later)
        .values(last_used_ns=bindparam("used_ns")),
        [{"used_key": key_id, "used_ns": used_ns} for key_id, used_ns in uses.items()],
    )


async def known_consumer(connection: AsyncConnection, record: ApiKeyRecord) -> None:
    """Makes a consumer of whom a new key is for, unless there is one."""
    its_own = (CONSUMERS.c.tenant == record.tenant) & (CONSUMERS.c.name == record.consumer)
    if (await connection.execute(select(CONSUMERS.c.id).where(its_own))).first() is None:
        await connection.execute(
            insert(CONSUMERS).values(
                id=new_consumer_id(),
                tenant=record.tenant,
                name=record.consumer,
                tier=record.tier.value,
                created_ns=record.created_ns,
            )
        )


def new_consumer_id() -> str:
    """An id that no consumer has."""
    return uuid.uuid4().hex[:16]


async def next_revision(connection: AsyncConnection) -> int:
    """Counts a change. The row stays locked until the commit, so changes commit in this order."""
    counted = await connection.execute(
        update(KEY_REGISTRY)
        .values(revision=KEY_REGISTRY.c.revision + 1)
        .returning(KEY_REGISTRY.c.revision)
    )
    revision: int = counted.scalar_one()
    return revision
