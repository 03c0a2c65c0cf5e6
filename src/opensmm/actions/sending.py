"""Handing deliveries to providers: *sending* is committed before the first byte leaves, the call is outside of any
transaction, and what it came to is recorded with whatever else came back at that moment."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid4

import psycopg
import structlog
from msgspec import Struct, structs

from opensmm.actions import commit_recovery, settlement
from opensmm.actions.batcher import Batcher
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.freed_providers import FreedProviders
from opensmm.actions.transactions import StatementRejected, read, write
from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Unavailable
from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain import dripfeed
from opensmm.domain.call_faults import CallCode, CallFault, shortened
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.dispatch import (
    TURNED_AWAY_STEPS_S,
    Accepted,
    AttemptOutcome,
    Declined,
    DeliveryState,
    NotSent,
    SendOutcome,
    TurnedAway,
    Unsure,
    after_sending,
    note_of,
    rest_s,
    rest_when_turned_away,
    retry_after_s,
)
from opensmm.domain.providers import MANUAL
from opensmm.domain.requests import AddOrder
from opensmm.domain.settlement import EndedRun
from opensmm.providers.client import CALL
from opensmm.providers.registry import ProviderConnection, ProviderRegistry
from opensmm.store import dispatch as rows
from opensmm.store import notices, providers
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.dispatch import AttemptResult, DeliveryClaim
from opensmm.store.notices import LateAcceptance
from opensmm.store.providers import ProviderFailure

LEASE_MARGIN_S: Final = 10.0
"""A lease outlasts the longest call by this much."""
RECORD_WITHIN_S: Final = 3600.0
"""How long an outcome is kept for a database that is away; a worker that is told to stop waits for less."""
RECORD_AGAIN_S: Final = 0.5
FIRST_POLL_S: Final = 1.0
FIRST_AMONG: Final = 5
"""Times as many as are wanted are looked through first, the oldest; all that is due only where these are not enough."""
AMONG_AT_ONCE: Final = 1000
"""No more, the oldest, are looked through for providers that were just freed: soon all that is due is looked at."""
MAX_FAULT: Final = 300
LATE: Final = NotSent(CallFault(CallCode.NO_TURN))
"""Its turn came too late, which says nothing of the provider."""
UNWATCHED: Final = Declined(CallFault(CallCode.SUBSCRIPTION_TO_STAFF))
TOLD: Final = 500
"""Characters of a provider's answer in the log; the whole of it stands with the attempt."""

Sent = tuple[DeliveryClaim, SendOutcome]
Take = Callable[[Connection, UUID], Awaitable[list[DeliveryClaim]]]
"""Claims some of what is due, leaving a batch's row."""
SENT: Final[Counter[tuple[str, type[SendOutcome]]]] = Counter()
"""Tries of this process, by provider and what they came to."""
log = structlog.get_logger()


def lease(timeout_s: float) -> timedelta:
    """How long a delivery is a worker's alone, whose calls take so long at most."""
    return timedelta(seconds=timeout_s + LEASE_MARGIN_S)


class UnansweredClaim(Struct, frozen=True):
    """What a claim took, from before its COMMIT is sent until its answer has come."""

    mark: UUID
    begin_by: float
    claims: Sequence[DeliveryClaim]


