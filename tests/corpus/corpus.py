"""The corpus as it is written: answers below the reading, the fate and the operator's words they have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("add", "status", "refill", "refill_status", "cancel", "balance")
TOKENS = {"<BOM>": "\ufeff", "<LF>": "\n"}


@dataclass(frozen=True)
class Row:
    """One answer. ``operator`` is empty where nothing is to be read of it."""

    number: int
    status: int
    body: bytes
    reads: str
    fate: str
    operator: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.body.decode()}"


def rows(file: str) -> list[Row]:
    return list(_rows((HERE / f"{file}.txt").read_text("utf-8")))


def _rows(text: str) -> Iterator[Row]:
    heading = ("", "", "")
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("=="):
            reads, fate, operator = (part.partition(": ")[2].strip() for part in line.removeprefix("==").split(" | "))
            heading = reads, fate, "" if operator == "-" else operator
        elif line and not line.startswith("#"):
            status, body = 200, line
            if line.startswith("HTTP "):
                _, code, body = line.split(" ", 2)
                status = int(code)
            for token, meant in TOKENS.items():
                body = body.replace(token, meant)
            yield Row(number, status, body.encode(), *heading)
