"""``python -m bench.sampled FD DATA FILE``: the API as ever, noting where its processor time goes.

SIGUSR1 begins, SIGUSR2 adds a line with the counts to FILE. The kernel interrupts after so much processor time used,
not time passed, so that waiting counts for nothing; time inside C counts for the Python that called it.
"""

import signal
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

import opensmm
from opensmm.cli.serving import api

EVERY_S: Final = 0.001
LOOP: Final = "HTTP server, sockets and event loop"
_HOUSE: Final = str(Path(opensmm.__file__).parent)
STAGES: Final = (
    (f"{_HOUSE}/api/server.py", LOOP),
    (f"{_HOUSE}/api/protocol.py", LOOP),
    (f"{_HOUSE}/api/", "endpoint: body, key, answer"),
    (f"{_HOUSE}/wire/", "form and dialect"),
    (f"{_HOUSE}/domain/", "check, price and decide"),
    (f"{_HOUSE}/base/", "check, price and decide"),
    (f"{_HOUSE}/actions/", "batcher and batch"),
    (f"{_HOUSE}/store/", "statements: parameters and rows"),
    ("/psycopg", "statements: parameters and rows"),
    ("/uvicorn/", LOOP),
)


@cache
def stage_of(file: str) -> str:
    """The stage that a function of a file belongs to; empty where whoever called it tells."""
    return next((stage for part, stage in STAGES if part in file), "")


class Sampler:
    """Counts, at each interrupt, the stage of the innermost function whose file tells one."""

    def __init__(self, path: Path) -> None:
        # Opened at once: an API that root starts gives root up, and then may not write where the file lies.
        self._file = path.open("wb", buffering=0)
        self._counts: Counter[str] = Counter()

    def begin(self, number: int, frame: FrameType | None) -> None:
        self._counts.clear()
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def note(self, number: int, frame: FrameType | None) -> None:
        while frame is not None and not stage_of(frame.f_code.co_filename):
            frame = frame.f_back
        self._counts[LOOP if frame is None else stage_of(frame.f_code.co_filename)] += 1

    def end(self, number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._file.write(msgspec.json.encode(dict(self._counts)) + b"\n")


def main() -> None:
    number, data, path = sys.argv[1:]
    sampler = Sampler(Path(path))
    signal.signal(signal.SIGUSR1, sampler.begin)
    signal.signal(signal.SIGUSR2, sampler.end)
    signal.signal(signal.SIGPROF, sampler.note)
    api(fd=int(number), data=Path(data))


if __name__ == "__main__":
    main()
