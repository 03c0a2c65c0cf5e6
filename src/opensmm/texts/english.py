"""The words of every code, in English: whole sentences with named placeholders."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from opensmm.domain.codes import EventCode, FindingCode, RefusalCode


class Words(Struct, frozen=True):
    """``one`` replaces ``says`` where the field ``count`` is 1. ``do`` tells the operator what to do, if anything."""

    says: str
    one: str = ""
    do: str = ""


FINDINGS: Final[Mapping[FindingCode, Words]] = {}
REFUSALS: Final[Mapping[RefusalCode, Words]] = {}
EVENTS: Final[Mapping[EventCode, Words]] = {}
