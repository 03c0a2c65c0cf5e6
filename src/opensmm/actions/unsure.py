"""Resolving unsure orders by evidence.

The provider is asked for the ids between an order's neighbours, outside of any transaction. What that proves is
recorded together with the evidence.

A delivery becomes unsure in ``actions/sending.py``, or, after its worker died, in ``store/dispatch.py:recover``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import psycopg
import structlog
from msgspec import Struct, structs

from opensmm.actions import settlement
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import StatementRejected, write
from opensmm.base.ids import ProviderId
from opensmm.domain import evidence
from opensmm.domain.clocks import ClockStep
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState, Verdict
from opensmm.domain.evidence import (
    DEFAULT_PATIENCE,
    AttemptKey,
    Conclusion,
    EvidenceKind,
    IdAnswer,
    Judgement,
    Patience,
    SuspectAttempt,
    UnsureCase,
)
from opensmm.domain.polling import StatusReport
from opensmm.domain.provider_charges import ChargeSample
from opensmm.domain.requests import MAX_IDS
from opensmm.domain.settlement import EndedRun
from opensmm.providers.client import ProviderClient
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import clocks, dispatch, subscriptions
from opensmm.store import evidence as rows
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.dispatch import AttemptResult
from opensmm.store.evidence import EvidenceNote, OpenAttempt
from opensmm.wire.provider_answers import read_unbought

LEASE: Final = timedelta(minutes=2)
"""Time after which attempts are claimed again, if the worker that inquired died."""
NEIGHBOURS_WITHIN: Final = timedelta(days=30)
"""Clock steps are read from this long before the oldest attempt. An order further away is no neighbour."""
MAX_SHOWN: Final = 20
"""Answers that are stored with their statuses."""
log = structlog.get_logger()


class ProviderInquiry(Struct, frozen=True):
    """One provider's unsure attempts, the ids to ask for by attempt, and control ids, which should not be ours.

    ``has_unreported_posts``: an id may belong to a subscription's post that the provider has not reported yet.
    ``width``: the digits with which this provider writes its ids; 0: without leading zeros.
    """

    provider: ProviderId
    open: Mapping[AttemptKey, OpenAttempt]
    case: UnsureCase
    ids_by_attempt: Mapping[AttemptKey, Sequence[int]]
    controls: Sequence[int]
    has_unreported_posts: bool
    width: int = 0


class IdQuestion(Struct, frozen=True):
    """Ids for one call. ``witness`` is an order of ours: an answer without it proves nothing about the others."""

    provider: ProviderId
    witness: int
    numbers: tuple[int, ...]
    width: int = 0


class UnsureResolver:
    """Inquires about unsure attempts, and resolves those for which the answers are proof."""

    def __init__(
        self,
        connection: ReconnectingConnection,
        registry: ProviderRegistry,
        clock: DatabaseClock,
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        self._connection = connection
        self._registry = registry
        self._clock = clock
        self._patience = patience

    async def step(self, limit: int) -> int:
        """Inquires about up to ``limit`` attempts; returns how many there were."""
        # Evidence compares times, which means nothing soon after the clock has stepped.
        if not self._clock.steady:
            return 0
        now = self._clock()
        closed_by = now - self._patience.taking_in
        claimed = await write(
            self._connection, lambda connection: rows.claim(connection, now, closed_by, now + LEASE, limit)
        )
        if not claimed:
            return 0
        inquiries = await write(self._connection, lambda connection: self._open_inquiries(connection, claimed, now))
        # The clock is checked last: then the times just read are older than any step that a later check finds.
        if await self._clock.look(self._connection):
            for inquiry in inquiries:
                await self._judge(inquiry, await self._look_up_ids(inquiry), now)
        return len(claimed)

    async def _open_inquiries(
        self, connection: Connection, claimed: Sequence[AttemptKey], now: datetime
    ) -> list[ProviderInquiry]:
        closed_by = now - self._patience.taking_in
        doubted = await rows.list_doubted(connection, [key[0] for key in claimed], now, closed_by)
        claimed_keys = set(claimed)
        since = min((one.suspect.sent for attempts in doubted.values() for one in attempts), default=now)
        steps = await clocks.steps(connection, since - NEIGHBOURS_WITHIN)
        return [
            await self._open_inquiry(connection, provider, attempts, claimed_keys, steps)
            for provider, attempts in doubted.items()
            if any(attempt.suspect.key in claimed_keys for attempt in attempts)
        ]

    async def _open_inquiry(
        self,
        connection: Connection,
        provider: ProviderId,
        attempts: Sequence[OpenAttempt],
        claimed_keys: set[AttemptKey],
        steps: Sequence[ClockStep],
    ) -> ProviderInquiry:
        patience = self._patience
        suspects = [evidence.widen_over_steps(steps, attempt.suspect, patience) for attempt in attempts]
        around = [
            (suspect.sent - patience.skew, suspect.closed + patience.taking_in + patience.skew)
            for suspect in suspects[: rows.MOST_SUSPECTS]
        ]
        near = await rows.neighbours(connection, provider, around)
        samples = await self._find_samples(connection, provider, suspects)
        case = evidence.open_case(suspects, near, patience, samples, steps)
        undecidable = {key: why for key, why in case.undecidable_now.items() if key in claimed_keys}
        windows = {
            suspect.key: case.windows[suspect.key]
            for suspect in suspects
            if suspect.key in claimed_keys and suspect.resolvable and suspect.key not in undecidable
        }
        own_ids = await rows.find_known(connection, provider, evidence.ids_around(windows.values()))
        ids_by_attempt = {
            key: numbers
            for key, window in windows.items()
            if (numbers := evidence.ids_to_look_up(window, own_ids)) is not None
        }
        # So many cannot be told apart, so nothing is asked about them for now.
        if len(suspects) > rows.MOST_SUSPECTS:
            ids_by_attempt = {}
        undecidable |= dict.fromkeys(windows.keys() - ids_by_attempt.keys(), Conclusion.TOO_MANY_IDS)
        case = structs.replace(case, undecidable_now=undecidable)
        controls = evidence.choose_controls(case, ids_by_attempt, own_ids)
        newest = max((neighbour.answered for neighbour in near), default=None)
        has_unreported = newest is not None and await subscriptions.may_have_unreported(connection, provider, newest)
        opened = {attempt.suspect.key: attempt for attempt in attempts}
        return ProviderInquiry(
            provider, opened, case, ids_by_attempt, controls, has_unreported, evidence.id_digits(near) or 0
        )

    async def _find_samples(
        self, connection: Connection, provider: ProviderId, suspects: Sequence[SuspectAttempt]
    ) -> Sequence[ChargeSample]:
        """Reads charges of similar orders, which tell several attempts apart. One attempt needs none; too many cannot
        be told apart."""
        if not 1 < len(suspects) <= evidence.MOST_TANGLED:
            return ()
        return await rows.charge_samples(
            connection, provider, [(one.service, one.sent, one.closed) for one in suspects]
        )

    async def _look_up_ids(self, inquiry: ProviderInquiry) -> dict[int, IdAnswer]:
        """Asks the provider for all ids in question; returns its answers by id, without ids that it did not answer."""
        if not inquiry.ids_by_attempt:
            return {}
        numbers = sorted({*inquiry.controls, *(number for ids in inquiry.ids_by_attempt.values() for number in ids)})
        witness = max(inquiry.case.windows[key].low for key in inquiry.ids_by_attempt)
        # The witness takes one place of each call.
        size = MAX_IDS - 1
        questions = [
            IdQuestion(inquiry.provider, witness, tuple(numbers[at : at + size]), inquiry.width)
            for at in range(0, len(numbers), size)
        ]
        replies = await self._registry.call_about(questions, _look_up_all)
        return {number: answer for _, answers in replies for number, answer in answers.items()}

    async def _judge(self, inquiry: ProviderInquiry, answers: Mapping[int, IdAnswer], now: datetime) -> None:
        judgements = {key: Judgement(why) for key, why in inquiry.case.undecidable_now.items()}
        judgements |= evidence.judge(inquiry.case, inquiry.ids_by_attempt, answers, inquiry.controls)
        # An id that was found may be the order of such a post, so that it proves nothing yet.
        if inquiry.has_unreported_posts:
            judgements = {key: evidence.weaken(judgement) for key, judgement in judgements.items()}
        for key, judgement in judgements.items():
            await self._record_judgement(inquiry, key, judgement, answers, now)

    async def _record_judgement(
        self,
        inquiry: ProviderInquiry,
        key: AttemptKey,
        judgement: Judgement,
        answers: Mapping[int, IdAnswer],
        now: datetime,
    ) -> None:
        note, provider_order, attempt = (
            _build_note(inquiry, key, judgement, answers),
            _format_provider_id(inquiry, judgement),
            inquiry.open[key],
        )
        try:
            await write(
                self._connection,
                partial(
                    self._write_judgement,
                    attempt=attempt,
                    judgement=judgement,
                    provider_order=provider_order,
                    note=note,
                    now=now,
                ),
            )
        except StatementRejected as error:
            log.warning("evidence could not be recorded", order=key[0], run=key[1], error=str(error))
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                # Another order of ours has taken the id meanwhile: it can no longer be told whose it is.
                await self._record_judgement(inquiry, key, evidence.weaken(judgement), answers, now)

    async def _write_judgement(
        self,
        connection: Connection,
        attempt: OpenAttempt,
        judgement: Judgement,
        provider_order: str | None,
        note: EvidenceNote,
        now: datetime,
    ) -> None:
        key = attempt.suspect.key
        if judgement.conclusion in (Conclusion.BOUGHT, Conclusion.NOT_BOUGHT):
            # Another worker or the operator may have resolved it since the inquiry was opened.
            await settlement.lock(connection, [key[0]])
            if not await rows.lock_unsure(connection, [key]):
                return
            await resolve(connection, attempt, judgement, provider_order, now, self._clock.overriding_time())
        else:
            pause = evidence.pause_before_check(now - attempt.suspect.closed, self._patience)
            await rows.schedule_check(connection, [(key, now + pause)])
        await rows.keep(connection, [note], now)


async def _look_up_all(provider: ProviderClient, questions: Sequence[IdQuestion]) -> list[dict[int, IdAnswer]]:
    """Makes one call after the other, so that evidence takes only one of a provider's slots."""
    return [await _look_up(provider, question) for question in questions]