class DeliverySender:
    """Claims what is due, sends it and records what came of it."""

    def __init__(
        self,
        claims: ReconnectingConnection,
        records: ReconnectingConnection,
        registry: ProviderRegistry,
        timeout_s: float,
        clock: DatabaseClock,
    ) -> None:
        self._claims = claims
        self._registry = registry
        self._lease = lease(timeout_s)
        self._clock = clock
        self._in_flight: set[tuple[OrderId, int, int]] = set()
        self._doubt: UnansweredClaim | None = None
        self.freed = FreedProviders()
        self.looked_s = 0.0
        """How long the last look at what is due took the database."""
        self._recording: Batcher[Sent, None] = Batcher(
            lambda batch: self._record(records, batch), name="record", turn_within_s=math.inf
        )

    async def step(self, limit: int) -> list[asyncio.Task[None]]:
        """Claims up to ``limit`` deliveries; the tasks returned send them, one each, and end when recorded."""
        return await self._step(lambda connection, mark: self._take(connection, self._clock(), limit, mark))

    async def step_at(self, freed: Set[ProviderId]) -> list[asyncio.Task[None]]:
        """The same for providers that were just freed, in one short look."""
        rooms = {provider: room for provider, room in self._registry.rooms().items() if provider in freed and room}
        if not rooms:
            return []
        return await self._step(lambda connection, mark: self._take_at(connection, rooms, mark))

    async def _step(self, take: Take) -> list[asyncio.Task[None]]:
        if self._doubt is not None:
            return await self._settle()
        begin_by, mark = self._clock.monotonic() + LEASE_MARGIN_S, uuid4()
        try:
            await write(self._claims, lambda connection: self._claim(connection, take, mark, begin_by))
        except StatementRejected:
            self._forget_doubt()
            raise
        except Unavailable:
            return await self._settle()
        return self._send_all()

    async def finish(self) -> list[asyncio.Task[None]]:
        """Settles a claim that was given up in its COMMIT; the tasks returned record what it took as not sent."""
        return [] if self._doubt is None else await self._settle()

    def in_flight(self) -> list[tuple[OrderId, int, int]]:
        """What was claimed here and is not recorded yet, by order, run and fence: whatever a clock says, it is not
        left behind."""
        return list(self._in_flight)

    async def is_due(self) -> bool:
        """Whether a step might claim anything."""
        if self._doubt is not None:
            return True
        began = time.monotonic()
        found = await read(self._claims, lambda connection: rows.is_due(connection, self._clock()))
        self.looked_s = time.monotonic() - began
        return found

    async def _settle(self) -> list[asyncio.Task[None]]:
        """Sends what a claim took whose COMMIT went unanswered, once it is certain that it was kept.

        Until then nothing else is claimed. Raises Unavailable where the database does not tell, or nothing was taken.
        """
        doubt = self._doubt
        if doubt is None:
            raise Unavailable(OutageCode.CLAIM_INTERRUPTED)
        async with self._claims.turn:
            kept = await commit_recovery.recover(self._claims, doubt.mark, self._clock.stamp())
        log.warning("a claim's COMMIT went unanswered", kept=kept is not None, count=len(doubt.claims))
        if kept is None:
            self._forget_doubt()
            return []
        return self._send_all()

    def _send_all(self) -> list[asyncio.Task[None]]:
        """Begins to send what the last claim took, which is kept for certain."""
        doubt, self._doubt = self._doubt, None
        if doubt is None:
            return []
        return [asyncio.create_task(self._see_through(claim, doubt.begin_by)) for claim in doubt.claims]

    def _forget_doubt(self) -> None:
        """Nothing of the last claim was kept."""
        doubt, self._doubt = self._doubt, None
        self._in_flight.difference_update(map(_fenced, doubt.claims if doubt is not None else ()))

    def stop(self) -> None:
        """Begins no more calls: what waits for its turn is recorded as not sent, and goes out from another worker."""
        self.freed.stop()
        self._registry.let_all_through()

    async def _claim(self, connection: Connection, take: Take, mark: UUID, begin_by: float) -> None:
        began = time.monotonic()
        claimed = await take(connection, mark)
        self.looked_s = time.monotonic() - began
        next_runs = [
            (claim.order, claim.run + 1, dripfeed.next_due(claim.due, claim.sent, claim.interval_min))
            for claim in claimed
            if claim.run < claim.runs
        ]
        await rows.release(connection, next_runs)
        if claimed:
            self._doubt = UnansweredClaim(mark, begin_by, claimed)
            self._in_flight.update(map(_fenced, claimed))

    async def _take(self, connection: Connection, now: datetime, limit: int, mark: UUID) -> list[DeliveryClaim]:
        """What is due, and no more of any provider than it has room for: a slow one keeps nobody else waiting."""
        at, lasts = self._clock.stamp(), self._lease
        rooms = self._registry.rooms()
        if len(rooms) == 1:
            limit = min(limit, *rooms.values())
        to_try = await providers.half_open(connection, [provider for provider, room in rooms.items() if room], now)
        if not to_try and self._registry.complete and all(room >= limit for room in rooms.values()):
            return await rows.claim(connection, now, at, lasts, limit, list(rooms), mark)
        claimed: list[DeliveryClaim] = []
        for among in (FIRST_AMONG * limit, None):
            taken = Counter(claim.provider for claim in claimed)
            left = {provider: room - taken[provider] for provider, room in rooms.items()}
            untried = [provider for provider in to_try if not taken[provider]]
            fresh = None if claimed else mark
            claimed += await rows.claim_at_each(
                connection, now, at, lasts, limit - len(claimed), left, untried, among, fresh
            )
            if len(claimed) == limit:
                break
        tried = {claim.provider for claim in claimed}.intersection(to_try)
        await providers.tried(connection, sorted(tried), now + lasts)
        return claimed

    async def _take_at(
        self, connection: Connection, rooms: Mapping[ProviderId, int], mark: UUID
    ) -> list[DeliveryClaim]:
        now, at, limit = self._clock(), self._clock.stamp(), sum(rooms.values())
        return await rows.claim_at_each(connection, now, at, self._lease, limit, rooms, among=AMONG_AT_ONCE, mark=mark)

    async def _see_through(self, claim: DeliveryClaim, begin_by: float) -> None:
        try:
            await self._send(claim, begin_by)
        finally:
            self._in_flight.discard(_fenced(claim))
            contact = self._registry.contact(claim.provider)
            if contact is not None and contact.row.adds_at_a_time:
                self.freed.add(claim.provider)

    async def _send(self, claim: DeliveryClaim, begin_by: float) -> None:
        """``begin_by`` is of a clock of this process's own: a call begun later could outlast the lease."""
        CALL.set(_call(claim))  # a delivery has a task of its own
        contact = self._registry.contact(claim.provider)
        if contact is None:
            outcome: SendOutcome = NotSent(CallFault(CallCode.NO_CLIENT))
        else:
            async with contact.throttle:
                # One that waited long for its turn could be sent after its lease, when it counts as unsure already.
                late = contact.throttle.over or self._clock.monotonic() >= begin_by
                outcome = LATE if late else await _add(contact, claim)
        _tell(claim, contact, outcome)
        await self._keep(claim, outcome)

    async def _keep(self, claim: DeliveryClaim, outcome: SendOutcome) -> None:
        """Records an outcome, again and again while the database is away: nobody else knows what was answered."""
        until = time.monotonic() + RECORD_WITHIN_S
        while True:
            try:
                return await self._recording.submit((claim, outcome), claim.provider)
            except Unavailable as error:
                if time.monotonic() >= until:
                    # The delivery has become unsure by now: what the provider said stands in the log.
                    told = {**_named(claim), "outcome": str(outcome), "error": str(error)}
                    log.error("an answer could not be recorded", **told)
                    return None
            await asyncio.sleep(RECORD_AGAIN_S)

    async def _record(self, line: ReconnectingConnection, batch: Sequence[Sent]) -> Sequence[None]:
        try:
            await write(line, lambda connection: record(connection, batch, self._registry, self._clock))
        except StatementRejected as error:
            if len(batch) > 1 or not isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise
            # Their order id is another order's already; whose it is must be looked into.
            claim, outcome = batch[0]
            given = outcome.provider_order if isinstance(outcome, Accepted) else ""
            doubtful = (claim, Unsure(outcome.answer, given))
            await write(line, lambda connection: record(connection, [doubtful], self._registry, self._clock))
        return [None] * len(batch)


