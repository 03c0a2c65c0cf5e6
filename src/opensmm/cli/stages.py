"""The steps of a start, told on standard error: a line that changes on a terminal, a line a step otherwise."""

from types import TracebackType
from typing import Final

from rich.console import Console

from opensmm.domain.codes import Fields, StageCode
from opensmm.texts.speech import ENGLISH

QUICK: Final = frozenset({StageCode.STARTING_DATABASE})
"""Steps that every verb may take, and that are worth no line in a log."""


class Stages:
    """A ``StatusReport`` for the time of a ``with`` block. On a terminal nothing of it stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")
        self._over = False
        self._told: set[StageCode] = set()

    def __call__(self, code: StageCode, fields: Fields) -> None:
        if self._over:
            return
        text = ENGLISH.stage(code, fields)
        if self._console.is_terminal:
            self._status.update(text)
            self._status.start()
        elif code not in self._told | QUICK:
            self._told.add(code)
            self._console.print(f"opensmm: {text}", markup=False)

    def end(self) -> None:
        """Clears the line for good, before something else is printed."""
        self._over = True
        self._status.stop()

    def __enter__(self) -> "Stages":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
