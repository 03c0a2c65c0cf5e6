"""What happened to one order, for the operator's eyes: read from the rows that it left."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from opensmm.base.ids import OrderId
from opensmm.base.money import Money, five_decimals
from opensmm.domain.codes import NO_FIELDS, EventCode, Fields
from opensmm.domain.evidence import NEIGHBOURS, Conclusion, EvidenceKind
from opensmm.domain.posts import PostState
from opensmm.store import notes
from opensmm.store.connection import Connection


class Event(Struct, frozen=True):
    """A code and its fields, which ``texts`` puts into words. Older events bring their own words in ``what``."""

    at: datetime
    what: str = ""
    code: EventCode | None = None
    fields: Fields = NO_FIELDS


class Story(Struct, frozen=True):
    order: OrderId
    customer: int
    service: int
    link: str
    quantity: int
    runs: int
    charge: Money
    refunded: Money
    state: str
    events: tuple[Event, ...]


_ORDER: Final = """
select id, customer_id, service_id, link, quantity, runs, charge, refunded, state, created, ended
from orders where id = %s
"""
_MONEY: Final = """
select created, kind, amount, sequence from transfer where order_id = %s order by id
"""
_ATTEMPTS: Final = """
select t.run, t.number, p.name, t.provider_service, t.outcome, t.provider_order, t.sent, t.answered, t.answer,
       t.cost::text, t.currency,
       exists (select from evidence e where e.order_id = t.order_id and e.run = t.run and e.number = t.number
         and e.conclusion = any(%s)) as settled
from attempt t left join provider p on p.id = t.provider_id where t.order_id = %s order by t.run, t.number
"""
_DELIVERIES: Final = """
select run, state, quantity, remains, start_count, due, polled, cancel_asked, cancel_passed, note, noted
from delivery where order_id = %s order by run
"""
_EVIDENCE: Final = """
select run, number, at, kind, conclusion, detail from evidence where order_id = %s and kind <> 'answer' order by id
"""
_NOTICES: Final = """
select e.run, e.number, e.at, e.dealt_with, e.conclusion, p.name, d.quantity, t.provider_order, e.detail
from evidence e
left join delivery d on d.order_id = e.order_id and d.run = e.run
left join attempt t on t.order_id = e.order_id and t.run = e.run and t.number = e.number
left join provider p on p.id = e.provider_id
where e.order_id = %s and e.kind = 'answer' order by e.id
"""
_POSTS: Final = """
select seen, provider_order, state, child_id, missing from post where order_id = %s order by seen, provider_order
"""
_POST_OF: Final = "select seen, order_id from post where child_id = %s"
_REFILLS: Final = "select id, state, created, ended from refill where order_id = %s order by id"


_SETTLING: Final = (Conclusion.BOUGHT, Conclusion.NOT_BOUGHT, Conclusion.RISKED)
"""What is concluded of tries that were unsure."""
_NOT_SENT: Final = "not sent: "


async def story(connection: Connection, order: OrderId) -> Story | None:
    """The order's events in the order they happened; None where there is no such order."""
    cursor = await connection.execute(_ORDER, [order])
    row = await cursor.fetchone()
    if row is None:
        return None
    events = [Event(row[9], f"placed: service {row[2]}, {row[4]} × {row[5]}, for {five_decimals(row[6])}")]
    if row[10] is not None:
        events.append(Event(row[10], f"ended: {row[8]}"))
    for read in (_money, _attempts, _evidence, _notices, _deliveries, _posts, _refills):
        events += await read(connection, order)
    events.sort(key=lambda event: event.at)
    return Story(*(*row[:9], tuple(events)))


async def _money(connection: Connection, order: OrderId) -> list[Event]:
    cursor = await connection.execute(_MONEY, [order])
    return [
        Event(at, f"money: {kind} {five_decimals(amount)}" + (f" (run {run})" if run else ""))
        for at, kind, amount, run in await cursor.fetchall()
    ]


async def _attempts(connection: Connection, order: OrderId) -> list[Event]:
    cursor = await connection.execute(_ATTEMPTS, [[one.value for one in _SETTLING], order])
    events = []
    for run, number, name, service, outcome, theirs, sent, answered, said, *paid, settled in await cursor.fetchall():
        events.append(Event(sent, f"sent: run {run}, try {number}, to {name} as their service {service}"))
        fields = {"run": run, "attempt": number, "provider_order": theirs, "words": said or ""}
        if outcome == "unsure" or settled:
            heard = sent if settled or answered is None else answered
            events.append(Event(heard, code=EventCode.UNSURE, fields=fields))
        if answered is not None and outcome != "unsure":
            events.append(_answered(answered, outcome, fields, *paid, settled=settled))
    return events


def _answered(
    at: datetime, outcome: str, fields: dict[str, Any], cost: str | None, currency: str | None, *, settled: bool
) -> Event:
    """What became of a try; of one that was unsure, how it was settled: its answer was told before."""
    words, theirs = fields["words"], fields["provider_order"]
    if settled:
        return Event(at, code=EventCode.SETTLED_BOUGHT if theirs else EventCode.SETTLED_NOT_BOUGHT, fields=fields)
    if words.startswith(_NOT_SENT):
        return Event(at, code=EventCode.NOT_SENT, fields=fields | {"words": words.removeprefix(_NOT_SENT)})
    told = f"their order {theirs}" if theirs else words
    paid = f", cost {cost} {currency}" if cost else ""
    return Event(at, f"answered: run {fields['run']}, try {fields['attempt']}, {outcome}: {told}{paid}")