def _fenced(claim: DeliveryClaim) -> tuple[OrderId, int, int]:
    return claim.order, claim.run, claim.fence


def _call(claim: DeliveryClaim) -> str:
    """The name of a try: the provider's log and ours can be laid side by side."""
    return f"{claim.order}-{claim.run}-{claim.attempt}"


def _named(claim: DeliveryClaim) -> dict[str, object]:
    """What every line of the log says of a try."""
    return {"order": claim.order, "run": claim.run, "attempt": claim.attempt, "provider": claim.provider}


def _tell(claim: DeliveryClaim, contact: ProviderConnection | None, outcome: SendOutcome) -> None:
    SENT[(contact.row.name if contact else "", type(outcome))] += 1
    match outcome:
        case Accepted():
            log.debug("accepted", **_named(claim), provider_order=outcome.provider_order)
        case Declined():
            log.info("declined", **_named(claim), answer=str(outcome.answer)[:TOLD], sparse=claim.provider)
        case NotSent() | TurnedAway():
            log.info("not sent", **_named(claim), answer=str(outcome.answer)[:TOLD], sparse=claim.provider)
        case Unsure():
            log.warning(
                "unsure whether the provider took it",
                **_named(claim),
                answer=str(outcome.answer)[:TOLD],
                sparse=claim.provider,
            )


