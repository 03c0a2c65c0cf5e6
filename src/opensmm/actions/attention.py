"""The operator's list: what waits for a decision of a person."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.evidence import LATE, ODD
from opensmm.store.connection import Connection
from opensmm.store.notices import OpenNotice, open_notices
from opensmm.store.order_actions import WaitingDelivery, waiting
from opensmm.store.refill_tasks import UnreadRefillRow, unread

KINDS: Final = ("unsure", "held", "stuck", "unread", "waits", "late", "odd")
MAX_LISTED: Final = 10_000
"""The longest list that is read at once."""


async def list_waiting(
    connection: Connection, kinds: Collection[str], limit: int, now: datetime
) -> list[WaitingDelivery]:
    """Reads deliveries that wait, refills whose answers are not understood, then notices: ``limit`` lines at most.

    ``kinds`` are some of ``KINDS``; all of them where none is named. What the panel itself knows of a line is its note.
    """
    wanted = frozenset(kinds or KINDS)
    lines = [_explained(delivery) for delivery in await waiting(connection, wanted, now, limit)]
    if "unread" in wanted and len(lines) < limit:
        lines += [_of_refill(refill) for refill in await unread(connection, limit - len(lines))]
    for kind, conclusions in (("late", LATE), ("odd", ODD)):
        if kind in wanted and len(lines) < limit:
            notices = await open_notices(connection, conclusions, limit - len(lines))
            lines += [_of_notice(kind, notice) for notice in notices]
    return lines


def _explained(delivery: WaitingDelivery) -> WaitingDelivery:
    """Notes of a delivery that is held without a word of any provider that no provider may be asked."""
    if delivery.state != DeliveryState.HELD or delivery.answer is not None or delivery.note is not None:
        return delivery
    return replace(delivery, note=DeliveryNote(EventCode.NO_PROVIDER_AT_PRICE))


def _of_refill(refill: UnreadRefillRow) -> WaitingDelivery:
    return replace(_line("unread", refill, refill.noted), note=refill.note, noted=refill.noted)


def _of_notice(kind: str, notice: OpenNotice) -> WaitingDelivery:
    fields: dict[str, object] = {"run": notice.run, "attempt": notice.number, "quantity": notice.quantity}
    fields |= {
        "provider": notice.provider,
        "provider_name": notice.provider_name,
        "provider_order": notice.provider_order,
    }
    note = DeliveryNote(EventCode(notice.conclusion), fields | dict(notice.detail))
    return replace(_line(kind, notice, notice.at), note=note, concluded=notice.conclusion)


def _line(kind: str, thing: UnreadRefillRow | OpenNotice, since: datetime) -> WaitingDelivery:
    """The fields that every line of the list has, whatever it is there for."""
    return WaitingDelivery(
        order=thing.order,
        run=thing.run,
        why=kind,
        state=thing.state,
        service=thing.service,
        quantity=thing.quantity,
        remains=thing.remains,
        provider=thing.provider,
        provider_name=thing.provider_name,
        provider_order=thing.provider_order,
        since=since,
        answer=None,
        concluded=None,
    )
