"""The events of one order, for the operator: read from the rows that the order left, the newest of each kind."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, structs
from psycopg.rows import TupleRow

from opensmm.base.ids import OrderId
from opensmm.base.money import Money, format_amount
from opensmm.domain.call_faults import NEVER_SENT, CallAnswer, CallFault
from opensmm.domain.codes import NO_FIELDS, DeliveryNote, EventCode, Fields
from opensmm.domain.dispatch import ACCEPTED_STATES, AttemptOutcome, DeliveryState
from opensmm.domain.evidence import NEIGHBOURS, Conclusion, EvidenceKind
from opensmm.domain.ledger import TransferKind
from opensmm.domain.orders import OrderState
from opensmm.domain.refills import RefillStatus
from opensmm.domain.subscriptions import PostState
from opensmm.store import call_faults, delivery_notes
from opensmm.store.connection import Connection
from opensmm.store.rows import NO_DECODERS, Decoders, first_record, rows

Row = TypeVar("Row", bound=Struct)
_Item = TypeVar("_Item")

MAX_EVENTS: Final = 1000
"""The most rows of each kind that are read of one order, the newest: a drip-feed of many runs leaves thousands."""


class OrderEvent(Struct, frozen=True):
    """One event. ``texts`` puts its kind and fields into words."""

    at: datetime
    kind: EventCode
    fields: Fields = NO_FIELDS


class OrderHistory(Struct, frozen=True):
    """An order with its events, oldest first. ``whole`` is False if the order left more rows than are read."""

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
    state: OrderState
    events: tuple[OrderEvent, ...] = ()
    whole: bool = True


_ORDER: Final = """
select o.id as order, o.customer_id as customer, coalesce(c.name, '') as customer_name, o.service_id as service,
  coalesce(s.name, '') as service_name, o.link, o.quantity, o.runs, o.charge, o.refunded, o.state, o.created, o.ended
from orders o
left join customer c on c.id = o.customer_id
left join service s on s.id = o.service_id
where o.id = %s
"""
_TRANSFERS: Final = """
select created, kind, amount, sequence from transfer where order_id = %s order by id desc limit %s
"""
_ATTEMPTS: Final = """
select t.run, t.number, t.provider_id as provider, p.name as provider_name, t.provider_service, t.outcome,
  t.provider_order, t.sent, t.answered, t.answer, t.cost::text, t.currency,
  (select e.conclusion from evidence e where e.order_id = t.order_id and e.run = t.run and e.number = t.number
    and e.conclusion = any(%s) order by e.id desc limit 1) as resolved
from attempt t left join provider p on p.id = t.provider_id where t.order_id = %s
order by t.run desc, t.number desc limit %s
"""
_DELIVERIES: Final = f"""
select d.run, d.state, d.quantity, d.remains, d.start_count, d.due, d.polled, d.cancel_asked, d.cancel_passed, d.note,
  d.noted,
  exists (
    select from evidence e
    where e.order_id = d.order_id and e.run = d.run
      and e.kind = '{EvidenceKind.OPERATOR}' and e.conclusion = '{Conclusion.ENDED}'
  ) as by_hand
from delivery d
-- Only runs of which there is more to show than that they wait for the one before.
where d.order_id = %s
  and (d.due is not null or d.polled is not null or d.note is not null or d.cancel_asked is not null)
order by d.run desc limit %s
"""
_EVIDENCE: Final = f"""
select e.run, e.number, e.at, e.kind, e.conclusion, e.provider_id as provider, p.name as provider_name, e.detail
from evidence e left join provider p on p.id = e.provider_id
where e.order_id = %s and e.kind <> '{EvidenceKind.ANSWER}' order by e.id desc limit %s
"""
_NOTICES: Final = f"""
select e.run, e.number, e.at, e.dealt_with, e.conclusion, e.provider_id as provider, p.name as provider_name,
  d.quantity, t.provider_order, e.detail
from evidence e
left join delivery d on d.order_id = e.order_id and d.run = e.run
left join attempt t on t.order_id = e.order_id and t.run = e.run and t.number = e.number
left join provider p on p.id = e.provider_id
where e.order_id = %s and e.kind = '{EvidenceKind.ANSWER}' order by e.id desc limit %s
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


