"""The events of one order, for the operator's eyes: read from the rows that it left, the newest of each sort."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, structs
from psycopg.rows import TupleRow

from opensmm.base.ids import OrderId
from opensmm.base.money import Money, short
from opensmm.domain.call_faults import NEVER_SENT, CallAnswer, CallFault
from opensmm.domain.codes import NO_FIELDS, EventCode, Fields
from opensmm.domain.dispatch import ACCEPTED_STATES, AttemptOutcome, DeliveryState
from opensmm.domain.evidence import NEIGHBOURS, Conclusion, EvidenceKind
from opensmm.domain.ledger import TransferKind
from opensmm.domain.orders import OrderState
from opensmm.domain.refills import RefillStatus
from opensmm.domain.subscriptions import PostState
from opensmm.store import call_faults, delivery_notes
from opensmm.store.connection import Connection

MAX_EVENTS: Final = 1000
"""Rows of each sort that are read of one order, the newest: a drip-feed of many runs leaves thousands."""


class OrderEvent(Struct, frozen=True):
    """One event. ``texts`` puts its kind and fields into words."""

    at: datetime
    kind: EventCode
    fields: Fields = NO_FIELDS


class OrderHistory(Struct, frozen=True):
    """An order with its events, oldest first. ``whole``: False where it left more rows than are read."""

    order: OrderId
    customer: int
    customer_name: str
    service: int
    service_name: str
    link: str
    quantity: int
    runs: int
    charge: Money
    refunded: Money
    state: str
    events: tuple[OrderEvent, ...] = ()
    whole: bool = True


_ORDER: Final = """
select o.id, o.customer_id, coalesce(c.name, ''), o.service_id, coalesce(s.name, ''), o.link, o.quantity, o.runs,
  o.charge, o.refunded, o.state, o.created, o.ended
from orders o
left join customer c on c.id = o.customer_id
left join service s on s.id = o.service_id
where o.id = %s
"""
_MONEY: Final = """
select created, kind, amount, sequence from transfer where order_id = %s order by id desc limit %s
"""
_ATTEMPTS: Final = """
select t.run, t.number, t.provider_id, p.name, t.provider_service, t.outcome, t.provider_order, t.sent, t.answered,
       t.answer, t.cost::text, t.currency,
       (select e.conclusion from evidence e where e.order_id = t.order_id and e.run = t.run and e.number = t.number
         and e.conclusion = any(%s) order by e.id desc limit 1) as settled
from attempt t left join provider p on p.id = t.provider_id where t.order_id = %s
order by t.run desc, t.number desc limit %s
"""
_DELIVERIES: Final = """
select d.run, d.state, d.quantity, d.remains, d.start_count, d.due, d.polled, d.cancel_asked, d.cancel_passed, d.note,
  d.noted, exists (
    select from evidence e
    where e.order_id = d.order_id and e.run = d.run and e.kind = 'operator' and e.conclusion = 'ended'
  )
from delivery d
where d.order_id = %s
  and (d.due is not null or d.polled is not null or d.note is not null or d.cancel_asked is not null)
