"""Settling unsure orders by evidence: the ids between their neighbours are asked for, outside of any transaction, and
what is proved is recorded together with what proved it."""

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
    PATIENCE,
    AttemptKey,
    Conclusion,
    EvidenceKind,
    EvidenceProof,
    Patience,
    Said,
    SuspectOrder,
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
"""After a worker that went away while it asked, attempts are looked into again after this."""
NEIGHBOURS_WITHIN: Final = timedelta(days=30)
"""Steps of the clock are looked up so long before the oldest attempt: an order further away is no neighbour."""
SHOWN: Final = 20
"""Answers that are kept word for word."""
log = structlog.get_logger()


class ProviderInquiry(Struct, frozen=True):
    """One provider's unsure attempts, and the ids to be asked for on account of each, and as controls.

    ``posts_untold``: an id that is found may be an order for a subscription's post that we have yet to be told of.
    ``width``: how many digits this provider writes its ids with; 0: no leading zeros.
    """

    provider: ProviderId
    open: Mapping[AttemptKey, OpenAttempt]
    case: UnsureCase
    asked: Mapping[AttemptKey, Sequence[int]]
    strange: Sequence[int]
    posts_untold: bool
    width: int = 0


class IdQuestion(Struct, frozen=True):
    """Ids for one call. ``witness`` is an order of ours: an answer that does not know it proves nothing of others."""

    provider: ProviderId
    witness: int
    numbers: tuple[int, ...]
    width: int = 0


