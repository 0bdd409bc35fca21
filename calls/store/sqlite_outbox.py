"""What is still to be posted to businesses, in the SQLite store."""

SCHEMA: tuple[str, ...] = ()
"""Its tables."""
