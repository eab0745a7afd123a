"""The schema of the admin plane's database, as a sequence of Alembic migrations."""

__all__ = ("HEAD_REVISION", "REVISIONS")

# Kept here so that an up-to-date database is known without loading Alembic; a test compares it
# with the scripts.
REVISIONS = ("0001", "0034", "0036", "0039", "0041", "0042")
HEAD_REVISION = REVISIONS[-1]