class UnsureResolver:
    """Looks into unsure attempts and settles what is proved."""

    def __init__(
        self,
        line: ReconnectingConnection,
        registry: ProviderRegistry,
        clock: DatabaseClock,
        patience: Patience = PATIENCE,
    ) -> None:
        self._line = line
        self._registry = registry
        self._clock = clock
        self._patience = patience

    async def step(self, limit: int) -> int:
        """One round; returns how many attempts were looked into."""
        if not self._clock.steady:
            return 0
        now = self._clock()
        closed_by = now - self._patience.taking_in
        claimed = await write(self._line, lambda connection: rows.claim(connection, now, closed_by, now + LEASE, limit))
        if not claimed:
            return 0
        inquiries = await write(self._line, lambda connection: self._open(connection, claimed, now))
        # Looked at last: the times that were read are of before any step that a later look finds.
        if await self._clock.look(self._line):
            for inquiry in inquiries:
                await self._conclude(inquiry, await self._ask(inquiry), now)
        return len(claimed)

    async def _open(
        self, connection: Connection, claimed: Sequence[AttemptKey], now: datetime
    ) -> list[ProviderInquiry]:
        closed_by = now - self._patience.taking_in
        doubted = await rows.doubted(connection, [key[0] for key in claimed], now, closed_by)
        wanted = set(claimed)
        since = min((one.suspect.sent for found in doubted.values() for one in found), default=now)
        steps = await clocks.steps(connection, since - NEIGHBOURS_WITHIN)
        return [
            await self._inquiry(connection, provider, found, wanted, steps)
            for provider, found in doubted.items()
            if any(one.suspect.key in wanted for one in found)
        ]

    async def _inquiry(
        self,
        connection: Connection,
        provider: ProviderId,
        found: Sequence[OpenAttempt],
        wanted: set[AttemptKey],
        steps: Sequence[ClockStep],
    ) -> ProviderInquiry:
        patience = self._patience
        suspects = [evidence.beyond(steps, one.suspect, patience) for one in found]
        around = [
            (one.sent - patience.skew, one.closed + patience.taking_in + patience.skew)
            for one in suspects[: rows.MOST_SUSPECTS]
        ]
        near = await rows.neighbours(connection, provider, around)
        bills = await self._bills(connection, provider, suspects)
        case = evidence.open_case(suspects, near, patience, bills, steps)
        hopeless = {key: why for key, why in case.hopeless.items() if key in wanted}
        windows = {
            one.key: case.windows[one.key]
            for one in suspects
            if one.key in wanted and one.resolvable and one.key not in hopeless
        }
        known = await rows.known(connection, provider, evidence.ids_around(windows.values()))
        asked = {key: numbers for key, one in windows.items() if (numbers := evidence.to_ask(one, known)) is not None}
        if len(suspects) > rows.MOST_SUSPECTS:
            asked = {}
        hopeless |= dict.fromkeys(windows.keys() - asked.keys(), Conclusion.TOO_MANY_IDS)
        case = structs.replace(case, hopeless=hopeless)
        strange = evidence.controls(case, asked, known)
        newest = max((one.answered for one in near), default=None)
        untold = newest is not None and await subscriptions.untold(connection, provider, newest)
        opened = {one.suspect.key: one for one in found}
        return ProviderInquiry(provider, opened, case, asked, strange, untold, evidence.width(near) or 0)

    async def _bills(
        self, connection: Connection, provider: ProviderId, suspects: Sequence[SuspectOrder]
    ) -> Sequence[ChargeSample]:
        """One attempt alone is known by its place; too many are not told apart."""
        if not 1 < len(suspects) <= evidence.MOST_TANGLED:
            return ()
        return await rows.bills(connection, provider, [(one.service, one.sent, one.closed) for one in suspects])

    async def _ask(self, inquiry: ProviderInquiry) -> dict[int, Said]:
        """What the provider says of all ids in question; nothing of those it does not answer for."""
        if not inquiry.asked:
            return {}
        numbers = sorted({*inquiry.strange, *(number for asked in inquiry.asked.values() for number in asked)})
        witness = max(inquiry.case.windows[key].low for key in inquiry.asked)
        size = MAX_IDS - 1
        questions = [
            IdQuestion(inquiry.provider, witness, tuple(numbers[at : at + size]), inquiry.width)
            for at in range(0, len(numbers), size)
        ]
        answers = await self._registry.ask_about(questions, _ask)
        return {number: said for _, told in answers for number, said in told.items()}

    async def _conclude(self, inquiry: ProviderInquiry, said: Mapping[int, Said], now: datetime) -> None:
        proofs = {key: EvidenceProof(why) for key, why in inquiry.case.hopeless.items()}
        proofs |= evidence.conclude(inquiry.case, inquiry.asked, said, inquiry.strange)
        if inquiry.posts_untold:
            proofs = {key: evidence.doubt(proof) for key, proof in proofs.items()}
        for key, proof in proofs.items():
            await self._keep_one(inquiry, key, proof, said, now)

    async def _keep_one(
        self, inquiry: ProviderInquiry, key: AttemptKey, proof: EvidenceProof, said: Mapping[int, Said], now: datetime
    ) -> None:
        note, theirs, one = _note(inquiry, key, proof, said), _theirs(inquiry, proof), inquiry.open[key]
        try:
            await write(self._line, partial(self._keep, one=one, proof=proof, theirs=theirs, note=note, now=now))
        except StatementRejected as error:
            log.warning("evidence could not be recorded", order=key[0], run=key[1], error=str(error))
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                # The id became another order's meanwhile: whose it is, nobody can tell any more.
                await self._keep_one(inquiry, key, evidence.doubt(proof), said, now)

    async def _keep(
        self,
        connection: Connection,
        one: OpenAttempt,
        proof: EvidenceProof,
        theirs: str | None,
        note: EvidenceNote,
        now: datetime,
    ) -> None:
        key = one.suspect.key
        if proof.conclusion in (Conclusion.BOUGHT, Conclusion.NOT_BOUGHT):
            await settlement.lock(connection, [key[0]])
            if not await rows.lock_unsure(connection, [key]):
                return
            await settle(connection, one, proof, theirs, now, self._clock.stamp())
        else:
            pause = evidence.look_again_after(now - one.suspect.closed, self._patience)
            await rows.look_again(connection, [(key, now + pause)])
        await rows.keep(connection, [note], now)


