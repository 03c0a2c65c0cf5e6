"""Evidence: what becomes of an ``add`` whose outcome was unclear. What is not proved stays unsure.

Many providers hand out order ids that grow, and answer for their caller's own orders alone. So an unsure order, if
it was bought, has an id between those of its neighbours: orders of ours answered before it was sent, and orders sent
after it could no longer be taken in. ``status`` is asked for the ids in between. One that is ours and that no order
of ours bears belongs to an unsure one; where none is, nothing was bought.

All conclusions hold for every way in which the unsure orders of a provider may own the ids that were found.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import Final

from msgspec import Struct, structs

from opensmm.base.ids import OrderId
from opensmm.domain.clocks import ClockStep
from opensmm.domain.dispatch import Declined, DeliveryState, Verdict, after_sending
from opensmm.domain.polling import StatusReport
from opensmm.domain.provider_charges import ChargeSample, UnitPrice, compares, may_cost, price

MOST_IDS: Final = 2000
"""Ids asked for on account of one attempt; where more lie between its neighbours, the operator is to look."""
NEIGHBOURS: Final = 3
"""On each side: fewer could lie in order by chance at a provider whose ids do not grow."""
MOST_TANGLED: Final = 50
"""Attempts, or ids, that are told apart together; more are left to the operator."""
CONTROLS: Final = 8
"""Ids that nobody's window holds, asked for too: a provider that answers for strangers' orders is found out by them."""
CONTROLS_WITHIN: Final = 50
SENT_AGAIN: Final = 3
"""How often one provider is tried with a delivery that it is proved not to have taken in."""


class Patience(Struct, frozen=True):
    """How long evidence waits. ``taking_in``: how long after the last byte of an attempt a provider may still make an
    order of it. ``skew``: how far apart the times of two orders must be for one to be the earlier."""

    taking_in: timedelta = timedelta(minutes=3)
    skew: timedelta = timedelta(seconds=5)


PATIENCE: Final = Patience()
_LOOK_AT_MOST: Final = timedelta(hours=12)


def look_again_after(age: timedelta, patience: Patience) -> timedelta:
    """Younger unsure attempts are looked into sooner than old ones; ``age`` counts from when they ended."""
    return min(max(age / 4, patience.taking_in / 6), _LOOK_AT_MOST)


class EvidenceKind(StrEnum):
    """``neighbours``: the ids between neighbouring orders were asked for. ``operator``: a person said so.
    ``answer``: a provider's answer that changes no order, and that the operator must see: a notice."""

    NEIGHBOURS = "neighbours"
    OPERATOR = "operator"
    ANSWER = "answer"


class Conclusion(StrEnum):
    """What a look came to. The first two are proved; the next five leave an attempt unsure, and say why. ``risked`` and
    ``ended`` are the operator's own; the last four are notices."""

    BOUGHT = "bought"
    NOT_BOUGHT = "not_bought"
    NO_NEIGHBOURS = "no_neighbours"
    NOT_GROWING = "not_growing"
    CLOCK_STEPPED = "clock_stepped"
    TOO_MANY_IDS = "too_many_ids"
    UNANSWERED = "unanswered"
    AMBIGUOUS = "ambiguous"
    RISKED = "risked"
    ENDED = "ended"
    LATE_ACCEPTANCE = "late_acceptance"
    COMPLETED_WITH_REMAINS = "completed_with_remains"
    CANCEL_REFUSED = "cancel_refused"
    CHARGE_UNCLEAR = "charge_unclear"


LATE: Final = (Conclusion.LATE_ACCEPTANCE,)
ODD: Final = (Conclusion.COMPLETED_WITH_REMAINS, Conclusion.CANCEL_REFUSED, Conclusion.CHARGE_UNCLEAR)
"""Notices by the kind under which the operator's list and the panel's health show them."""
AttemptKey = tuple[OrderId, int, int]
"""An attempt by its order, run and number."""


