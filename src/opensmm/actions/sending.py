"""Sending deliveries to providers.

The state *sending* is committed before the first byte leaves. The call is made outside of any transaction. Its outcome
is recorded in one transaction with all others that arrive at that moment.
"""

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
from opensmm.actions.provider_health import LATE, note_health
from opensmm.actions.transactions import StatementRejected, read, write
from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Unavailable
from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain import dripfeed
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.dispatch import (
    TURNED_AWAY_STEPS_S,
    Accepted,
    AttemptOutcome,
    Declined,
    Deferred,
    DeliveryState,
    SendOutcome,
    TurnedAway,
    Unsure,
    after_sending,
    note_of,
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

LEASE_MARGIN_S: Final = 10.0
"""Seconds by which a lease outlasts the longest call. A call may begin that long after the claim and still end within
the lease."""
RECORD_WITHIN_S: Final = 3600.0
"""Seconds of retrying to record an outcome while the database is unavailable. A worker that stops waits for less."""
RECORD_AGAIN_S: Final = 0.5
FIRST_POLL_S: Final = 1.0
FIRST_SCAN_FACTOR: Final = 5
"""The first scan reads the oldest due deliveries, this many times the limit. Only if too few fit are all read."""
FREED_SCAN_LIMIT: Final = 1000
"""The oldest due deliveries that are scanned for providers just freed. The next full scan comes soon."""
STAFF_TAKES_NO_SUBSCRIPTION: Final = Declined(CallFault(CallCode.SUBSCRIPTION_TO_STAFF))
MAX_LOGGED: Final = 500
"""Characters of a provider's answer in the log. The attempt's row has all of it."""

ClaimOutcome = tuple[DeliveryClaim, SendOutcome]
"""A claimed delivery and the outcome of its attempt, which may be that it was not sent."""
Take = Callable[[Connection, UUID], Awaitable[list[DeliveryClaim]]]
"""Claims some due deliveries and writes the batch mark of that transaction."""
ATTEMPTS_MADE: Final[Counter[tuple[str, type[SendOutcome]]]] = Counter()
"""Attempts of this process, by provider's name and kind of outcome; those that came to no call count as deferred."""
log = structlog.get_logger()


def lease(timeout_s: float) -> timedelta:
    """Returns the lease of a delivery for calls that take ``timeout_s`` at most."""
    return timedelta(seconds=timeout_s + LEASE_MARGIN_S)


class PendingClaim(Struct, frozen=True):
    """Deliveries of a claim that is not known yet to have committed. A call may begin until ``begin_by``, on the
    process's monotonic clock."""

    mark: UUID
    begin_by: float
    claims: Sequence[DeliveryClaim]


class DeliverySender:
    """Claims due deliveries, sends them and records the outcomes."""

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
        self._last_claim: PendingClaim | None = None
        self.freed = FreedProviders()
        self.scan_s = 0.0
        """Seconds that the last scan for due deliveries took the database."""
        self._outcomes: Batcher[ClaimOutcome, None] = Batcher(
            lambda batch: self._record_batch(records, batch), name="record", turn_within_s=math.inf
        )

    async def step(self, limit: int) -> list[asyncio.Task[None]]:
        """Claims up to ``limit`` deliveries; returns a task for each, which sends it and ends when it is recorded."""
        return await self._step(lambda connection, mark: self._take(connection, self._clock(), limit, mark))

    async def step_at(self, freed: Set[ProviderId]) -> list[asyncio.Task[None]]:
        """Does the same for providers that were just freed, in one short scan."""
        rooms = {
            provider: room for provider, room in self._registry.claimable_counts().items() if provider in freed and room
        }
        if not rooms:
            return []
        return await self._step(lambda connection, mark: self._take_at(connection, rooms, mark))

    async def _step(self, take: Take) -> list[asyncio.Task[None]]:
        # Nothing else is claimed until it is certain whether the last claim committed.
        return await (self._claim_and_send(take) if self._last_claim is None else self._recover_claim())

    async def _claim_and_send(self, take: Take) -> list[asyncio.Task[None]]:
        begin_by, mark = self._clock.monotonic() + LEASE_MARGIN_S, uuid4()
        try:
            await write(self._claims, lambda connection: self._claim(connection, take, mark, begin_by))
        except StatementRejected:
            # Nothing of the transaction is stored, so nothing is claimed.
            self._forget_claim()
            raise
        except Unavailable as error:
            # The connection broke before anything was claimed.
            if self._last_claim is None:
                raise Unavailable(OutageCode.CLAIM_INTERRUPTED) from error
            # It may have broken in the COMMIT, whose outcome decides if the deliveries are ours.
            return await self._recover_claim()
        return self._send_all()

    async def finish(self) -> list[asyncio.Task[None]]:
        """Recovers a claim whose COMMIT was abandoned, after ``stop``.

        The tasks returned record its deliveries as not sent, because ``stop`` has ended all waits for a turn.
        """
        return await self._recover_claim()

    def in_flight(self) -> list[tuple[OrderId, int, int]]:
        """Returns deliveries that this process has claimed and not yet recorded, as (order, run, fence).

        They are not abandoned, even if a clock says that their lease has ended.
        """
        return list(self._in_flight)

    async def is_due(self) -> bool:
        """Returns True if a step might claim anything."""
        if self._last_claim is not None:
            return True
        began = time.monotonic()
        any_due = await read(self._claims, lambda connection: rows.is_due(connection, self._clock()))
        self.scan_s = time.monotonic() - began
        return any_due

    async def _recover_claim(self) -> list[asyncio.Task[None]]:
        """Begins to send the deliveries of a claim whose COMMIT went unanswered, if it is certain that it committed.

        Raises Unavailable if the database does not answer: then the claim stays pending.
        """
        claim = self._last_claim
        if claim is None:
            return []
        async with self._claims.turn:
            outcome = await commit_recovery.recover(self._claims, claim.mark, self._clock.overriding_time())
        log.warning("a claim's COMMIT went unanswered", kept=outcome is not None, count=len(claim.claims))
        if outcome is None:
            self._forget_claim()
            return []
        return self._send_all()

    def _send_all(self) -> list[asyncio.Task[None]]:
        """Begins to send the deliveries of the last claim, which is certain to have committed."""
        pending, self._last_claim = self._last_claim, None
        # Nothing was due.
        if pending is None:
            return []
        return [asyncio.create_task(self._send_and_release(claim, pending.begin_by)) for claim in pending.claims]

    def _forget_claim(self) -> None:
        """Forgets the last claim, which did not commit."""
        lost, self._last_claim = self._last_claim, None
        self._in_flight.difference_update(map(_fence_key, lost.claims if lost is not None else ()))

    def stop(self) -> None:
        """Begins no more calls. Deliveries that wait for their turn are recorded as not sent, for another worker."""
        self.freed.stop()
        self._registry.release_waiters()

    async def _claim(self, connection: Connection, take: Take, mark: UUID, begin_by: float) -> None:
        began = time.monotonic()
        claimed = await take(connection, mark)
        self.scan_s = time.monotonic() - began
        next_runs = [
            (claim.order, claim.run + 1, dripfeed.next_due(claim.due, claim.sent, claim.interval_min))
            for claim in claimed
            if claim.run < claim.runs
        ]
        await rows.schedule_runs(connection, next_runs)
        if claimed:
            # Noted before the COMMIT is sent: if its answer is lost, this tells what to recover.
            self._last_claim = PendingClaim(mark, begin_by, claimed)
            self._in_flight.update(map(_fence_key, claimed))

    async def _take(self, connection: Connection, now: datetime, limit: int, mark: UUID) -> list[DeliveryClaim]:
        """Claims due deliveries, and of each provider no more than it has room for, so that a slow one delays nobody.

        A provider whose circuit is half open gets one delivery as a test.
        """
        at, lasts = self._clock.overriding_time(), self._lease
        rooms = self._registry.claimable_counts()
        if len(rooms) == 1:
            limit = min(limit, *rooms.values())
        to_try = await providers.lock_half_open(connection, [provider for provider, room in rooms.items() if room], now)
        # Each provider has room for all: one plain claim is enough.
        if not to_try and self._registry.takes_all and all(room >= limit for room in rooms.values()):
            return await rows.claim(connection, now, at, lasts, limit, list(rooms), mark)
        claimed: list[DeliveryClaim] = []
        for among in (FIRST_SCAN_FACTOR * limit, None):
            taken = Counter(claim.provider for claim in claimed)
            left = {provider: room - taken[provider] for provider, room in rooms.items()}
            untried = [provider for provider in to_try if not taken[provider]]
            # A transaction writes its batch mark once.
            fresh = None if claimed else mark
            claimed += await rows.claim_at_each(
                connection, now, at, lasts, limit - len(claimed), left, untried, among, fresh
            )
            if len(claimed) == limit:
                break
        tried = {claim.provider for claim in claimed}.intersection(to_try)
        # No second delivery tests such a provider before this lease is over.
        await providers.mark_tested(connection, sorted(tried), now + lasts)
        return claimed

    async def _take_at(
        self, connection: Connection, rooms: Mapping[ProviderId, int], mark: UUID
    ) -> list[DeliveryClaim]:
        now, at, limit = self._clock(), self._clock.overriding_time(), sum(rooms.values())
        return await rows.claim_at_each(
            connection, now, at, self._lease, limit, rooms, among=FREED_SCAN_LIMIT, mark=mark
        )

    async def _send_and_release(self, claim: DeliveryClaim, begin_by: float) -> None:
        try:
            await self._send(claim, begin_by)
        finally:
            self._in_flight.discard(_fence_key(claim))
            contact = self._registry.connection_to(claim.provider)
            # It has room again, and need not wait for the next scan.
            if contact is not None and contact.row.adds_at_a_time:
                self.freed.add(claim.provider)

    async def _send(self, claim: DeliveryClaim, begin_by: float) -> None:
        """Calls the provider and records the outcome.

        A call that begins after ``begin_by``, on the process's monotonic clock, could outlast the lease: it is not
        made.
        """
        CALL.set(_name_call(claim))  # a delivery has a task of its own
        contact = self._registry.connection_to(claim.provider)
        if contact is None:
            outcome: SendOutcome = Deferred(CallFault(CallCode.NO_CLIENT))
        else:
            async with contact.throttle:
                # After a long wait it could be sent when its lease is over and it counts as unsure already.
                late = contact.throttle.is_stopped or self._clock.monotonic() >= begin_by
                outcome = LATE if late else await _add(contact, claim)
        _log_outcome(claim, contact, outcome)
        await self._record_outcome(claim, outcome)

    async def _record_outcome(self, claim: DeliveryClaim, outcome: SendOutcome) -> None:
        """Records an outcome; retries while the database is unavailable, as nobody else knows the answer."""
        until = time.monotonic() + RECORD_WITHIN_S
        while True:
            try:
                return await self._outcomes.submit((claim, outcome), claim.provider)
            except Unavailable as error:
                if time.monotonic() >= until:
                    # The delivery has become unsure by now. The log keeps the provider's answer.
                    fields = {**_log_fields(claim), "outcome": str(outcome), "error": str(error)}
                    log.error("an answer could not be recorded", **fields)
                    return None
            await asyncio.sleep(RECORD_AGAIN_S)

    async def _record_batch(self, records: ReconnectingConnection, batch: Sequence[ClaimOutcome]) -> Sequence[None]:
        try:
            await write(records, lambda connection: record_outcomes(connection, batch, self._registry, self._clock))
        except StatementRejected as error:
            if len(batch) > 1 or not isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise
            # Another order of ours already has this provider's order id: evidence must show whose it is.
            claim, outcome = batch[0]
            provider_order = outcome.provider_order if isinstance(outcome, Accepted) else ""
            doubtful = (claim, Unsure(outcome.answer, provider_order))
            await write(
                records, lambda connection: record_outcomes(connection, [doubtful], self._registry, self._clock)
            )
        return [None] * len(batch)


def _fence_key(claim: DeliveryClaim) -> tuple[OrderId, int, int]:
    return claim.order, claim.run, claim.fence


def _name_call(claim: DeliveryClaim) -> str:
    """Returns the name of an attempt, which also goes to the provider, so that both logs can be compared."""
    return f"{claim.order}-{claim.run}-{claim.attempt}"


def _log_fields(claim: DeliveryClaim) -> dict[str, object]:
    """Returns the fields that every log event about an attempt has."""
    return {"order": claim.order, "run": claim.run, "attempt": claim.attempt, "provider": claim.provider}


def _log_outcome(claim: DeliveryClaim, contact: ProviderConnection | None, outcome: SendOutcome) -> None:
    ATTEMPTS_MADE[(contact.row.name if contact else "", type(outcome))] += 1
    match outcome:
        case Accepted():
            log.debug("accepted", **_log_fields(claim), provider_order=outcome.provider_order)
        case Declined():
            log.info("declined", **_log_fields(claim), answer=str(outcome.answer)[:MAX_LOGGED], sparse=claim.provider)
        case Deferred() | TurnedAway():
            log.info("not sent", **_log_fields(claim), answer=str(outcome.answer)[:MAX_LOGGED], sparse=claim.provider)
        case Unsure():
            log.warning(
                "unsure whether the provider took it",
                **_log_fields(claim),
                answer=str(outcome.answer)[:MAX_LOGGED],
                sparse=claim.provider,
            )


def _build_request(claim: DeliveryClaim) -> AddOrder:
    """Builds the request for a provider. Its idempotency key names this attempt alone.

    The time keeps it apart from attempts of a database that was restored from a backup.
    """
    subscribes = claim.service_type is ServiceType.SUBSCRIPTIONS
    return AddOrder(
        None,
        "" if subscribes else claim.link,
        None if subscribes else claim.quantity,
        details=claim.details,
        idempotency_key=f"{_name_call(claim)}-{_format_time(claim.sent)}",
        their_service=claim.provider_service,
    )


@lru_cache(maxsize=8)
def _format_time(sent: datetime) -> str:
    """Formats a time of sending. Cached, as all deliveries of one claim have the same."""
    return f"{sent:%Y%m%d%H%M%S%f}"


def _build_request_for(contact: ProviderConnection, claim: DeliveryClaim) -> AddOrder:
    """Builds the request, for the manual provider under the delivery's own name, by which the staff knows it."""
    if not _is_manual(contact):
        return _build_request(claim)
    name = str(claim.order) if claim.runs == 1 else f"{claim.order}-{claim.run}"
    return structs.replace(_build_request(claim), idempotency_key=name)


async def _add(contact: ProviderConnection, claim: DeliveryClaim) -> SendOutcome:
    if _is_manual(contact) and claim.service_type is ServiceType.SUBSCRIPTIONS:
        # A subscription's provider reports its posts when it is polled, and this one is not polled.
        return STAFF_TAKES_NO_SUBSCRIPTION
    return await contact.provider.add(_build_request_for(contact, claim))


def _is_manual(contact: ProviderConnection | None) -> bool:
    """Returns True for the manual provider. It is not polled, as the staff reports by itself."""
    return contact is not None and contact.row.kind == MANUAL


async def record_outcomes(
    connection: Connection, batch: Sequence[ClaimOutcome], registry: ProviderRegistry, clock: DatabaseClock
) -> None:
    """Writes outcomes in the caller's transaction, and refunds deliveries that every provider has declined."""
    now = clock()
    results = [_build_result(claim, outcome, registry, now) for claim, outcome in batch]
    changed = await record_results(connection, results, now, clock.overriding_time())
    await _note_late_acceptances(connection, batch, set(changed), now)
    # The claim scheduled the next run (``_claim``). If nothing was sent, that time is taken away again, unless a newer
    # claim has set it: then this result has not changed the delivery. A late result may be in the same batch as the
    # one that counts, which has the greater fence.
    newest = {(claim.order, claim.run): outcome for claim, outcome in sorted(batch, key=lambda pair: pair[0].fence)}
    unsent = [(order, run) for order, run in changed if isinstance(newest[order, run], Deferred | TurnedAway)]
    await rows.schedule_runs(connection, [(order, run + 1, None) for order, run in unsent])
    await note_health(connection, batch, now)


async def record_results(
    connection: Connection, results: Sequence[AttemptResult], now: datetime, at: datetime | None
) -> list[tuple[OrderId, int]]:
    """Writes the results of attempts in the caller's transaction, and refunds deliveries that end by them.

    Returns the deliveries (order, run) for which the result still counted. ``at`` is the time of the answers; None: by
    the database's clock.
    """
    await settlement.lock(connection, [result.order for result in results if result.state in _MAY_END])
    changed = await rows.record(connection, results, at)
    ends = [EndedRun(order, run, quantity) for order, run, quantity, state in changed if state == "canceled"]
    await settlement.end(connection, ends, now)
    return [(order, run) for order, run, _, _ in changed]


async def _note_late_acceptances(
    connection: Connection, batch: Sequence[ClaimOutcome], counted: Set[tuple[OrderId, int]], now: datetime
) -> None:
    """Puts late acceptances on the operator's list. Such an attempt was resolved as not bought, which was wrong."""
    late = [
        LateAcceptance((claim.order, claim.run, claim.attempt), outcome.provider_order, outcome.answer)
        for claim, outcome in batch
        if isinstance(outcome, Accepted) and (claim.order, claim.run) not in counted
    ]
    if not late:
        return
    noted = await notices.keep_late(connection, late, now)
    for acceptance in late:
        if acceptance.attempt in noted:
            order, run, attempt = acceptance.attempt
            fields = {"order": order, "run": run, "attempt": attempt, "provider_order": acceptance.provider_order}
            log.warning("the provider took what was settled before it answered", **fields)


_MAY_END: Final = (DeliveryState.CANCELED, DeliveryState.QUEUED, DeliveryState.HELD)
"""States in which a delivery may end: one that is queued again or held ends if a cancel was requested meanwhile."""
_OUTCOMES: Final[dict[type[SendOutcome], AttemptOutcome]] = {
    Accepted: AttemptOutcome.ACCEPTED,
    Declined: AttemptOutcome.NOT_BOUGHT,
    Deferred: AttemptOutcome.NOT_BOUGHT,
    TurnedAway: AttemptOutcome.NOT_BOUGHT,
    Unsure: AttemptOutcome.UNSURE,
}


def _build_result(
    claim: DeliveryClaim, outcome: SendOutcome, registry: ProviderRegistry, now: datetime
) -> AttemptResult:
    verdict = after_sending(outcome, routes_left=claim.routes_left, hold_when_refused=claim.hold_when_refused)
    due: datetime | None = None
    if verdict.later:
        due = now + timedelta(seconds=_retry_pause_s(claim, outcome, registry))
    elif verdict.next_route:
        due = now
    elif verdict.state is DeliveryState.PENDING and not _is_manual(registry.connection_to(claim.provider)):
        due = now + timedelta(seconds=FIRST_POLL_S)
    return AttemptResult(
        order=claim.order,
        run=claim.run,
        attempt=claim.attempt,
        fence=claim.fence,
        state=verdict.state,
        # A retry begins with the first route again, even if it was passed over.
        route=claim.route + 1 if verdict.next_route else claim.first_route if verdict.later else claim.route,
        due=due,
        outcome=_OUTCOMES[type(outcome)],
        provider_order=outcome.provider_order if isinstance(outcome, Accepted) else None,
        answer=outcome.answer,
        note=note_of(outcome),
    )


def _retry_pause_s(claim: DeliveryClaim, outcome: SendOutcome, registry: ProviderRegistry) -> int:
    """Returns the seconds that a delivery waits before it is retried."""
    if isinstance(outcome, TurnedAway):
        # With another route, that one is tried at once. With one route, the delivery waits a minute: meanwhile one
        # delivery tests the provider.
        return 0 if claim.routes > 1 else TURNED_AWAY_STEPS_S[0]
    if isinstance(outcome, Deferred) and outcome.one_service:
        # Failures are counted by provider, not by service: the delivery's own attempts stand for them.
        return retry_after_s(claim.attempt)
    contact = registry.connection_to(claim.provider)
    return retry_after_s((contact.row.failures if contact else 0) + 1)