order by d.run desc limit %s
"""
_EVIDENCE: Final = """
select e.run, e.number, e.at, e.kind, e.conclusion, e.provider_id, p.name, e.detail
from evidence e left join provider p on p.id = e.provider_id
where e.order_id = %s and e.kind <> 'answer' order by e.id desc limit %s
"""
_NOTICES: Final = """
select e.run, e.number, e.at, e.dealt_with, e.conclusion, e.provider_id, p.name, d.quantity, t.provider_order, e.detail
from evidence e
left join delivery d on d.order_id = e.order_id and d.run = e.run
left join attempt t on t.order_id = e.order_id and t.run = e.run and t.number = e.number
left join provider p on p.id = e.provider_id
where e.order_id = %s and e.kind = 'answer' order by e.id desc limit %s
"""
_POSTS: Final = """
select seen, provider_order, state, child_id, missing from post
where order_id = %s order by seen desc, provider_order desc limit %s
"""
_POST_OF: Final = "select seen, order_id from post where child_id = %s limit %s"
_REFILLS: Final = "select id, state, created, ended from refill where order_id = %s order by id desc limit %s"
_REFILL_NOTES: Final = """
select run, note, noted from refill_task
where order_id = %s and note is not null order by refill_id desc, run desc limit %s
"""


_SETTLING: Final = (Conclusion.BOUGHT, Conclusion.NOT_BOUGHT, Conclusion.RISKED)
"""What is concluded of tries that were unsure."""
_NOT_SENT: Final = "not sent: "
"""The beginning of answers of calls that never left, in rows from before there were codes."""


class _NewestRows:
    """Reads the newest rows of one order. ``whole`` until there were more of a sort than are read."""

    def __init__(self, connection: Connection, order: OrderId) -> None:
        self.whole = True
        self._connection = connection
        self._order = order

    async def read(self, statement: str, *more: object) -> list[TupleRow]:
        """Rows of a statement that yields the newest first and takes the order and a limit last; oldest first."""
        cursor = await self._connection.execute(statement, [*more, self._order, MAX_EVENTS + 1])
        rows = await cursor.fetchall()
        self.whole = self.whole and len(rows) <= MAX_EVENTS
        return rows[:MAX_EVENTS][::-1]


async def history(connection: Connection, order: OrderId) -> OrderHistory | None:
    """The order's events in the order they happened; None where there is no such order."""
    cursor = await connection.execute(_ORDER, [order])
    row = await cursor.fetchone()
    if row is None:
        return None
    head = OrderHistory(*row[:11])
    events = [_placed(head, row[11])]
    if row[12] is not None:
        events.append(OrderEvent(row[12], EventCode.ENDED, {"state": OrderState(head.state)}))
    rows = _NewestRows(connection, order)
    for read in (_money, _attempts, _evidence, _notices, _deliveries, _posts, _refills):
        events += await read(rows)
    events.sort(key=lambda event: event.at)
    return structs.replace(head, events=tuple(events), whole=rows.whole)


def _placed(head: OrderHistory, at: datetime) -> OrderEvent:
    fields = {"service": head.service, "service_name": head.service_name, "charge": short(head.charge)}
    if not head.quantity:
        return OrderEvent(at, EventCode.SUBSCRIBED, fields)
    code = EventCode.PLACED if head.runs == 1 else EventCode.PLACED_IN_RUNS
    return OrderEvent(at, code, fields | {"quantity": head.quantity, "runs": head.runs})


_MOVED: Final = {
    TransferKind.CHARGE: EventCode.CHARGED,
    TransferKind.EARN: EventCode.EARNED,
    TransferKind.REFUND: EventCode.REFUNDED,
    TransferKind.RETURN: EventCode.RETURNED,
    TransferKind.COST: EventCode.COST_BOOKED,
}
_OF_RUNS: Final = (TransferKind.EARN, TransferKind.REFUND, TransferKind.COST)
"""Their number is that of a run; a returned sum's is its own."""


async def _money(rows: _NewestRows) -> list[OrderEvent]:
    return [_moved(at, TransferKind(kind), amount, number) for at, kind, amount, number in await rows.read(_MONEY)]


def _moved(at: datetime, kind: TransferKind, amount: Money, number: int) -> OrderEvent:
    fields: dict[str, object] = {"amount": short(amount)}
    if kind in _OF_RUNS and number:
        fields["run"] = number
    return OrderEvent(at, _MOVED[kind], fields)


class _Attempt(Struct, frozen=True):
    """``settled`` is what was concluded of one that was unsure, and None of every other."""

    run: int
    number: int
    provider: int
    provider_name: str | None
    provider_service: str
    outcome: AttemptOutcome
    provider_order: str | None
    sent: datetime
    answered: datetime | None
    answer: CallAnswer
    cost: str | None
    currency: str | None
    settled: Conclusion | None


async def _attempts(rows: _NewestRows) -> list[OrderEvent]:
    attempts = await rows.read(_ATTEMPTS, [conclusion.value for conclusion in _SETTLING])
    return [event for row in attempts for event in _tried(_attempt(row))]


