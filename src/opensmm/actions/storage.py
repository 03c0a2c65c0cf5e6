"""Whether the database takes what is written, told by the batches that tried."""

from typing import Final

import psycopg

REFUSING: Final = frozenset(("53100", "58030", "25006"))
"""PostgreSQL's codes for a full disk, a disk that fails, and a database that only reads: every write meets them."""


class StorageState:
    """``refuses`` from the first write that met such an error until one was kept."""

    def __init__(self) -> None:
        self.refuses = False

    def failed(self, error: psycopg.Error) -> None:
        self.refuses = self.refuses or error.sqlstate in REFUSING

    def kept(self) -> None:
        self.refuses = False