class Neighbour(Struct, frozen=True):
    """An order of ours at the provider: it got its id between ``sent`` and ``answered``."""

    sent: datetime
    answered: datetime
    provider_order: str


class SuspectOrder(Struct, frozen=True):
    """An attempt that may have bought an order we do not know of.

    ``closed``: no byte of it was sent later. ``alike``: what two attempts share whose orders cannot be told apart by
    anybody, the link and all else included. ``settling``: it is unsure, and old enough to be concluded about.
    ``service`` is the provider's.
    """

    key: AttemptKey
    sent: datetime
    closed: datetime
    quantity: int
    alike: Hashable
    settling: bool
    service: str = ""


class IdWindow(Struct, frozen=True):
    """The ids that an attempt's order may have lie between these two; ``high`` is None where nothing bounds them."""

    low: int
    high: int | None

    def holds(self, number: int) -> bool:
        return self.low < number and (self.high is None or number < self.high)


class NotOurs(Struct, frozen=True):
    """The provider knows no order of ours by this id, in words that say so."""

    words: str


Said = StatusReport | NotOurs | None
"""What a provider said of one id; None where it said nothing clear."""


def _number(provider_order: str) -> int | None:
    plain = provider_order.isascii() and provider_order.isdigit() and len(provider_order) < 19
    return int(provider_order) if plain else None


def width(neighbours: Iterable[Neighbour]) -> int | None:
    """How many digits ids are written with where they have leading zeros, else 0; None where they are no numbers, or
    no two ways of writing them fit."""
    orders = {one.provider_order for one in neighbours}
    if any(_number(order) is None for order in orders):
        return None
    lengths = {len(order) for order in orders}
    if not any(order.startswith("0") for order in orders):
        return 0
    return lengths.pop() if len(lengths) == 1 else None


def grow(neighbours: Iterable[Neighbour], skew: timedelta) -> bool:
    """Every id is a number, written alike, and no order clearly sent after another was answered has the smaller one."""
    by_answer = sorted(set(neighbours), key=lambda one: one.answered)
    by_sending = sorted(by_answer, key=lambda one: one.sent)
    if width(by_answer) is None:
        return False
    highest, answered = -1, 0
    for later in by_sending:
        while answered < len(by_answer) and by_answer[answered].answered + skew < later.sent:
            highest = max(highest, int(by_answer[answered].provider_order))
            answered += 1
        if int(later.provider_order) <= highest:
            return False
    return True


class _Line:
    """A provider's neighbours in the order of time, ready to be looked up; they ``grow``."""

    def __init__(self, neighbours: Iterable[Neighbour]) -> None:
        answered = sorted((one.answered, int(one.provider_order)) for one in neighbours)
        sent = sorted((one.sent, int(one.provider_order)) for one in neighbours)
        self._answered = [at for at, _ in answered]
        self._sent = [at for at, _ in sent]
        self._highest = list(accumulate(((number, at) for at, number in answered), max))
        self._lowest = list(accumulate(((number, at) for at, number in reversed(sent)), min))[::-1]

    def around(self, suspect: SuspectOrder, patience: Patience) -> "_Around":
        """The ids an order of this attempt may have, how many neighbours it has on each side, and from when to when
        those reach that bound it."""
        before = bisect_left(self._answered, suspect.sent - patience.skew)
        after = bisect_right(self._sent, suspect.closed + patience.taking_in + patience.skew)
        low, since = self._highest[before - 1] if before else (0, suspect.sent)
        high, until = self._lowest[after] if after < len(self._sent) else (None, suspect.closed)
        return _Around(IdWindow(low, high), NeighbourCount(before, len(self._sent) - after), since, until)


class NeighbourCount(Struct, frozen=True):
    """How many neighbours an attempt has before it and after it."""

    earlier: int
    later: int