_RESOLUTIONS: Final = (Conclusion.BOUGHT, Conclusion.NOT_BOUGHT, Conclusion.RISKED)
"""Conclusions that resolve an unsure attempt."""
_NOT_SENT: Final = "not sent: "
"""The beginning of answers of calls that never left, in rows from before there were codes."""


class _NewestRows:
    """Reads the newest rows of one order. ``whole`` turns False once there were more of a kind than are read.

    Statements select the newest rows first, and take the order and a limit last.
    """

    def __init__(self, connection: Connection, order: OrderId) -> None:
        self.whole = True
        self._connection = connection
        self._order = order

    async def read(self, statement: str) -> list[TupleRow]:
        """Returns the rows of a statement, oldest first."""
        cursor = await self._connection.execute(statement, [self._order, MAX_EVENTS + 1])
        return self._oldest_first(await cursor.fetchall())

    async def read_as(
        self, kind: type[Row], statement: str, *more: object, decoders: Decoders = NO_DECODERS
    ) -> list[Row]:
        """Returns the rows of a statement as structs, oldest first. ``more`` are its first parameters."""
        values = [*more, self._order, MAX_EVENTS + 1]
        return self._oldest_first(await rows(self._connection, kind, statement, values, decoders))

    def _oldest_first(self, newest_first: list[_Item]) -> list[_Item]:
        self.whole = self.whole and len(newest_first) <= MAX_EVENTS
        return newest_first[:MAX_EVENTS][::-1]


async def read_history(connection: Connection, order: OrderId) -> OrderHistory | None:
    """Returns an order with its events in the order they happened; None if there is no such order."""
    record = await first_record(connection, _ORDER, [order])
    if record is None:
        return None
    created, ended = record.pop("created"), record.pop("ended")
    head = msgspec.convert(record, OrderHistory)
    events = [_describe_placing(head, created)]
    if ended is not None:
        events.append(OrderEvent(ended, EventCode.ENDED, {"state": head.state}))
    newest = _NewestRows(connection, order)
    for read in _READERS:
        events += await read(newest)
    events.sort(key=lambda event: event.at)
    return structs.replace(head, events=tuple(events), whole=newest.whole)


def _describe_placing(head: OrderHistory, at: datetime) -> OrderEvent:
    fields = {"service": head.service, "service_name": head.service_name, "charge": format_amount(head.charge)}
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
"""Transfers whose ``sequence`` is the number of a run; that of a return is its own."""


async def _read_transfers(newest: _NewestRows) -> list[OrderEvent]:
    return [
        _describe_transfer(at, TransferKind(kind), amount, number)
        for at, kind, amount, number in await newest.read(_TRANSFERS)
    ]


def _describe_transfer(at: datetime, kind: TransferKind, amount: Money, number: int) -> OrderEvent:
    fields: dict[str, object] = {"amount": format_amount(amount)}
    if kind in _OF_RUNS and number:
        fields["run"] = number
    return OrderEvent(at, _MOVED[kind], fields)


class _Attempt(Struct, frozen=True):
    """An attempt. ``resolved`` is the conclusion about one that was unsure, and None of every other."""

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
    resolved: Conclusion | None


async def _read_attempts(newest: _NewestRows) -> list[OrderEvent]:
    resolutions = [conclusion.value for conclusion in _RESOLUTIONS]
    attempts = await newest.read_as(_Attempt, _ATTEMPTS, resolutions, decoders={"answer": call_faults.decode})
    return [event for attempt in attempts for event in _describe_attempt(attempt)]


def _describe_attempt(attempt: _Attempt) -> Iterator[OrderEvent]:
    """Yields that an attempt was sent, that it was unsure, and its answer or how it was resolved."""
    fields: dict[str, object] = {"run": attempt.run, "attempt": attempt.number}
    fields |= {"provider": attempt.provider, "provider_name": attempt.provider_name}
    yield OrderEvent(attempt.sent, EventCode.SENT, fields | {"provider_service": attempt.provider_service})
    fields |= {"provider_order": attempt.provider_order, "words": attempt.answer}
    unsure = attempt.outcome is AttemptOutcome.UNSURE
    if unsure or attempt.resolved:
        # The time of an answer that was resolved later is that of the resolution.
        at = attempt.sent if attempt.resolved else attempt.answered or attempt.sent
        yield OrderEvent(at, EventCode.UNSURE, fields)
    # Of an attempt that is sent again at the operator's risk, the operator's own event says more.
    if attempt.answered is not None and not unsure and attempt.resolved is not Conclusion.RISKED:
        yield _describe_answer(attempt, attempt.answered, fields)


