"""The calendar of every business, in the SQLite store."""

SCHEMA: tuple[str, ...] = ()
"""Its tables."""
