"""The finding of ``health`` about free space on the database's disk."""

from typing import Final

from opensmm.domain.codes import FindingCode
from opensmm.domain.findings import Finding, Level

DISK_WARNING: Final = 2 << 30
DISK_CRITICAL: Final = 512 << 20
"""Free bytes below which ``health`` warns, and below which it is critical. A busy panel writes megabytes a second."""
DISK_WARNING_SHARE: Final = 20
"""On a large disk ``health`` warns if less than one in so many bytes is free."""


def disk(folder: str, free: int, total: int) -> Finding:
    """Reports the space on the disk of the data folder. ``free`` and ``total`` are in bytes."""
    fields = {"folder": folder, "free_mib": free >> 20, "total_mib": total >> 20}
    if free >= max(DISK_WARNING, total // DISK_WARNING_SHARE):
        return Finding("disk", Level.OK, code=FindingCode.DISK_ROOM, fields=fields)
    return Finding(
        "disk", Level.CRITICAL if free < DISK_CRITICAL else Level.WARNING, code=FindingCode.DISK_SPACE, fields=fields
    )