def _describe_answer(attempt: _Attempt, at: datetime, fields: dict[str, object]) -> OrderEvent:
    """Returns the event of an attempt's outcome; of one that was unsure, how it was resolved."""
    if attempt.resolved:
        code = EventCode.SETTLED_BOUGHT if attempt.provider_order else EventCode.SETTLED_NOT_BOUGHT
        return OrderEvent(at, code, fields)
    answer = attempt.answer
    if isinstance(answer, CallFault) and answer.code in NEVER_SENT:
        return OrderEvent(at, EventCode.NOT_SENT, fields)
    if isinstance(answer, str) and answer.startswith(_NOT_SENT):
        return OrderEvent(at, EventCode.NOT_SENT, fields | {"words": answer.removeprefix(_NOT_SENT)})
    if attempt.provider_order:
        return OrderEvent(at, EventCode.ACCEPTED, fields | {"cost": attempt.cost, "currency": attempt.currency})
    return OrderEvent(at, EventCode.DECLINED, fields)


class _Evidence(Struct, frozen=True):
    run: int
    number: int
    at: datetime
    kind: EvidenceKind
    conclusion: Conclusion
    provider: int | None
    provider_name: str | None
    detail: Mapping[str, Any]


_OF_OPERATOR: Final = {
    Conclusion.BOUGHT: EventCode.OPERATOR_SETTLED_BOUGHT,
    Conclusion.NOT_BOUGHT: EventCode.OPERATOR_SETTLED_NOT_BOUGHT,
    Conclusion.RISKED: EventCode.OPERATOR_RISKED,
    Conclusion.ENDED: EventCode.OPERATOR_ENDED,
}


async def _read_evidence(newest: _NewestRows) -> list[OrderEvent]:
    return [_describe_evidence(evidence) for evidence in await newest.read_as(_Evidence, _EVIDENCE)]


def _describe_evidence(evidence: _Evidence) -> OrderEvent:
    at, conclusion, detail = evidence.at, evidence.conclusion, evidence.detail
    fields: dict[str, object] = {"run": evidence.run, "attempt": evidence.number}
    fields |= {"provider": evidence.provider, "provider_name": evidence.provider_name}
    if evidence.kind is EvidenceKind.OPERATOR:
        state = {"state": DeliveryState(detail["state"])} if "state" in detail else {}
        return OrderEvent(at, _OF_OPERATOR[conclusion], fields | {**detail} | state)
    if conclusion is Conclusion.NO_NEIGHBOURS and "later" in detail:
        counts = {"earlier": detail["earlier"], "later": detail["later"]}
        return OrderEvent(at, EventCode.NEEDS_LATER_ORDERS, fields | {"needed": NEIGHBOURS} | counts)
    return OrderEvent(at, EventCode.LOOKED_INTO, fields | {"conclusion": conclusion} | _describe_search(detail))


def _describe_search(detail: Mapping[str, Any]) -> dict[str, object]:
    """Returns which of the provider's ids were asked about, and what it answered."""
    if not detail.get("asked"):
        return {"asked": None}
    low, high = detail["between"]
    statuses = (detail.get("ours") or {}).items()
    ours = tuple({"provider_order": number, "status": status} for number, status in statuses)
    bounds = {"low": low, "high": high}
    return {"asked": detail["asked"], "not_ours": detail["not_ours"], "words": detail["words"], "ours": ours} | bounds


class _Notice(Struct, frozen=True):
    run: int
    number: int
    at: datetime
    dealt_with: datetime | None
    conclusion: Conclusion
    provider: int | None
    provider_name: str | None
    quantity: int | None
    provider_order: str | None
    detail: Mapping[str, Any]


async def _read_notices(newest: _NewestRows) -> list[OrderEvent]:
    events = []
    for notice in await newest.read_as(_Notice, _NOTICES):
        fields: dict[str, object] = {"run": notice.run, "attempt": notice.number}
        fields |= {"provider": notice.provider, "provider_name": notice.provider_name}
        fields |= {"quantity": notice.quantity, "provider_order": notice.provider_order}
        events.append(OrderEvent(notice.at, EventCode(notice.conclusion), fields | {**notice.detail}))
        if notice.dealt_with is not None:
            events.append(OrderEvent(notice.dealt_with, EventCode.DEALT_WITH, fields))
    return events


