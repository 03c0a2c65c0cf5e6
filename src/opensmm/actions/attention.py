"""The operator's list: deliveries, refills and notices that wait for a person's decision."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.evidence import LATE_NOTICES, ODD_NOTICES
from opensmm.store.connection import Connection
from opensmm.store.notices import OpenNotice, open_notices
from opensmm.store.order_actions import WaitingDelivery, list_waiting_deliveries
from opensmm.store.refill_tasks import UnreadRefillRow, list_unread

KINDS: Final = ("unsure", "held", "stuck", "unread", "waits", "late", "odd")
MAX_LISTED: Final = 10_000
"""Entries that are read at once, at most."""


async def list_waiting(
    connection: Connection, kinds: Collection[str], limit: int, now: datetime
) -> list[WaitingDelivery]:
    """Reads waiting deliveries, then refills with answers that are not understood, then notices: at most ``limit``.

    ``kinds`` are some of ``KINDS``; all of them if it is empty. An entry's note has what the panel itself knows of it.
    """
    chosen = frozenset(kinds or KINDS)
    entries = [_explain(delivery) for delivery in await list_waiting_deliveries(connection, chosen, now, limit)]
    if "unread" in chosen and len(entries) < limit:
        entries += [_build_refill_entry(refill) for refill in await list_unread(connection, limit - len(entries))]
    for kind, conclusions in (("late", LATE_NOTICES), ("odd", ODD_NOTICES)):
        if kind in chosen and len(entries) < limit:
            notices = await open_notices(connection, conclusions, limit - len(entries))
            entries += [_build_notice_entry(kind, notice) for notice in notices]
    return entries


def _explain(delivery: WaitingDelivery) -> WaitingDelivery:
    """Adds a note to a delivery that is held without any provider's answer: no provider sells at its price."""
    if delivery.state != DeliveryState.HELD or delivery.answer is not None or delivery.note is not None:
        return delivery
    return replace(delivery, note=DeliveryNote(EventCode.NO_PROVIDER_AT_PRICE))


def _build_refill_entry(refill: UnreadRefillRow) -> WaitingDelivery:
    return replace(_build_entry("unread", refill, refill.noted), note=refill.note, noted=refill.noted)


def _build_notice_entry(kind: str, notice: OpenNotice) -> WaitingDelivery:
    fields: dict[str, object] = {"run": notice.run, "attempt": notice.number, "quantity": notice.quantity}
    fields |= {
        "provider": notice.provider,
        "provider_name": notice.provider_name,
        "provider_order": notice.provider_order,
    }
    note = DeliveryNote(EventCode(notice.conclusion), fields | dict(notice.detail))
    return replace(_build_entry(kind, notice, notice.at), note=note, concluded=notice.conclusion)


def _build_entry(kind: str, thing: UnreadRefillRow | OpenNotice, since: datetime) -> WaitingDelivery:
    """Builds an entry with the fields that all entries have."""
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
