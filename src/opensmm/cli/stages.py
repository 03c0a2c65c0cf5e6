"""The steps of a start on standard error: one line that changes on a terminal, otherwise a line for each step."""

from types import TracebackType
from typing import Final

from rich.console import Console

from opensmm.domain.codes import Fields, StageCode
from opensmm.texts.speech import ENGLISH

QUICK: Final = frozenset({StageCode.STARTING_DATABASE})
"""Steps that any verb may take, and that are worth no line in a log."""


class Stages:
    """A ``StatusReport`` for a ``with`` block. It leaves nothing on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")
        self._over = False
        self._printed: set[StageCode] = set()

    def __call__(self, code: StageCode, fields: Fields) -> None:
        if self._over:
            return
        text = ENGLISH.stage(code, fields)
        if self._console.is_terminal:
            self._status.update(text)
            self._status.start()
        elif code not in self._printed | QUICK:
            self._printed.add(code)
            self._console.print(f"opensmm: {text}", markup=False)

    def end(self) -> None:
        """Clears the line for good. Call it before something else is printed."""
        self._over = True
        self._status.stop()

    def __enter__(self) -> "Stages":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
