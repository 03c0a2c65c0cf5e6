"""Findings about the panel, and their levels."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.codes import NO_FIELDS, Fields, FindingCode


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


SEVERITY: Final = {Level.OK: 0, Level.WARNING: 1, Level.CRITICAL: 2}
"""Levels as numbers, for metrics, exit codes and sorting."""


class Finding(Struct, frozen=True):
    """A finding: its name, its level, and a code with fields for which ``texts`` has the words."""

    name: str
    level: Level
    code: FindingCode
    fields: Fields = NO_FIELDS


def worst(findings: list[Finding]) -> Level:
    """Returns the most severe level; ``ok`` without findings."""
    return max((finding.level for finding in findings), key=SEVERITY.__getitem__, default=Level.OK)
