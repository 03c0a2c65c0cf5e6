"""A bug that is planted for one run of the simulation."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from msgspec import Struct

Patch = tuple[Any, str, Any]


class Mutation(Struct, frozen=True):
    """``history`` is what it did to somebody, or would."""

    name: str
    history: str
    patches: Sequence[Patch]


@contextmanager
def planted(mutation: Mutation | None) -> Iterator[None]:
    with ExitStack() as stack:
        for target, name, value in mutation.patches if mutation is not None else ():
            stack.enter_context(patch.object(target, name, value))
        yield