def _ask(claim: DeliveryClaim) -> AddOrder:
    """What is bought, under a name that no other try bears, not even one of a book restored from a backup."""
    subscribes = claim.service_type is ServiceType.SUBSCRIPTIONS
    return AddOrder(
        None,
        "" if subscribes else claim.link,
        None if subscribes else claim.quantity,
        details=claim.details,
        idempotency_key=f"{_call(claim)}-{_spelled(claim.sent)}",
        their_service=claim.provider_service,
    )


@lru_cache(maxsize=8)
def _spelled(sent: datetime) -> str:
    """What was claimed together has one such time."""
    return f"{sent:%Y%m%d%H%M%S%f}"


def _ask_at(contact: ProviderConnection, claim: DeliveryClaim) -> AddOrder:
    """The staff knows a delivery by our own name of it, and needs it with the ask."""
    if not _is_staff(contact):
        return _ask(claim)
    name = str(claim.order) if claim.runs == 1 else f"{claim.order}-{claim.run}"
    return structs.replace(_ask(claim), idempotency_key=name)


async def _add(contact: ProviderConnection, claim: DeliveryClaim) -> SendOutcome:
    if _is_staff(contact) and claim.service_type is ServiceType.SUBSCRIPTIONS:
        return UNWATCHED
    return await contact.provider.add(_ask_at(contact, claim))


def _is_staff(contact: ProviderConnection | None) -> bool:
    """The staff is not asked how it fares: it says so itself."""
    return contact is not None and contact.row.kind == MANUAL


async def record(
    connection: Connection, batch: Sequence[Sent], registry: ProviderRegistry, clock: DatabaseClock
) -> None:
    """Writes outcomes inside the caller's transaction; what was turned down everywhere gives its money back."""
    now = clock()
    told = [_recorded(claim, outcome, registry, now) for claim, outcome in batch]
    changed = await record_tries(connection, told, now, clock.stamp())
    await _keep_late(connection, batch, set(changed), now)
    # Only where this result counted: after a claim by another worker the next run has its time from that one. A late
    # result may stand in the same batch as the one that counts, which has the greater fence.
    newest = {(claim.order, claim.run): outcome for claim, outcome in sorted(batch, key=lambda sent: sent[0].fence)}
    unsent = [(order, run) for order, run in changed if isinstance(newest[order, run], NotSent | TurnedAway)]
    await rows.release(connection, [(order, run + 1, None) for order, run in unsent])
    await _look_after_providers(connection, batch, now)


async def record_tries(
    connection: Connection, told: Sequence[AttemptResult], now: datetime, at: datetime | None
) -> list[tuple[OrderId, int]]:
    """Writes what tries came to, inside the caller's transaction, and ends what ended by that with its money given
    back; returns the deliveries for which it still counted. They were answered ``at``; None: by the database's clock.
    """
    await settlement.lock(connection, [one.order for one in told if one.state in _MAY_END])
    changed = await rows.record(connection, told, at)
    ends = [EndedRun(order, run, quantity) for order, run, quantity, state in changed if state == "canceled"]
    await settlement.end(connection, ends, now)
    return [(order, run) for order, run, _, _ in changed]


async def _keep_late(
    connection: Connection, batch: Sequence[Sent], counted: Set[tuple[OrderId, int]], now: datetime
) -> None:
    """Where it was settled meanwhile that nothing was bought, that was wrong, and the operator is told of the
    purchase."""
    late = [
        LateAcceptance((claim.order, claim.run, claim.attempt), outcome.provider_order, outcome.answer)
        for claim, outcome in batch
        if isinstance(outcome, Accepted) and (claim.order, claim.run) not in counted
    ]
    if not late:
        return
    kept = await notices.keep_late(connection, late, now)
    for one in late:
        if one.attempt in kept:
            order, run, attempt = one.attempt
            named = {"order": order, "run": run, "attempt": attempt, "provider_order": one.provider_order}
            log.warning("the provider took what was settled before it answered", **named)


