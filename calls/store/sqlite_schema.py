"""The tables of the SQLite store, and how a file is told to be one.

``PRAGMA application_id`` says that a file is Frontdesk's, ``PRAGMA user_version`` which tables it has (SQLite, *Pragma
statements*). A change to the tables adds an entry to ``MIGRATIONS``; entries are never edited.
"""

from calls.store import sqlite_appointments, sqlite_businesses, sqlite_fleet, sqlite_greetings, sqlite_leads, sqlite_outbox

APPLICATION_ID = 0x46524E54  # "FRNT"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE calls (
            call_sid TEXT PRIMARY KEY,
            business_id TEXT NOT NULL,
            started_at TEXT NOT NULL,
            ended INTEGER NOT NULL,
            owner TEXT,
            last_seq INTEGER NOT NULL,
            token_attempt INTEGER NOT NULL,
            token_issued_at_s INTEGER NOT NULL,
            token_used TEXT,
            record TEXT NOT NULL
        )""",
        "CREATE INDEX calls_by_start ON calls (started_at)",
        "CREATE INDEX calls_by_business ON calls (business_id, started_at)",
        """CREATE TABLE events (
            call_sid TEXT NOT NULL REFERENCES calls (call_sid),
            seq INTEGER NOT NULL,
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (call_sid, seq)
        ) WITHOUT ROWID""",
    ),
    (*sqlite_appointments.SCHEMA, *sqlite_outbox.SCHEMA, *sqlite_leads.SCHEMA),
    sqlite_greetings.SCHEMA,
    sqlite_fleet.SCHEMA,
    sqlite_businesses.SCHEMA,
)

VERSION = len(MIGRATIONS)