def _attempt(row: TupleRow) -> _Attempt:
    return _Attempt(*(*row[:9], call_faults.read(row[9]), *row[10:]))


def _tried(one: _Attempt) -> Iterator[OrderEvent]:
    fields: dict[str, object] = {"run": one.run, "attempt": one.number}
    fields |= {"provider": one.provider, "provider_name": one.provider_name}
    yield OrderEvent(one.sent, EventCode.SENT, fields | {"provider_service": one.provider_service})
    fields |= {"provider_order": one.provider_order, "words": one.answer}
    if one.outcome == AttemptOutcome.UNSURE or one.settled:
        yield OrderEvent(one.sent if one.settled else one.answered or one.sent, EventCode.UNSURE, fields)
    # Of one that is sent again at the operator's risk, what the operator said tells more.
    if one.answered is not None and one.outcome != AttemptOutcome.UNSURE and one.settled != Conclusion.RISKED:
        yield _answered(one, one.answered, fields)


def _answered(one: _Attempt, at: datetime, fields: dict[str, object]) -> OrderEvent:
    """What became of a try; of one that was unsure, how it was settled: its answer was told before."""
    if one.settled:
        return OrderEvent(at, EventCode.SETTLED_BOUGHT if one.provider_order else EventCode.SETTLED_NOT_BOUGHT, fields)
    if isinstance(one.answer, CallFault) and one.answer.code in NEVER_SENT:
        return OrderEvent(at, EventCode.NOT_SENT, fields)
    if isinstance(one.answer, str) and one.answer.startswith(_NOT_SENT):
        return OrderEvent(at, EventCode.NOT_SENT, fields | {"words": one.answer.removeprefix(_NOT_SENT)})
    if one.provider_order:
        return OrderEvent(at, EventCode.ACCEPTED, fields | {"cost": one.cost, "currency": one.currency})
    return OrderEvent(at, EventCode.DECLINED, fields)


async def _evidence(rows: _NewestRows) -> list[OrderEvent]:
    return [_evident(*row) for row in await rows.read(_EVIDENCE)]


_OF_OPERATOR: Final = {
    Conclusion.BOUGHT: EventCode.OPERATOR_SETTLED_BOUGHT,
    Conclusion.NOT_BOUGHT: EventCode.OPERATOR_SETTLED_NOT_BOUGHT,
    Conclusion.RISKED: EventCode.OPERATOR_RISKED,
    Conclusion.ENDED: EventCode.OPERATOR_ENDED,
}


def _evident(
    run: int,
    number: int,
    at: datetime,
    kind: str,
    concluded: str,
    provider: int | None,
    name: str | None,
    detail: Mapping[str, Any],
) -> OrderEvent:
    conclusion = Conclusion(concluded)
    fields: dict[str, object] = {"run": run, "attempt": number, "provider": provider, "provider_name": name}
    if kind == EvidenceKind.OPERATOR:
        state = {"state": DeliveryState(detail["state"])} if "state" in detail else {}
        return OrderEvent(at, _OF_OPERATOR[conclusion], fields | {**detail} | state)
    if conclusion is Conclusion.NO_NEIGHBOURS and "later" in detail:
        counts = {"earlier": detail["earlier"], "later": detail["later"]}
        return OrderEvent(at, EventCode.NEEDS_LATER_ORDERS, fields | {"needed": NEIGHBOURS} | counts)
    return OrderEvent(at, EventCode.LOOKED_INTO, fields | {"conclusion": conclusion} | _asked(detail))


def _asked(detail: Mapping[str, Any]) -> dict[str, object]:
    """Which of the provider's ids were asked for, and what it said of them."""
    if not detail.get("asked"):
        return {"asked": None}
    low, high = detail["between"]
    found = (detail.get("ours") or {}).items()
    ours = tuple({"provider_order": number, "status": status} for number, status in found)
    bounds = {"low": low, "high": high}
    return {"asked": detail["asked"], "not_ours": detail["not_ours"], "words": detail["words"], "ours": ours} | bounds