class _Around(Struct, frozen=True):
    window: IdWindow
    beside: NeighbourCount
    since: datetime
    until: datetime

    def spans(self, steps: Iterable[ClockStep], skew: timedelta) -> bool:
        """Whether the clock stepped in between, so that before and after are not what they seem."""
        return any(one.breaks and one.since - skew <= self.until and self.since <= one.until + skew for one in steps)


class UnsureCase(Struct, frozen=True):
    """What is known at one provider: who may own unknown ids, in which windows, what cannot be looked into, and what
    orders of ours were charged around them."""

    suspects: tuple[SuspectOrder, ...]
    windows: Mapping[AttemptKey, IdWindow]
    hopeless: Mapping[AttemptKey, Conclusion]
    bills: Sequence[ChargeSample] = ()
    beside: Mapping[AttemptKey, NeighbourCount] = {}


def beyond(steps: Sequence[ClockStep], suspect: SuspectOrder, patience: Patience) -> SuspectOrder:
    """The suspect with times that lie before and after it by any clock, where the clock stepped meanwhile.

    After a step it may have been under way for as long again; what passed within one counts for nothing.
    """
    lasted = max(suspect.closed - suspect.sent, timedelta(0))
    within = patience.taking_in + 2 * patience.skew
    sent, closed = suspect.sent, suspect.closed
    while True:
        near = [one for one in steps if one.since <= closed + within and one.until + patience.skew >= sent]
        earliest = min((sent, *(one.since for one in near)))
        latest = max((closed, *(one.until + lasted for one in near)))
        if (earliest, latest) == (sent, closed):
            return structs.replace(suspect, sent=sent, closed=closed)
        sent, closed = earliest, latest


def open_case(
    suspects: Sequence[SuspectOrder],
    neighbours: Sequence[Neighbour],
    patience: Patience,
    bills: Sequence[ChargeSample] = (),
    steps: Sequence[ClockStep] = (),
) -> UnsureCase:
    """Windows for every suspect, whose times lie beyond all steps of the clock. One without enough neighbours on both
    sides, or whose neighbours are on two sides of a step, is not looked into by itself."""
    neighbours = list(set(neighbours))
    growing = grow(neighbours, patience.skew)
    line = _Line(neighbours if growing else ())
    windows: dict[AttemptKey, IdWindow] = {}
    beside: dict[AttemptKey, NeighbourCount] = {}
    hopeless: dict[AttemptKey, Conclusion] = {}
    for suspect in suspects:
        around = line.around(suspect, patience)
        windows[suspect.key] = around.window
        beside[suspect.key] = around.beside
        if around.spans(steps, patience.skew):
            hopeless[suspect.key] = Conclusion.CLOCK_STEPPED
        elif not growing:
            hopeless[suspect.key] = Conclusion.NOT_GROWING
        elif min(around.beside.earlier, around.beside.later) < NEIGHBOURS:
            hopeless[suspect.key] = Conclusion.NO_NEIGHBOURS
        elif _width(windows[suspect.key]) > 2 * MOST_IDS:
            hopeless[suspect.key] = Conclusion.TOO_MANY_IDS
    return UnsureCase(tuple(suspects), windows, hopeless, bills, beside)


def _width(between: IdWindow) -> int:
    return 0 if between.high is None else between.high - between.low - 1


def ids_around(windows: Iterable[IdWindow]) -> list[int]:
    """The ids inside windows that are bounded, and those below them among which controls are sought."""
    spans = (range(max(1, one.low - CONTROLS_WITHIN), one.high) for one in windows if one.high is not None)
    return sorted({number for span in spans for number in span})


def to_ask(between: IdWindow, known: frozenset[int]) -> list[int] | None:
    """The ids inside a window that are not known to be orders of ours; None where they are too many."""
    if between.high is None:
        return None
    unknown = [number for number in range(between.low + 1, between.high) if number not in known]
    return unknown if len(unknown) <= MOST_IDS else None


