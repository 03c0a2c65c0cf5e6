"""A finding about the panel, and how much it matters."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.codes import NO_FIELDS, Fields, FindingCode


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


SEVERITY: Final = {Level.OK: 0, Level.WARNING: 1, Level.CRITICAL: 2}


class Finding(Struct, frozen=True):
    """What is found: a code and its fields, which ``texts`` puts into words."""

    name: str
    level: Level
    code: FindingCode
    fields: Fields = NO_FIELDS


def worst(findings: list[Finding]) -> Level:
    return max((finding.level for finding in findings), key=SEVERITY.__getitem__, default=Level.OK)
