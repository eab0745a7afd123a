"""Consumers of their own, the audit, and the versions of changed settings."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies it."""
    op.create_table(
        "admin_audit",
        sa.Column("at_ns", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
    )
    op.create_table(
        "config_versions",
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
    )
    op.create_table(
        "consumers",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("tenant", "name", name="uq_consumers_tenant_name"),
    )
    op.create_index("ix_api_keys_consumer", "api_keys", ["tenant", "consumer"])
    _take_over_consumers()


def _take_over_consumers() -> None:
    """Makes a consumer of every name that keys have, with the tier of the newest of them."""
    names = (sa.Column(name, sa.String) for name in ("tenant", "consumer", "tier"))
    keys = sa.Table("api_keys", sa.MetaData(), *names, sa.Column("created_ns", sa.BigInteger))
    consumers = sa.Table(
        "consumers",
        sa.MetaData(),
        *(sa.Column(name, sa.String) for name in ("id", "tenant", "name", "tier")),
        sa.Column("created_ns", sa.BigInteger),
    )
    found: dict[tuple[str, str], dict[str, object]] = {}
    bind = op.get_bind()
    for row in bind.execute(sa.select(keys).order_by(keys.c.created_ns)):
        first = found.setdefault(
            (row.tenant, row.consumer),
            {
                "id": uuid.uuid4().hex[:16],
                "tenant": row.tenant,
                "name": row.consumer,
                "created_ns": row.created_ns,
            },
        )
        first["tier"] = row.tier
    if found:
        bind.execute(consumers.insert(), list(found.values()))


def downgrade() -> None:
    """Undoes it."""
    op.drop_index("ix_api_keys_consumer", "api_keys")
    for name in ("consumers", "config_versions", "admin_audit"):
        op.drop_table(name)