def controls(case: UnsureCase, asked: Iterable[AttemptKey], known: frozenset[int]) -> list[int]:
    """Ids nearby, below the windows in question, that are not ours: those first that no unsure order may have.

    Where an unsure order of long ago may have any id, what it may have is better than no control at all. None are left
    where all that is near is ours, and so no stranger's.
    """
    lowest = min((case.windows[key].low for key in asked), default=0)
    nearby = range(lowest - 1, max(0, lowest - CONTROLS_WITHIN), -1)
    unknown = [number for number in nearby if number not in known]
    unknown.sort(key=lambda number: any(one.holds(number) for one in case.windows.values()))
    return unknown[:CONTROLS]


class EvidenceProof(Struct, frozen=True):
    """A conclusion; ``provider_order`` is the id that was found, where one was."""

    conclusion: Conclusion
    provider_order: int | None = None


def doubt(proof: EvidenceProof) -> EvidenceProof:
    """What is left of a proof where an id that was found may be somebody's whom nobody suspects."""
    return EvidenceProof(Conclusion.AMBIGUOUS) if proof.conclusion is Conclusion.BOUGHT else proof


def conclude(
    case: UnsureCase, asked: Mapping[AttemptKey, Sequence[int]], said: Mapping[int, Said], strange: Sequence[int] = ()
) -> dict[AttemptKey, EvidenceProof]:
    """A proof for every suspect that was asked about.

    A provider that answers for one of the ``strange`` ids, or does not say of any that it is not ours, may tell of
    orders that are not the panel's: then an id it answers for proves nothing, and only what it knows nothing of does.
    """
    found = {number: one for number, one in said.items() if isinstance(one, StatusReport)}
    silent = bool(strange) and not any(isinstance(said.get(number), NotOurs) for number in strange)
    talkative = silent or any(number in found for number in strange)
    proofs: dict[AttemptKey, EvidenceProof] = {}
    for suspects, numbers in _tangles(case, found):
        owners = _owners(case, suspects, {number: found[number] for number in numbers})
        for suspect in suspects:
            if suspect.key in asked:
                complete = all(said.get(number) is not None for number in asked[suspect.key])
                proofs[suspect.key] = _prove(suspect, None if talkative and numbers else owners, complete)
    return proofs


def _tangles(case: UnsureCase, found: Iterable[int]) -> list[tuple[list[SuspectOrder], list[int]]]:
    """Suspects and ids in groups: no id of one group lies in a window of another."""
    numbers = sorted(found)
    spans: list[tuple[int, int, SuspectOrder]] = []
    groups: list[tuple[list[SuspectOrder], list[int]]] = []
    for suspect in case.suspects:
        between = case.windows[suspect.key]
        end = len(numbers) if between.high is None else bisect_left(numbers, between.high)
        begin = bisect_right(numbers, between.low)
        if begin < end:
            spans.append((begin, end, suspect))
        else:
            groups.append(([suspect], []))
    upto = 0
    for begin, end, suspect in sorted(spans, key=lambda span: span[:2]):
        if begin >= upto:
            groups.append(([], []))
        groups[-1][0].append(suspect)
        groups[-1][1].extend(numbers[max(begin, upto) : end])
        upto = max(upto, end)
    return groups


_Owners = Mapping[int, frozenset[AttemptKey]]
"""Who may own each id, where every id has an owner of its own."""
_Fits = Mapping[int, Sequence[AttemptKey]]


def _owners(case: UnsureCase, suspects: Sequence[SuspectOrder], found: Mapping[int, StatusReport]) -> _Owners | None:
    """None where the ids cannot all be orders of these attempts, or where too many are tangled."""
    if not found:
        return {}
    if max(len(suspects), len(found)) > MOST_TANGLED:
        return None
    fits: _Fits = {
        number: [one.key for one in suspects if case.windows[one.key].holds(number) and _fits(one, report)]
        for number, report in found.items()
    }
    if not _can_pair(fits):
        return None
    charged = _charged(case, suspects, found, fits)
    fits = charged if _can_pair(charged) else fits
    possible = {number: frozenset(key for key in keys if _can_pair(fits, number, key)) for number, keys in fits.items()}
    return _settle_alike({one.key: one for one in suspects}, possible)


