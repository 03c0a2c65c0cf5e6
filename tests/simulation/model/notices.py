"""store.notices, on the model's rows."""

from collections.abc import Sequence
from datetime import datetime

from tests.simulation.model.connection import Connection
from tests.simulation.model.tables import EvidenceRow

from opensmm.base.ids import OrderId, order_key
from opensmm.domain.evidence import AttemptKey
from opensmm.store.notices import LateAcceptance, Notice


async def keep_late(connection: Connection, late: Sequence[LateAcceptance], now: datetime) -> list[AttemptKey]:
    store = connection.store
    keys: list[AttemptKey] = []
    for acceptance in late:
        attempt = store.attempts[acceptance.attempt]
        holder = store.provider_orders.get((attempt.provider, order_key(acceptance.provider_order)))
        exchanged = attempt.outcome == "accepted" and holder is not None
        before = [
            row
            for row in store.evidence_of.get(acceptance.attempt, ())
            if row.conclusion == "late_acceptance" and row.detail["provider_order"] == acceptance.provider_order
        ]
        if attempt.provider_order == acceptance.provider_order or exchanged or before:
            continue
        detail = {
            "provider_order": acceptance.provider_order,
            "answer": acceptance.answer,
            "settled_as": attempt.outcome,
            "held_by": holder and holder.order,
        }
        row = EvidenceRow(acceptance.attempt, attempt.provider, "answer", "late_acceptance", detail, now)
        store.insert(store.evidence, len(store.evidence) + 1, row)
        keys.append(acceptance.attempt)
    return keys


async def keep_of_ended(connection: Connection, notices: Sequence[Notice], now: datetime) -> None:
    store = connection.store
    for notice in notices:
        delivery = store.deliveries[notice.order, notice.run]
        attempt = store.newest_try(delivery)
        if attempt is not None and delivery.state in ("completed", "partial", "canceled"):
            key = OrderId(notice.order), notice.run, delivery.attempt
            row = EvidenceRow(key, attempt.provider, "answer", notice.conclusion.value, notice.detail, now)
            store.insert(store.evidence, len(store.evidence) + 1, row)
