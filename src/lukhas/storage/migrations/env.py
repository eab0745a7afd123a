"""Run by Alembic: migrates on the connection, and in the transaction, that it is given."""

from alembic import context

connection = context.config.attributes["connection"]
# SQLite can undo schema changes; Alembic assumes that it cannot.
context.configure(connection=connection, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
