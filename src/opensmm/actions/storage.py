"""The database's readiness to store anything, as this process's batches last met it."""

from typing import Final

import psycopg

REFUSING: Final = frozenset(("53100", "58030", "25006"))
"""PostgreSQL's codes for a full disk, a disk that fails, and a database that only reads: every write meets them."""


class StorageState:
    """Remembers if writes fail: ``refuses`` is true from the first such error until a write succeeds."""

    def __init__(self) -> None:
        self.refuses = False

    def note_failure(self, error: psycopg.Error) -> None:
        self.refuses = self.refuses or error.sqlstate in REFUSING

    def note_success(self) -> None:
        self.refuses = False
