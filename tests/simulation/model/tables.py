"""A small committed store: rows in memory, one transaction at a time, and nothing of it kept until it commits.

It stands in for PostgreSQL below ``actions``. Transactions are atomic here, as row locks make them there, so that what
interleaves is what interleaves in the panel: transactions, calls to providers, and answers that were or were not heard.
"""

import copy
from bisect import insort
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any

import psycopg
from msgspec import Struct

from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.catalogue import Catalogue
from opensmm.domain.clocks import ClockStep
from opensmm.domain.codes import DeliveryNote
from opensmm.domain.dispatch import ACCEPTED_STATES, END_STATES, AccountFault
from opensmm.domain.ledger import Transfer
from opensmm.domain.payments import Deposit
from opensmm.domain.providers import AS_DOCUMENTED, Forms
from opensmm.domain.requests import TypeDetails
from opensmm.store.payments import BookedReference

LIVE = ("open", "active", "paused")
OPEN_TRIES = ("sending", "accepted", "unsure")


class CustomerRow(Struct):
    id: int
    balance: int
    credit_limit: int
    suspended: bool
    price_list: int
    overdrawn: int = 0


class OrderRow(Struct):
    id: int
    customer: int
    service: int
    quantity: int
    charge: int
    created: datetime
    runs: int
    interval_min: int
    packaged: bool
    state: str
    rate: Decimal
    link: str
    refunded: int = 0
    earned: int = 0
    start_count: int | None = None
    remains: int | None = None
    ended: datetime | None = None


class DeliveryRow(Struct):
    order: int
    run: int
    service: int
    quantity: int
    due: datetime | None
    state: str = "queued"
    start_count: int | None = None
    remains: int | None = None
    lease_until: datetime | None = None
    cancel_asked: datetime | None = None
    cancel_passed: datetime | None = None
    cancel_again: datetime | None = None
    cancel_tries: int = 0
    sent: datetime | None = None
    polled: datetime | None = None
    fence: int = 0
    route: int = 0
    attempt: int = 0
    note: DeliveryNote | None = None
    noted: datetime | None = None


class AttemptRow(Struct):
    order: int
    run: int
    number: int
    provider: int
    provider_service: str
    fence: int
    sent: datetime
    outcome: str = "sending"
    answered: datetime | None = None
    provider_order: str | None = None
    answer: CallAnswer = ""
    cost: Decimal | None = None
    currency: str = ""


class RefillRow(Struct):
    id: int
    order: int
    customer: int
    created: datetime
    state: str = "pending"
    ended: datetime | None = None


class RefillTaskRow(Struct):
    refill: int
    run: int
    order: int
    provider: int
    provider_order: str
    due: datetime | None
    state: str = "queued"
    provider_refill: str = ""
    polled: datetime | None = None
    tries: int = 0


class EvidenceRow(Struct):
    attempt: tuple[int, int, int]
    provider: int | None
    kind: str
    conclusion: str
    detail: Any
    at: datetime


class PostRow(Struct):
    order: int
    provider: int
    provider_order: str
    seen: datetime
    state: str
    child: int | None = None
    missing: datetime | None = None


class ProviderRow(Struct):
    id: int
    name: str
    failures: int = 0
    resting_until: datetime | None = None
    exchange_rate: Decimal = Decimal(1)
    fault: str = ""
    refuses: AccountFault | None = None
    forms: Forms = AS_DOCUMENTED
    adds_at_a_time: int | None = None


class ClockRow(Struct):
    at: datetime
    timeline: str
    started: datetime


class ClockStepRow(Struct):
    step: ClockStep
    noted: datetime


class Sale(Struct):
    """What is kept of a service beside the price list: where it is sent."""

    routes: Sequence[tuple[int, str]]


class Change(Struct, frozen=True):
    """What a transaction did, as the checks look at it: rows before and after, and rows that are new."""

    edited: Sequence[tuple[Any, Any]]
    inserted: Sequence[Any]
    transfers: Sequence[Transfer]