async def _look_up(provider: ProviderClient, question: IdQuestion) -> dict[int, IdAnswer]:
    ids = [_format_id(number, question.width) for number in (question.witness, *question.numbers)]
    witness, *answers = await provider.look_ups(ids)
    return dict(zip(question.numbers, answers, strict=True)) if isinstance(witness, StatusReport) else {}


def _format_id(number: int, width: int) -> str:
    return str(number).zfill(width)


def _format_provider_id(inquiry: ProviderInquiry, judgement: Judgement) -> str | None:
    """Returns the proved order id as its provider writes it, or None."""
    return None if judgement.provider_order is None else _format_id(judgement.provider_order, inquiry.width)


def _build_note(
    inquiry: ProviderInquiry, key: AttemptKey, judgement: Judgement, answers: Mapping[int, IdAnswer]
) -> EvidenceNote:
    between = inquiry.case.windows[key]
    ids = inquiry.ids_by_attempt.get(key, ())
    reports = {number: answers.get(number) for number in ids}
    ours = {str(number): report for number, report in reports.items() if isinstance(report, StatusReport)}
    words = next((report.words for report in reports.values() if isinstance(report, evidence.NotOurs)), "")
    detail = {
        "between": [between.low, between.high],
        "asked": len(ids),
        "not_ours": sum(isinstance(report, evidence.NotOurs) for report in reports.values()),
        "words": words,
        "ours": {number: report.status for number, report in list(ours.items())[:MAX_SHOWN]},
        # The set of controls depends on which attempts share the inquiry. Only if any was answered matters.
        "strangers_told": any(isinstance(answers.get(number), StatusReport) for number in inquiry.controls),
        "provider_order": _format_provider_id(inquiry, judgement),
    }
    if judgement.conclusion is Conclusion.NO_NEIGHBOURS:
        count = inquiry.case.neighbour_counts[key]
        # Capped: a higher count proves nothing more, but would make every inquiry store a new row.
        sides = {"earlier": count.earlier, "later": count.later}
        detail |= {side: min(number, evidence.NEIGHBOURS) for side, number in sides.items()}
    return EvidenceNote(key, inquiry.provider, EvidenceKind.NEIGHBOURS, judgement.conclusion, detail)


