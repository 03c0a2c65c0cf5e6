"""Words that SQL compares a column with are values of the enums that the column holds."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy import source

from opensmm.domain.audit import AuditAction
from opensmm.domain.catalogue import BelowCost, Halt, RefillMode
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.evidence import Conclusion, EvidenceKind
from opensmm.domain.ledger import TransferKind
from opensmm.domain.orders import OrderState
from opensmm.domain.providers import MANUAL, PANEL, SANDBOX
from opensmm.domain.refills import UNCLEAR, RefillStatus
from opensmm.domain.subscriptions import PostState

COLUMNS = {
    "state": {*DeliveryState, *OrderState, *RefillStatus, *PostState, UNCLEAR},
    "outcome": set(AttemptOutcome),
    "kind": {*TransferKind, *EvidenceKind, PANEL, SANDBOX, MANUAL},
    "conclusion": set(Conclusion),
    "mode": set(RefillMode),
    "refill_mode": set(RefillMode),
    "halted": set(Halt),
    "below_cost": set(BelowCost),
    "action": set(AuditAction),
}
COMPARED = re.compile(
    rf"\b({'|'.join(COLUMNS)})\s+(?:=|<>|is (?:not )?distinct from|(?:not )?in)\s+('[^']*'|\((?:'[^']*'(?:,\s*)?)+\))"
)
HOUSE = re.compile(r"\b(?:debit|credit)\s*(?:=|<>|in \()\s*-\d")


def texts() -> Iterator[tuple[Path, str]]:
    for path in source.files("src/opensmm/store"):
        if not {"migrations", "models"} & set(path.parts):
            for node in ast.walk(source.tree(path)):
                if isinstance(node, ast.JoinedStr):
                    yield (
                        path,
                        "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values),
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield path, node.value


def compared() -> Iterator[tuple[Path, str, str]]:
    """(file, column, word) of each comparison of such a column with a word; one that is put in stands as ``{}``."""
    for path, text in texts():
        for column, words in COMPARED.findall(text):
            yield from ((path, column, word) for word in re.findall(r"'([^']*)'", words))


def test_sql_compares_columns_with_words_that_they_may_hold():
    pairs = list(compared())
    assert len(pairs) > 100
    assert [] == [
        (source.shown(path), column, word) for path, column, word in pairs if word not in COLUMNS[column] | {"{}"}
    ]


def test_sql_names_no_account_of_the_house_by_its_number():
    assert [] == [source.shown(path) for path, text in texts() if HOUSE.search(text)]