async def _evidence(connection: Connection, order: OrderId) -> list[Event]:
    cursor = await connection.execute(_EVIDENCE, [order])
    return [_evident(*row) for row in await cursor.fetchall()]


def _evident(run: int, number: int, at: datetime, kind: str, conclusion: str, detail: Mapping[str, object]) -> Event:
    if conclusion == Conclusion.NO_NEIGHBOURS and "later" in detail:
        fields = {"run": run, "attempt": number, "needed": NEIGHBOURS}
        counts = {"earlier": detail["earlier"], "later": detail["later"]}
        return Event(at, code=EventCode.NEEDS_LATER_ORDERS, fields=fields | counts)
    return Event(at, f"evidence: run {run}, try {number}, {conclusion.replace('_', ' ')}: {_told(kind, detail)}")


async def _notices(connection: Connection, order: OrderId) -> list[Event]:
    cursor = await connection.execute(_NOTICES, [order])
    events = []
    for run, number, at, dealt_with, conclusion, provider, quantity, theirs, detail in await cursor.fetchall():
        fields = {"run": run, "attempt": number, "provider": provider, "quantity": quantity, "provider_order": theirs}
        events.append(Event(at, code=EventCode(conclusion), fields=fields | detail))
        if dealt_with is not None:
            events.append(Event(dealt_with, code=EventCode.DEALT_WITH, fields=fields))
    return events


def _told(kind: str, detail: Mapping[str, object]) -> str:
    """What was asked and said, on one line."""
    if kind == EvidenceKind.OPERATOR:
        return ", ".join(f"{name} {value}" for name, value in detail.items() if value)
    low, high = _pair(detail.get("between"))
    if not detail.get("asked"):
        return f"no ids asked for between {low} and {high}"
    ours = detail.get("ours")
    found = ", ".join(f"{number} {word}" for number, word in ours.items()) if isinstance(ours, dict) else ""
    words = f" ({detail['words']!r})" if detail.get("words") else ""
    asked = f"asked for {detail['asked']} ids between {low} and {high}"
    return f"{asked}: {detail.get('not_ours')} not ours{words}, ours: {found or 'none'}"


def _pair(between: object) -> tuple[object, object]:
    low, high = between if isinstance(between, list) and len(between) == 2 else (None, None)
    return low, "what is still to come" if high is None else high


async def _deliveries(connection: Connection, order: OrderId) -> list[Event]:
    cursor = await connection.execute(_DELIVERIES, [order])
    events = []
    for run, state, quantity, remains, start, due, polled, asked, passed, note, noted in await cursor.fetchall():
        counted = "" if start is None else f", start count {start}"
        # Before the first news nothing is known of what remains.
        left = "" if remains is None else f", {remains} of {quantity} remain"
        if polled is not None:
            events.append(Event(polled, f"asked: run {run} is {state}{left}{counted}"))
        elif due is not None:
            what = "to be looked into" if state == "unsure" else "due"
            events.append(Event(due, f"{what}: run {run}, {state}"))
        if (why := notes.read(note)) is not None:
            events.append(Event(noted, code=why.code, fields=why.fields))
        if asked is not None:
            told = "passed on to the provider" if passed is not None else "asked for"
            events.append(Event(passed or asked, f"cancel: run {run}, {told}"))
    return events


_POST_WORDS: Final = {
    PostState.UNTOLD: "its provider has yet to tell how much it is for",
    PostState.UNPAID: "its customer lacks the funds",
    PostState.TAKEN: "refused: another order bears that id already",
    PostState.LOST: "given up: it could not be charged in time",
}


_NOT_DUE: Final = {PostState.BEYOND: EventCode.POST_BEYOND, PostState.EXPIRED: EventCode.POST_EXPIRED}


def _post(seen: datetime, theirs: str, state: PostState, child: int | None) -> Event:
    if state in _NOT_DUE:
        return Event(seen, code=_NOT_DUE[state], fields={"provider_order": theirs})
    became = f"order {child}" if child else _POST_WORDS[state]
    return Event(seen, f"post: their order {theirs}, {became}")


async def _posts(connection: Connection, order: OrderId) -> list[Event]:
    """Of a subscription the orders of its posts; of such an order its subscription."""
    cursor = await connection.execute(_POSTS, [order])
    events = []
    for seen, theirs, state, child, missing in await cursor.fetchall():
        events.append(_post(seen, theirs, PostState(state), child))
        if missing is not None:
            events.append(Event(missing, f"post: their order {theirs} is listed no longer"))
    cursor = await connection.execute(_POST_OF, [order])
    return events + [
        Event(seen, f"made for a post of subscription {parent}") for seen, parent in await cursor.fetchall()
    ]


async def _refills(connection: Connection, order: OrderId) -> list[Event]:
    cursor = await connection.execute(_REFILLS, [order])
    events = []
    for refill, state, created, ended in await cursor.fetchall():
        events.append(Event(created, f"refill {refill}: asked for"))
        if ended is not None:
            events.append(Event(ended, f"refill {refill}: {state}"))
    return events