async def _notices(rows: _NewestRows) -> list[OrderEvent]:
    events = []
    for run, number, at, dealt_with, conclusion, provider, name, quantity, theirs, detail in await rows.read(_NOTICES):
        fields = {"run": run, "attempt": number, "provider": provider, "provider_name": name}
        fields |= {"quantity": quantity, "provider_order": theirs}
        events.append(OrderEvent(at, EventCode(conclusion), fields | detail))
        if dealt_with is not None:
            events.append(OrderEvent(dealt_with, EventCode.DEALT_WITH, fields))
    return events


async def _deliveries(rows: _NewestRows) -> list[OrderEvent]:
    events: list[OrderEvent] = []
    for run, kept, *counts, due, polled, asked, passed, note, noted, by_hand in await rows.read(_DELIVERIES):
        quantity, remains, start = counts
        state = DeliveryState(kept)
        if polled is not None:
            left = remains if quantity else None  # a subscription has no units
            fields = {"run": run, "quantity": quantity}
            if not by_hand:  # otherwise they are the operator's word, told beside it
                fields |= {"state": state, "remains": left, "start_count": start}
            events.append(OrderEvent(polled, EventCode.ASKED_AFTER, fields))
        elif due is not None:
            events += _due(due, run, state)
        if (why := delivery_notes.read(note)) is not None:
            events.append(OrderEvent(noted, why.code, {"run": run, **why.fields}))
        if asked is not None:
            code = EventCode.CANCEL_ASKED if passed is None else EventCode.CANCEL_PASSED
            events.append(OrderEvent(passed or asked, code, {"run": run}))
    return events


def _due(at: datetime, run: int, state: DeliveryState) -> Iterator[OrderEvent]:
    """What is to be done next. Before the first news nothing is known of what remains."""
    if state is DeliveryState.QUEUED:
        yield OrderEvent(at, EventCode.SEND_DUE, {"run": run})
    elif state is DeliveryState.UNSURE:
        yield OrderEvent(at, EventCode.LOOK_DUE, {"run": run})
    elif state in ACCEPTED_STATES:
        yield OrderEvent(at, EventCode.POLL_DUE, {"run": run})


_POST_CODES: Final = {
    PostState.UNTOLD: EventCode.POST_UNTOLD,
    PostState.UNPAID: EventCode.POST_UNPAID,
    PostState.MADE: EventCode.POST_MADE,
    PostState.TAKEN: EventCode.POST_TAKEN,
    PostState.LOST: EventCode.POST_LOST,
    PostState.BEYOND: EventCode.POST_BEYOND,
    PostState.EXPIRED: EventCode.POST_EXPIRED,
}


async def _posts(rows: _NewestRows) -> list[OrderEvent]:
    """Of a subscription the orders of its posts; of such an order its subscription."""
    events = []
    for seen, theirs, state, child, missing in await rows.read(_POSTS):
        fields = {"provider_order": theirs, "order": child}
        events.append(OrderEvent(seen, _POST_CODES[PostState(state)], fields))
        if missing is not None:
            events.append(OrderEvent(missing, EventCode.POST_UNLISTED, fields))
    parents = await rows.read(_POST_OF)
    return events + [OrderEvent(seen, EventCode.MADE_FOR_POST, {"subscription": parent}) for seen, parent in parents]


async def _refills(rows: _NewestRows) -> list[OrderEvent]:
    events = []
    for refill, state, created, ended in await rows.read(_REFILLS):
        events.append(OrderEvent(created, EventCode.REFILL_ASKED, {"refill": refill}))
        if ended is not None:
            events.append(OrderEvent(ended, EventCode.REFILL_ENDED, {"refill": refill, "state": RefillStatus(state)}))
    for run, kept, noted in await rows.read(_REFILL_NOTES):
        if (note := delivery_notes.read(kept)) is not None:
            events.append(OrderEvent(noted, note.code, {"run": run, **note.fields}))
    return events