async def _look_after_providers(connection: Connection, batch: Sequence[Sent], now: datetime) -> None:
    """Who answered clearly is well; who failed, in whatever way, is left alone for a growing while."""
    answered = {claim.provider for claim, outcome in batch if isinstance(outcome, Accepted | Declined)}
    failures = [(claim.provider, outcome) for claim, outcome in batch if _is_failure(outcome)]
    failed, times = dict(failures), Counter(provider for provider, _ in failures)
    fared = await providers.fared(connection, sorted(failed.keys() - answered), sorted(answered))
    told = [
        _failed(provider, failed[provider], times[provider], fared[provider], now)
        for provider in fared.keys() - answered
    ]
    if well := fared.keys() & answered:
        await providers.is_well(connection, sorted(well))
    if told:
        await providers.failed(connection, told)


def _failed(
    provider: ProviderId, outcome: SendOutcome, times: int, before: tuple[int, bool], now: datetime
) -> ProviderFailure:
    """A provider after ``times`` failures of which ``outcome`` is the newest."""
    failures, resting = before
    if isinstance(outcome, TurnedAway):
        count, turned_away_s = rest_when_turned_away(failures + 1)
        until: datetime | None = now + timedelta(seconds=turned_away_s)
        return ProviderFailure(provider, count, until, shortened(outcome.answer, MAX_FAULT), outcome.fault)
    # What could not be sent came back together, and tells one thing; each silence stands for a call of its own.
    count = failures + (times if isinstance(outcome, Unsure) else 1)
    pause_s = rest_s(count, reached=isinstance(outcome, Unsure), resting=resting)
    until = None if pause_s is None else now + timedelta(seconds=pause_s)
    return ProviderFailure(provider, count, until, shortened(outcome.answer, MAX_FAULT), None)


def _is_failure(outcome: SendOutcome) -> bool:
    """A service that is put off says nothing of the provider's others."""
    if isinstance(outcome, NotSent) and outcome.one_service:
        return False
    return isinstance(outcome, NotSent | TurnedAway | Unsure) and outcome != LATE


_MAY_END: Final = (DeliveryState.CANCELED, DeliveryState.QUEUED, DeliveryState.HELD)
"""What is queued again or held ends where it was asked to be cancelled while it was being sent."""
_OUTCOMES: Final[dict[type[SendOutcome], AttemptOutcome]] = {
    Accepted: AttemptOutcome.ACCEPTED,
    Declined: AttemptOutcome.DECLINED,
    NotSent: AttemptOutcome.DECLINED,
    TurnedAway: AttemptOutcome.DECLINED,
    Unsure: AttemptOutcome.UNSURE,
}


def _recorded(claim: DeliveryClaim, outcome: SendOutcome, registry: ProviderRegistry, now: datetime) -> AttemptResult:
    verdict = after_sending(outcome, routes_left=claim.routes_left, hold_when_refused=claim.hold_when_refused)
    due: datetime | None = None
    if verdict.later:
        due = now + timedelta(seconds=_pause_s(claim, outcome, registry))
    elif verdict.next_route:
        due = now
    elif verdict.state is DeliveryState.PENDING and not _is_staff(registry.contact(claim.provider)):
        due = now + timedelta(seconds=FIRST_POLL_S)
    return AttemptResult(
        order=claim.order,
        run=claim.run,
        attempt=claim.attempt,
        fence=claim.fence,
        state=verdict.state,
        # Who was passed over is asked first when it is tried again.
        route=claim.route + 1 if verdict.next_route else claim.first_route if verdict.later else claim.route,
        due=due,
        outcome=_OUTCOMES[type(outcome)],
        provider_order=outcome.provider_order if isinstance(outcome, Accepted) else None,
        answer=outcome.answer,
        note=note_of(outcome),
    )


def _pause_s(claim: DeliveryClaim, outcome: SendOutcome, registry: ProviderRegistry) -> int:
    """How long a delivery waits before it is tried again."""
    if isinstance(outcome, TurnedAway):
        # Another provider is asked at once; where there is none, others try this one before it does again.
        return 0 if claim.routes > 1 else TURNED_AWAY_STEPS_S[0]
    if isinstance(outcome, NotSent) and outcome.one_service:
        return retry_after_s(claim.attempt)
    contact = registry.contact(claim.provider)
    return retry_after_s((contact.row.failures if contact else 0) + 1)