class _Delivery(Struct, frozen=True):
    """A delivery. ``by_hand``: the operator ended it."""

    run: int
    state: DeliveryState
    quantity: int
    remains: int | None
    start_count: int | None
    due: datetime | None
    polled: datetime | None
    cancel_asked: datetime | None
    cancel_passed: datetime | None
    note: DeliveryNote | None
    noted: datetime | None
    by_hand: bool


async def _read_deliveries(newest: _NewestRows) -> list[OrderEvent]:
    deliveries = await newest.read_as(_Delivery, _DELIVERIES, decoders={"note": delivery_notes.decode})
    return [event for delivery in deliveries for event in _describe_delivery(delivery)]


def _describe_delivery(delivery: _Delivery) -> Iterator[OrderEvent]:
    run = {"run": delivery.run}
    if delivery.polled is not None:
        yield _describe_poll(delivery, delivery.polled)
    elif delivery.due is not None and (code := _next_step(delivery.state)) is not None:
        yield OrderEvent(delivery.due, code, run)
    if delivery.note is not None and delivery.noted is not None:
        yield OrderEvent(delivery.noted, delivery.note.code, {**run, **delivery.note.fields})
    if delivery.cancel_asked is not None:
        code = EventCode.CANCEL_ASKED if delivery.cancel_passed is None else EventCode.CANCEL_PASSED
        yield OrderEvent(delivery.cancel_passed or delivery.cancel_asked, code, run)


def _describe_poll(delivery: _Delivery, at: datetime) -> OrderEvent:
    fields: dict[str, object] = {"run": delivery.run, "quantity": delivery.quantity}
    # If the operator ended the run, its state and counts are the operator's, not the provider's answer.
    if not delivery.by_hand:
        remains = delivery.remains if delivery.quantity else None  # a subscription has no units
        fields |= {"state": delivery.state, "remains": remains, "start_count": delivery.start_count}
    return OrderEvent(at, EventCode.ASKED_AFTER, fields)


def _next_step(state: DeliveryState) -> EventCode | None:
    """Returns what is due next for a delivery that was never polled, or None if nothing is."""
    if state is DeliveryState.QUEUED:
        return EventCode.SEND_DUE
    if state is DeliveryState.UNSURE:
        return EventCode.LOOK_DUE
    return EventCode.POLL_DUE if state in ACCEPTED_STATES else None


_POST_CODES: Final = {
    PostState.UNTOLD: EventCode.POST_UNTOLD,
    PostState.UNPAID: EventCode.POST_UNPAID,
    PostState.MADE: EventCode.POST_MADE,
    PostState.TAKEN: EventCode.POST_TAKEN,
    PostState.LOST: EventCode.POST_LOST,
    PostState.BEYOND: EventCode.POST_BEYOND,
    PostState.EXPIRED: EventCode.POST_EXPIRED,
}


async def _read_posts(newest: _NewestRows) -> list[OrderEvent]:
    """Returns the posts of a subscription, or of an order that was made for a post, its subscription."""
    events = []
    for seen, provider_order, state, child, missing in await newest.read(_POSTS):
        fields = {"provider_order": provider_order, "order": child}
        events.append(OrderEvent(seen, _POST_CODES[PostState(state)], fields))
        if missing is not None:
            events.append(OrderEvent(missing, EventCode.POST_UNLISTED, fields))
    parents = await newest.read(_POST_OF)
    return events + [OrderEvent(seen, EventCode.MADE_FOR_POST, {"subscription": parent}) for seen, parent in parents]


async def _read_refills(newest: _NewestRows) -> list[OrderEvent]:
    events = []
    for refill, state, created, ended in await newest.read(_REFILLS):
        events.append(OrderEvent(created, EventCode.REFILL_ASKED, {"refill": refill}))
        if ended is not None:
            events.append(OrderEvent(ended, EventCode.REFILL_ENDED, {"refill": refill, "state": RefillStatus(state)}))
    for run, stored_note, noted in await newest.read(_REFILL_NOTES):
        if (note := delivery_notes.decode(stored_note)) is not None:
            events.append(OrderEvent(noted, note.code, {"run": run, **note.fields}))
    return events


_READERS: Final = (
    _read_transfers,
    _read_attempts,
    _read_evidence,
    _read_notices,
    _read_deliveries,
    _read_posts,
    _read_refills,
)
