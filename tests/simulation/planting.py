"""A bug that is planted: what is put in the place of what."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

Patch = tuple[Any, str, Any]


class Mutation(Struct, frozen=True):
    """``history`` is what it did to somebody, or would."""

    name: str
    history: str
    patches: Sequence[Patch]
