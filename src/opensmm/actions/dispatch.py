"""Handing deliveries to providers: *sending* is committed before the first byte leaves, the call is outside of any
transaction, and what it came to is recorded with whatever else came back at that moment."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import psycopg
import structlog

from opensmm.actions import endings
from opensmm.actions.lane import Lane, Rejected
from opensmm.actions.placing import Clock, utc_now
from opensmm.actions.writing import write
from opensmm.base.faults import Unavailable
from opensmm.base.ids import ServiceId
from opensmm.domain import dripfeed
from opensmm.domain.asks import Add
from opensmm.domain.dispatch import (
    Accepted,
    AttemptOutcome,
    Declined,
    DeliveryState,
    NotSent,
    SendOutcome,
    Unsure,
    after_sending,
    retry_after_s,
)
from opensmm.domain.endings import RunEnd
from opensmm.providers.desk import Contact, Desk
from opensmm.store import dispatch as rows
from opensmm.store.connection import Connection, Line
from opensmm.store.dispatch import Claim, Recorded

LEASE_MARGIN_S: Final = 10.0
"""A lease outlasts the longest call by this much."""
RECORD_WITHIN_S: Final = 60.0
RECORD_AGAIN_S: Final = 0.5
FIRST_POLL_S: Final = 1.0

Sent = tuple[Claim, SendOutcome]
log = structlog.get_logger()


class Dispatching:
    """Claims what is due, sends it and records what came of it."""

    def __init__(self, claims: Line, records: Line, desk: Desk, timeout_s: float, clock: Clock = utc_now) -> None:
        self._claims = claims
        self._desk = desk
        self._lease = timedelta(seconds=timeout_s + LEASE_MARGIN_S)
        self._clock = clock
        self._recording: Lane[Sent, None] = Lane(lambda batch: self._record(records, batch))

    async def step(self, limit: int) -> list[asyncio.Task[None]]:
        """Claims up to ``limit`` deliveries; the tasks returned send them, one each, and end when recorded."""
        now = self._clock()
        claimed = await write(self._claims, lambda connection: self._claim(connection, now, limit))
        return [asyncio.create_task(self._send(claim)) for claim in claimed]

    async def _claim(self, connection: Connection, now: datetime, limit: int) -> list[Claim]:
        begin_by = now + timedelta(seconds=LEASE_MARGIN_S)
        claimed = await rows.claim(connection, now, begin_by, now + self._lease, limit)
        next_runs = [
            (claim.order, claim.run + 1, dripfeed.next_due(claim.due, now, claim.interval_min))
            for claim in claimed
            if claim.run < claim.runs
        ]
        await rows.release(connection, next_runs)
        return claimed

    async def _send(self, claim: Claim) -> None:
        contact = self._desk.contact(claim.provider)
        if contact is None:
            outcome: SendOutcome = NotSent("not sent: no client for this provider")
        else:
            async with contact.slots:
                # One that waited long for its turn could be sent after its lease, when it counts as unsure already.
                late = self._clock() >= claim.begin_by
                outcome = NotSent("not sent in time") if late else await contact.provider.add(_ask(claim))
        await self._keep(claim, outcome)

    async def _keep(self, claim: Claim, outcome: SendOutcome) -> None:
        """Records an outcome, again and again while the database is away: nobody else knows what was answered."""
        until = time.monotonic() + RECORD_WITHIN_S
        while True:
            try:
                return await self._recording.ask((claim, outcome), claim.provider)
            except Unavailable as error:
                if time.monotonic() >= until:
                    # The delivery has become unsure by now: what the provider said stands in the log.
                    said = {"order": claim.order, "run": claim.run, "outcome": str(outcome), "error": str(error)}
                    log.error("an answer could not be recorded", **said)
                    return None
            await asyncio.sleep(RECORD_AGAIN_S)

    async def _record(self, line: Line, batch: Sequence[Sent]) -> Sequence[None]:
        try:
            await write(line, lambda connection: record(connection, batch, self._desk, self._clock()))
        except Rejected as error:
            if len(batch) > 1 or not isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise
            # Their order id is another order's already; whose it is must be looked into.
            claim, outcome = batch[0]
            doubtful = (claim, Unsure(f"{outcome} could not be recorded: {error}"))
            await write(line, lambda connection: record(connection, [doubtful], self._desk, self._clock()))
        return [None] * len(batch)


def _ask(claim: Claim) -> Add:
    service = int(claim.provider_service) if claim.provider_service.isdigit() else None
    return Add(ServiceId(service) if service else None, claim.link, claim.quantity, details=claim.details)


async def record(connection: Connection, batch: Sequence[Sent], desk: Desk, now: datetime) -> None:
    """Writes outcomes inside the caller's transaction; what was turned down everywhere gives its money back."""
    told = [_recorded(claim, outcome, desk, now) for claim, outcome in batch]
    await endings.lock(connection, [one.order for one in told if one.state in _MAY_END])
    changed = await rows.record(connection, told, now)
    ends = [RunEnd(order, run, quantity) for order, run, quantity, state in changed if state == "canceled"]
    await endings.end(connection, ends, now)
    requeued = [(claim.order, claim.run + 1, None) for claim, outcome in batch if isinstance(outcome, NotSent)]
    await rows.release(connection, requeued)
    await _look_after_providers(connection, batch, desk, now)


async def _look_after_providers(connection: Connection, batch: Sequence[Sent], desk: Desk, now: datetime) -> None:
    answered = {claim.provider for claim, outcome in batch if isinstance(outcome, Accepted | Declined)}
    await rows.is_well(connection, sorted(answered))
    for provider in {claim.provider for claim, outcome in batch if isinstance(outcome, NotSent)} - answered:
        await rows.rest(connection, provider, now + _pause(desk.contact(provider)))


def _pause(contact: Contact | None) -> timedelta:
    return timedelta(seconds=retry_after_s((contact.row.failures if contact else 0) + 1))


_MAY_END: Final = (DeliveryState.CANCELED, DeliveryState.QUEUED)
"""What is queued again ends where it was asked to be cancelled while it was being sent."""
_OUTCOMES: Final[dict[type[SendOutcome], AttemptOutcome]] = {
    Accepted: AttemptOutcome.ACCEPTED,
    Declined: AttemptOutcome.DECLINED,
    NotSent: AttemptOutcome.DECLINED,
    Unsure: AttemptOutcome.UNSURE,
}


def _recorded(claim: Claim, outcome: SendOutcome, desk: Desk, now: datetime) -> Recorded:
    verdict = after_sending(
        outcome, routes_left=claim.route + 1 < claim.routes, hold_when_refused=claim.hold_when_refused
    )
    due: datetime | None = None
    if verdict.later:
        due = now + _pause(desk.contact(claim.provider))
    elif verdict.next_route:
        due = now
    elif verdict.state is DeliveryState.PENDING:
        due = now + timedelta(seconds=FIRST_POLL_S)
    return Recorded(
        order=claim.order,
        run=claim.run,
        attempt=claim.attempt,
        fence=claim.fence,
        state=verdict.state,
        route=claim.route + 1 if verdict.next_route else claim.route,
        due=due,
        outcome=_OUTCOMES[type(outcome)],
        provider_order=outcome.provider_order if isinstance(outcome, Accepted) else None,
        answer=outcome.answer,
    )