class Store:
    """``watch`` is called with every change before it counts as committed."""

    def __init__(self, catalogue: Catalogue, sales: dict[int, Sale], watch: Callable[[Change], None]) -> None:
        self.catalogue = catalogue
        self.sales = sales
        self._watch = watch
        self.customers: dict[int, CustomerRow] = {}
        self.revoked: dict[int, bool] = {}
        self.orders: dict[int, OrderRow] = {}
        self.runs: dict[int, list[DeliveryRow]] = {}
        self.deliveries: dict[tuple[int, int], DeliveryRow] = {}
        self.attempts: dict[tuple[int, int, int], AttemptRow] = {}
        self.transfers: list[Transfer] = []
        self.idempotency: dict[tuple[int, str], tuple[bytes, int]] = {}
        self.active_links: dict[tuple[int, str], int] = {}
        self.links_of: dict[int, tuple[int, str]] = {}
        self.refills: dict[int, RefillRow] = {}
        self.refills_of: dict[int, list[RefillRow]] = {}
        self.refill_tasks: dict[tuple[int, int], RefillTaskRow] = {}
        self.providers: dict[int, ProviderRow] = {}
        self.clock: dict[int, ClockRow] = {}
        self.clock_steps: dict[int, ClockStepRow] = {}
        self.timeline = 1
        self.batches: dict[object, Sequence[int | None] | None] = {}
        self.deposits: dict[tuple[str, str, str], Deposit] = {}
        self.references: dict[tuple[str, str], BookedReference] = {}
        self.provider_orders: dict[tuple[int, str], AttemptRow] = {}
        self.evidence: dict[int, EvidenceRow] = {}
        self.evidence_of: dict[tuple[int, int, int], list[EvidenceRow]] = {}
        self.details: dict[int, TypeDetails] = {}
        self.posts: dict[tuple[int, str], PostRow] = {}
        self.order_ids = count(1)
        self.refill_ids = count(1)
        self.log: list[object] | None = None
        self.queued: dict[tuple[int, int], DeliveryRow] = {}
        self.sending: dict[tuple[int, int], DeliveryRow] = {}
        self.unsure: dict[tuple[int, int], DeliveryRow] = {}
        self.followed: dict[tuple[int, int], DeliveryRow] = {}
        self.to_cancel: dict[tuple[int, int], DeliveryRow] = {}
        self.accepted: dict[int, list[AttemptRow]] = {}
        self.tasks_due: dict[tuple[int, int], RefillTaskRow] = {}
        self.alone: set[int] = set()
        """Orders that no standby is known to have."""
        self.unheard: set[tuple[int, int, int]] = set()
        """Attempts of claims whose worker lives and does not know that they were kept."""
        self.open = False
        self._before: dict[int, tuple[Any, Any]] = {}
        self._undo: list[Callable[[], object]] = []
        self._inserted: list[Any] = []
        self._booked = 0

    def begin(self) -> None:
        assert not self.open, "transactions of the model do not overlap"
        self.open = True
        self.tell("begin")
        self._booked = len(self.transfers)

    def tell(self, what: object) -> None:
        """Writes down what happened, where a run is to be replayed on PostgreSQL."""
        if self.log is not None:
            self.log.append(what)

    def edit(self, row: Any) -> Any:
        """The row, to be changed: how it was is remembered until the transaction ends."""
        if id(row) not in self._before:
            self._before[id(row)] = (row, copy.copy(row))
        return row

    def insert(self, table: dict[Any, Any], key: Hashable, row: Any) -> None:
        """Raises psycopg's UniqueViolation where the key is taken."""
        if key in table:
            raise psycopg.errors.UniqueViolation(f"{key} exists already")
        table[key] = row
        self._undo.append(lambda: table.pop(key))
        self._inserted.append(row)

    def delete(self, table: dict[Any, Any], key: Hashable) -> None:
        row = table.pop(key)
        self._undo.append(lambda: table.__setitem__(key, row))

    def commit(self, *, waited_for: bool = True) -> set[tuple[int, int, int]]:
        """``waited_for``: the standby has it, and all before it. Returns the attempts that are new."""
        inserted = self._inserted
        if waited_for:
            self.alone.clear()
        else:
            self.alone |= {row.id for row in inserted if isinstance(row, OrderRow)}
        edited = [(before, row) for row, before in self._before.values()]
        self._watch(Change(edited, self._inserted, self.transfers[self._booked :]))
        for _, row in edited:
            self._index(row)
        for row in self._inserted:
            self._list(row)
            self._index(row)
        self.tell("commit")
        self._end()
        return {(row.order, row.run, row.number) for row in inserted if isinstance(row, AttemptRow)}

    def rollback(self) -> None:
        self.tell("rollback")
        for undo in reversed(self._undo):
            undo()
        for row, before in self._before.values():
            for name in row.__struct_fields__:
                setattr(row, name, getattr(before, name))
        del self.transfers[self._booked :]
        self._end()

    def _end(self) -> None:
        self.open = False
        self._before, self._undo, self._inserted = {}, [], []

    def _list(self, row: Any) -> None:
        if isinstance(row, DeliveryRow):
            self.runs.setdefault(row.order, []).append(row)
        elif isinstance(row, RefillRow):
            self.refills_of.setdefault(row.order, []).append(row)
        elif isinstance(row, EvidenceRow):
            self.evidence_of.setdefault(row.attempt, []).append(row)
        elif isinstance(row, AttemptRow) and row.outcome == "accepted" and row.answered is not None:
            # It is new among the providers' orders.
            insort(self.accepted.setdefault(row.provider, []), row, key=by_answer)

    def _index(self, row: Any) -> None:
        if isinstance(row, DeliveryRow):
            name = (row.order, row.run)
            _keep_if(row.state == "queued" and row.due is not None, self.queued, name, row)
            _keep_if(row.state == "sending", self.sending, name, row)
            _keep_if(row.state == "unsure", self.unsure, name, row)
            _keep_if(row.state in ACCEPTED_STATES, self.followed, name, row)
            is_canceling = row.cancel_asked is not None and row.cancel_passed is None
            _keep_if(is_canceling and row.state != "completed", self.to_cancel, name, row)
        elif isinstance(row, RefillTaskRow):
            _keep_if(row.due is not None, self.tasks_due, (row.refill, row.run), row)

    def newest_try(self, row: DeliveryRow) -> AttemptRow | None:
        """The attempt that a delivery stands at; None where it was never tried."""
        return self.attempts.get((row.order, row.run, row.attempt))

    def under_way(self) -> list[DeliveryRow]:
        return [row for row in self.deliveries.values() if row.state not in END_STATES]


def write_down(row: DeliveryRow, note: DeliveryNote | None, now: datetime) -> None:
    """The note, and since when one of its code holds."""
    same = note is not None and row.note is not None and note.code == row.note.code
    row.noted = row.noted if same else None if note is None else now
    row.note = note


def by_answer(row: AttemptRow) -> tuple[datetime, int, int, int]:
    """Accepted attempts in the order in which their answers were recorded."""
    assert row.answered is not None
    return row.answered, row.order, row.run, row.number


def _keep_if(true: bool, index: dict[Any, Any], name: Hashable, row: Any) -> None:
    if true:
        index[name] = row
    else:
        index.pop(name, None)