async def _ask(provider: ProviderClient, questions: Sequence[IdQuestion]) -> list[dict[int, Said]]:
    """One call after the other, so that evidence takes one of a provider's slots at a time."""
    return [await _ask_one(provider, question) for question in questions]


async def _ask_one(provider: ProviderClient, question: IdQuestion) -> dict[int, Said]:
    ids = [_spelled(number, question.width) for number in (question.witness, *question.numbers)]
    known, *said = await provider.look_ups(ids)
    return dict(zip(question.numbers, said, strict=True)) if isinstance(known, StatusReport) else {}


def _spelled(number: int, width: int) -> str:
    return str(number).zfill(width)


def _theirs(inquiry: ProviderInquiry, proof: EvidenceProof) -> str | None:
    """The id that was found, as its provider writes it."""
    return None if proof.provider_order is None else _spelled(proof.provider_order, inquiry.width)


def _note(inquiry: ProviderInquiry, key: AttemptKey, proof: EvidenceProof, said: Mapping[int, Said]) -> EvidenceNote:
    between = inquiry.case.windows[key]
    asked = inquiry.asked.get(key, ())
    told = {number: said.get(number) for number in asked}
    ours = {str(number): report for number, report in told.items() if isinstance(report, StatusReport)}
    strange = next((one.words for one in told.values() if isinstance(one, evidence.NotOurs)), "")
    detail = {
        "between": [between.low, between.high],
        "asked": len(asked),
        "not_ours": sum(isinstance(one, evidence.NotOurs) for one in told.values()),
        "words": strange,
        "ours": {number: report.status for number, report in list(ours.items())[:SHOWN]},
        # Which controls are asked for varies with who else is looked into; that any is answered for matters.
        "strangers_told": any(isinstance(said.get(number), StatusReport) for number in inquiry.strange),
        "provider_order": _theirs(inquiry, proof),
    }
    if proof.conclusion is Conclusion.NO_NEIGHBOURS:
        count = inquiry.case.neighbour_counts[key]
        # More than are needed tell nothing more, and every look would leave a row.
        sides = {"earlier": count.earlier, "later": count.later}
        detail |= {side: min(number, evidence.NEIGHBOURS) for side, number in sides.items()}
    return EvidenceNote(key, inquiry.provider, EvidenceKind.NEIGHBOURS, proof.conclusion, detail)


async def settle(
    connection: Connection,
    one: OpenAttempt,
    proof: EvidenceProof,
    theirs: str | None,
    now: datetime,
    at: datetime | None,
) -> None:
    """Accepts an unsure attempt with the id ``theirs``, or sends its delivery on; its rows are locked."""
    if proof.conclusion is Conclusion.BOUGHT:
        verdict = Verdict(DeliveryState.PENDING)
    else:
        verdict = evidence.after_not_bought(
            one.not_bought + 1,
            refused=isinstance(one.answer, str) and bool(read_unbought(one.answer)),
            routes_left=one.routes_left,
            hold_when_refused=one.hold_when_refused,
        )
    await record(connection, one, verdict, theirs, now, at)


async def record(
    connection: Connection,
    one: OpenAttempt,
    verdict: Verdict,
    provider_order: str | None,
    now: datetime,
    at: datetime | None,
) -> None:
    """Writes what became of an unsure attempt ``at`` this time, None: by the database's clock; what ends by it gives
    its money back."""
    order, run, number = one.suspect.key
    told = AttemptResult(
        order=order,
        run=run,
        attempt=number,
        fence=one.fence,
        state=verdict.state,
        route=one.route + 1 if verdict.next_route else one.route,
        due=now if verdict.state in (DeliveryState.QUEUED, DeliveryState.PENDING) else None,
        outcome=AttemptOutcome.DECLINED if provider_order is None else AttemptOutcome.ACCEPTED,
        provider_order=provider_order,
        answer=one.answer,
    )
    changed = await dispatch.record(connection, [told], at)
    ends = [EndedRun(order, run, quantity) for order, run, quantity, state in changed if state == "canceled"]
    await settlement.end(connection, ends, now)