def _fits(suspect: SuspectOrder, report: StatusReport) -> bool:
    """Nobody has more left to deliver than was ordered."""
    return report.remains is None or report.remains <= suspect.quantity


def _charged(
    case: UnsureCase, suspects: Sequence[SuspectOrder], found: Mapping[int, StatusReport], fits: _Fits
) -> _Fits:
    """Who may own each id by its charge too. One charge, or one price, that is not known tells nothing of any."""
    prices: dict[AttemptKey, tuple[UnitPrice, int]] = {}
    for one in suspects:
        known = price(case.bills, one.service, one.quantity, one.sent, one.closed)
        if known is None or not all(compares(report, known) for report in found.values()):
            return fits
        prices[one.key] = known, one.quantity
    return {number: [key for key in keys if may_cost(*prices[key], found[number])] for number, keys in fits.items()}


def _can_pair(fits: _Fits, number: int | None = None, key: AttemptKey | None = None) -> bool:
    """Whether every id can have an owner of its own; with ``number`` and ``key``, when that one owns that id."""
    paired: dict[AttemptKey, int] = {}
    closed = set() if key is None else {key}
    return all(_augment(one, fits, paired, set(closed)) for one in fits if one != number)


def _augment(number: int, fits: _Fits, paired: dict[AttemptKey, int], seen: set[AttemptKey]) -> bool:
    """Finds an owner for one more id, moving others where need be. No path is longer than MOST_TANGLED."""
    for key in fits[number]:
        if key not in seen:
            seen.add(key)
            if key not in paired or _augment(paired[key], fits, paired, seen):
                paired[key] = number
                return True
    return False


def _settle_alike(suspects: Mapping[AttemptKey, SuspectOrder], possible: _Owners) -> _Owners:
    """Alike attempts that own as many ids as they are, and share them with nobody, own one each in their order.

    Which of them owns which nobody could tell, and it changes nothing: the same was asked for by each.
    """
    settled = dict(possible)
    for keys in set(possible.values()):
        numbers = sorted(number for number, owners in possible.items() if owners == keys)
        shared = any(keys & owners for number, owners in possible.items() if number not in numbers)
        alike = len({suspects[key].alike for key in keys}) == 1
        if alike and not shared and len(numbers) == len(keys):
            in_order = sorted(keys, key=lambda key: (suspects[key].sent, key))
            settled.update((number, frozenset((key,))) for number, key in zip(numbers, in_order, strict=True))
    return settled


def _prove(suspect: SuspectOrder, owners: _Owners | None, complete: bool) -> EvidenceProof:
    if owners is None:
        return EvidenceProof(Conclusion.AMBIGUOUS)
    mine = [number for number, keys in owners.items() if suspect.key in keys]
    alone = [number for number in mine if len(owners[number]) == 1]
    if alone:
        return EvidenceProof(Conclusion.BOUGHT, alone[0])
    if mine:
        return EvidenceProof(Conclusion.AMBIGUOUS)
    return EvidenceProof(Conclusion.NOT_BOUGHT if complete else Conclusion.UNANSWERED)


def after_not_bought(times: int, *, refused: bool, routes_left: bool, hold_when_refused: bool) -> Verdict:
    """What becomes of a delivery proved not to have been bought, ``times`` times at this provider: where nothing
    refused it, it is sent again; one that is never taken in goes on as if it were refused."""
    if times < SENT_AGAIN and not refused:
        return Verdict(DeliveryState.QUEUED, later=True)
    return after_sending(Declined(""), routes_left=routes_left, hold_when_refused=hold_when_refused)