async def resolve(
    connection: Connection,
    attempt: OpenAttempt,
    judgement: Judgement,
    provider_order: str | None,
    now: datetime,
    at: datetime | None,
) -> None:
    """Accepts an unsure attempt with the id ``provider_order``, or sends its delivery on. Its rows must be locked."""
    if judgement.conclusion is Conclusion.BOUGHT:
        verdict = Verdict(DeliveryState.PENDING)
    else:
        verdict = evidence.after_not_bought(
            attempt.not_bought + 1,
            refused=isinstance(attempt.answer, str) and bool(read_unbought(attempt.answer)),
            routes_left=attempt.routes_left,
            hold_when_refused=attempt.hold_when_refused,
        )
    await record(connection, attempt, verdict, provider_order, now, at)


async def record(
    connection: Connection,
    attempt: OpenAttempt,
    verdict: Verdict,
    provider_order: str | None,
    now: datetime,
    at: datetime | None,
) -> None:
    """Writes the outcome of an unsure attempt, and refunds a delivery that ends by it.

    ``at`` is the time of the outcome; None: by the database's clock.
    """
    order, run, number = attempt.suspect.key
    result = AttemptResult(
        order=order,
        run=run,
        attempt=number,
        fence=attempt.fence,
        state=verdict.state,
        route=attempt.route + 1 if verdict.next_route else attempt.route,
        due=now if verdict.state in (DeliveryState.QUEUED, DeliveryState.PENDING) else None,
        outcome=AttemptOutcome.NOT_BOUGHT if provider_order is None else AttemptOutcome.ACCEPTED,
        provider_order=provider_order,
        answer=attempt.answer,
    )
    changed = await dispatch.record(connection, [result], at)
    ends = [EndedRun(order, run, quantity) for order, run, quantity, state in changed if state == "canceled"]
    await settlement.end(connection, ends, now)
