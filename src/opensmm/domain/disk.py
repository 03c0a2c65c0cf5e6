"""Whether the disk that holds the database has room left."""

from typing import Final

from opensmm.domain.codes import FindingCode
from opensmm.domain.findings import Finding, Level

DISK_WARNING: Final = 2 << 30
DISK_CRITICAL: Final = 512 << 20
"""Bytes free on the data folder's disk; a busy panel writes megabytes a second."""
DISK_WARNING_SHARE: Final = 20
"""One in so many parts of a large disk is to be free."""


def disk(folder: str, free: int, total: int) -> Finding:
    """The room on the disk that holds the database, in bytes."""
    fields = {"folder": folder, "free_mib": free >> 20, "total_mib": total >> 20}
    if free >= max(DISK_WARNING, total // DISK_WARNING_SHARE):
        return Finding("disk", Level.OK, code=FindingCode.DISK_ROOM, fields=fields)
    return Finding(
        "disk", Level.CRITICAL if free < DISK_CRITICAL else Level.WARNING, code=FindingCode.DISK_SPACE, fields=fields
    )
