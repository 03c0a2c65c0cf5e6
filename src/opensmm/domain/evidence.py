"""Evidence about an ``add`` with an unclear outcome. An attempt stays unsure until something is proved.

Many providers give out growing order ids and answer only for their caller's own orders. So if an unsure order was
bought, its id lies between those of its neighbours: our orders that were answered before it was sent, and our orders
that were sent after the provider could no longer accept it. We request the ``status`` of the ids in between. If an id
is ours and belongs to no order that we know, it belongs to an unsure one. If there is no such id, nothing was bought.

A conclusion is drawn only if it holds for every possible assignment of the ids found to the provider's unsure orders.
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
from opensmm.domain.provider_charges import ChargeSample, UnitPrice, find_unit_price, is_comparable, may_cost

MOST_IDS: Final = 2000
"""Ids that are looked up for one attempt. If more lie between its neighbours, the operator has to decide."""
NEIGHBOURS: Final = 3
"""Neighbours needed on each side. Fewer could be in order by chance at a provider whose ids do not grow."""
MOST_TANGLED: Final = 50
"""Attempts, or ids, that are matched together. A larger group is left to the operator."""
CONTROLS: Final = 8
"""Ids outside every window that are looked up too. They expose a provider that answers for strangers' orders."""
CONTROLS_WITHIN: Final = 50
"""Controls are chosen from so many ids below the lowest window."""
MAX_SENDS_PER_PROVIDER: Final = 3
"""Sends of one delivery to one provider, each proved not to have bought anything, before it counts as refused."""


class Patience(Struct, frozen=True):
    """Waiting times of evidence.

    ``taking_in``: the time after an attempt's last byte in which the provider may still create its order.
    ``skew``: the least difference between two orders' times at which one counts as earlier than the other.
    """

    taking_in: timedelta = timedelta(minutes=3)
    skew: timedelta = timedelta(seconds=5)


DEFAULT_PATIENCE: Final = Patience()
_LONGEST_PAUSE: Final = timedelta(hours=12)


def pause_before_check(age: timedelta, patience: Patience) -> timedelta:
    """Returns the pause before the next check of an unsure attempt: a quarter of its ``age`` since its end."""
    return min(max(age / 4, patience.taking_in / 6), _LONGEST_PAUSE)


class EvidenceKind(StrEnum):
    """Kinds of evidence. ``neighbours``: the ids between neighbouring orders were looked up. ``operator``: a person
    decided. ``answer``: a notice, that is a provider's answer that changes no order and that the operator must see."""

    NEIGHBOURS = "neighbours"
    OPERATOR = "operator"
    ANSWER = "answer"


class Conclusion(StrEnum):
    """Results of a check. ``bought`` and ``not_bought`` are proved. ``risked`` and ``ended`` are decisions of the
    operator. ``late_acceptance``, ``completed_with_remains``, ``cancel_refused`` and ``charge_unclear`` are notices.
    All others leave an attempt unsure, and name the reason."""

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


LATE_NOTICES: Final = (Conclusion.LATE_ACCEPTANCE,)
"""Notices of late acceptances, one of two kinds in the operator's list and in ``health``."""
ODD_NOTICES: Final = (Conclusion.COMPLETED_WITH_REMAINS, Conclusion.CANCEL_REFUSED, Conclusion.CHARGE_UNCLEAR)
"""Notices of odd ends, the other kind."""
AttemptKey = tuple[OrderId, int, int]
"""An attempt's order, run and number."""


class Neighbour(Struct, frozen=True):
    """One of our orders at the provider, which gave it its id between ``sent`` and ``answered``."""

    sent: datetime
    answered: datetime
    provider_order: str


class SuspectAttempt(Struct, frozen=True):
    """An attempt that may have bought an order we do not know of.

    ``closed``: the time after which no byte of it was sent. ``alike``: equal for two attempts if nobody can tell their
    orders apart, by the link or anything else. ``resolvable``: the attempt is unsure, and old enough for a conclusion.
    ``service``: the provider's number of the service.
    """

    key: AttemptKey
    sent: datetime
    closed: datetime
    quantity: int
    alike: Hashable
    resolvable: bool
    service: str = ""


class IdWindow(Struct, frozen=True):
    """Exclusive bounds of the ids that an attempt's order may have; ``high`` is None if there is no upper bound."""

    low: int
    high: int | None

    def contains(self, number: int) -> bool:
        return self.low < number and (self.high is None or number < self.high)


class NotOurs(Struct, frozen=True):
    """An answer in ``words`` which say that this id is no order of ours."""

    words: str


IdAnswer = StatusReport | NotOurs | None
"""A provider's answer about one id; None if it is not clear."""


def _read_number(provider_order: str) -> int | None:
    plain = provider_order.isascii() and provider_order.isdigit() and len(provider_order) < 19
    return int(provider_order) if plain else None


def id_digits(neighbours: Iterable[Neighbour]) -> int | None:
    """Returns the number of digits of ids that have leading zeros, and 0 for ids without them.

    Returns None if an id is no number, or if ids with leading zeros differ in length.
    """
    orders = {neighbour.provider_order for neighbour in neighbours}
    if any(_read_number(order) is None for order in orders):
        return None
    lengths = {len(order) for order in orders}
    if not any(order.startswith("0") for order in orders):
        return 0
    return lengths.pop() if len(lengths) == 1 else None


def ids_grow(neighbours: Iterable[Neighbour], skew: timedelta) -> bool:
    """Returns True if all ids are numbers of one notation, and no order has a smaller id than one that was clearly
    answered before it was sent."""
    by_answer = sorted(set(neighbours), key=lambda neighbour: neighbour.answered)
    by_sending = sorted(by_answer, key=lambda neighbour: neighbour.sent)
    if id_digits(by_answer) is None:
        return False
    # In order of sending: ``highest`` is the largest of the ids that were clearly given before this order was sent.
    highest, passed = -1, 0
    for later in by_sending:
        while passed < len(by_answer) and by_answer[passed].answered + skew < later.sent:
            highest = max(highest, int(by_answer[passed].provider_order))
            passed += 1
        if int(later.provider_order) <= highest:
            return False
    return True


class _Timeline:
    """A provider's neighbours in order of time. Their ids must grow."""

    def __init__(self, neighbours: Iterable[Neighbour]) -> None:
        answered = sorted((neighbour.answered, int(neighbour.provider_order)) for neighbour in neighbours)
        sent = sorted((neighbour.sent, int(neighbour.provider_order)) for neighbour in neighbours)
        # Running bounds: the highest id answered up to each neighbour, and the lowest one sent from each on.
        self._answered = [at for at, _ in answered]
        self._sent = [at for at, _ in sent]
        self._highest = list(accumulate(((number, at) for at, number in answered), max))
        self._lowest = list(accumulate(((number, at) for at, number in reversed(sent)), min))[::-1]

    def locate(self, suspect: SuspectAttempt, patience: Patience) -> "_Location":
        """Returns the ids that this attempt's order may have, its neighbours on each side, and the bounds in time."""
        before = bisect_left(self._answered, suspect.sent - patience.skew)
        after = bisect_right(self._sent, suspect.closed + patience.taking_in + patience.skew)
        low, since = self._highest[before - 1] if before else (0, suspect.sent)
        high, until = self._lowest[after] if after < len(self._sent) else (None, suspect.closed)
        return _Location(IdWindow(low, high), NeighbourCount(before, len(self._sent) - after), since, until)


class NeighbourCount(Struct, frozen=True):
    """The number of an attempt's neighbours before it and after it."""

    earlier: int
    later: int


class _Location(Struct, frozen=True):
    """An attempt's place among its neighbours. ``since`` and ``until`` are the times of the two that bound it."""

    window: IdWindow
    count: NeighbourCount
    since: datetime
    until: datetime

    def spans(self, steps: Iterable[ClockStep], skew: timedelta) -> bool:
        """Returns True if the clock stepped in between: then the order of times is not reliable."""
        return any(
            step.breaks and step.since - skew <= self.until and self.since <= step.until + skew for step in steps
        )


class UnsureCase(Struct, frozen=True):
    """The facts about one provider's unsure orders.

    ``suspects``: all attempts that may own an unknown id. ``windows``: the ids that each may own.
    ``undecidable_now``: attempts that cannot be judged, with the reason; later orders may be the neighbours that one
    lacks. ``samples``: charges of our completed orders around them. ``neighbour_counts``: each attempt's neighbours.
    """

    suspects: tuple[SuspectAttempt, ...]
    windows: Mapping[AttemptKey, IdWindow]
    undecidable_now: Mapping[AttemptKey, Conclusion]
    samples: Sequence[ChargeSample] = ()
    neighbour_counts: Mapping[AttemptKey, NeighbourCount] = {}


def widen_over_steps(steps: Sequence[ClockStep], suspect: SuspectAttempt, patience: Patience) -> SuspectAttempt:
    """Returns the suspect with its times moved outside all steps of the clock that are near it.

    The attempt ended at most ``closed - sent`` after a step within it, so ``closed`` is moved that far beyond the step.
    Times within a step prove nothing. Widened times may come near another step, so this is repeated until none is near.
    """
    lasted = max(suspect.closed - suspect.sent, timedelta(0))
    within = patience.taking_in + 2 * patience.skew
    sent, closed = suspect.sent, suspect.closed
    while True:
        near = [step for step in steps if step.since <= closed + within and step.until + patience.skew >= sent]
        earliest = min((sent, *(step.since for step in near)))
        latest = max((closed, *(step.until + lasted for step in near)))
        if (earliest, latest) == (sent, closed):
            return structs.replace(suspect, sent=sent, closed=closed)
        sent, closed = earliest, latest


def open_case(
    suspects: Sequence[SuspectAttempt],
    neighbours: Sequence[Neighbour],
    patience: Patience,
    samples: Sequence[ChargeSample] = (),
    steps: Sequence[ClockStep] = (),
) -> UnsureCase:
    """Returns the case with a window for every suspect. The suspects' times must lie outside all steps of the clock.

    A suspect is undecidable now if it has too few neighbours on one side, if ids do not grow, if a step of the clock
    lies between its neighbours, or if its window is far too wide.
    """
    neighbours = list(set(neighbours))
    growing = ids_grow(neighbours, patience.skew)
    timeline = _Timeline(neighbours if growing else ())
    windows: dict[AttemptKey, IdWindow] = {}
    counts: dict[AttemptKey, NeighbourCount] = {}
    undecidable_now: dict[AttemptKey, Conclusion] = {}
    for suspect in suspects:
        location = timeline.locate(suspect, patience)
        windows[suspect.key] = location.window
        counts[suspect.key] = location.count
        if location.spans(steps, patience.skew):
            undecidable_now[suspect.key] = Conclusion.CLOCK_STEPPED
        elif not growing:
            undecidable_now[suspect.key] = Conclusion.NOT_GROWING
        elif min(location.count.earlier, location.count.later) < NEIGHBOURS:
            undecidable_now[suspect.key] = Conclusion.NO_NEIGHBOURS
        elif _count_ids(location.window) > 2 * MOST_IDS:
            # Ids of ours inside the window are not known yet, so twice the limit may still be few enough.
            undecidable_now[suspect.key] = Conclusion.TOO_MANY_IDS
    return UnsureCase(tuple(suspects), windows, undecidable_now, samples, counts)


def _count_ids(window: IdWindow) -> int:
    # Without an upper bound there are no later neighbours: the suspect is undecidable already, whatever this returns.
    return 0 if window.high is None else window.high - window.low - 1


def ids_around(windows: Iterable[IdWindow]) -> list[int]:
    """Returns the ids inside bounded windows, and those just below them, from which controls are chosen."""
    spans = (range(max(1, window.low - CONTROLS_WITHIN), window.high) for window in windows if window.high is not None)
    return sorted({number for span in spans for number in span})


def ids_to_look_up(window: IdWindow, our_ids: frozenset[int]) -> list[int] | None:
    """Returns the ids inside a window that are not orders of ours; None if they are too many."""
    if window.high is None:
        return None
    unknown = [number for number in range(window.low + 1, window.high) if number not in our_ids]
    return unknown if len(unknown) <= MOST_IDS else None


def choose_controls(case: UnsureCase, keys: Iterable[AttemptKey], our_ids: frozenset[int]) -> list[int]:
    """Returns ids that are not ours from just below the windows of ``keys``, first those in no suspect's window.

    An old suspect may have a window without an upper bound. Ids inside it are still better than no controls. There are
    no controls if all ids nearby are ours: then none is a stranger's either.
    """
    lowest = min((case.windows[key].low for key in keys), default=0)
    nearby = range(lowest - 1, max(0, lowest - CONTROLS_WITHIN), -1)
    unknown = [number for number in nearby if number not in our_ids]
    unknown.sort(key=lambda number: any(window.contains(number) for window in case.windows.values()))
    return unknown[:CONTROLS]


class Judgement(Struct, frozen=True):
    """A conclusion about an attempt, proved or not. ``provider_order``: the id of the bought order, if it is proved."""

    conclusion: Conclusion
    provider_order: int | None = None


def weaken(judgement: Judgement) -> Judgement:
    """Returns the judgement that remains if an id that was found may belong to an order that is no suspect."""
    return Judgement(Conclusion.AMBIGUOUS) if judgement.conclusion is Conclusion.BOUGHT else judgement


def judge(
    case: UnsureCase,
    ids_by_attempt: Mapping[AttemptKey, Sequence[int]],
    answers: Mapping[int, IdAnswer],
    control_ids: Sequence[int] = (),
) -> dict[AttemptKey, Judgement]:
    """Returns a judgement on every suspect in ``ids_by_attempt``, from the provider's ``answers`` by id.

    A provider is untrusted if it answers for a control, or clearly denies none of them: its reports may be of
    strangers' orders. They prove nothing; only its denials do.
    """
    reports = {number: answer for number, answer in answers.items() if isinstance(answer, StatusReport)}
    denies_none = bool(control_ids) and not any(isinstance(answers.get(number), NotOurs) for number in control_ids)
    is_untrusted = denies_none or any(number in reports for number in control_ids)
    judgements: dict[AttemptKey, Judgement] = {}
    for suspects, numbers in _split_into_groups(case, reports):
        unusable = is_untrusted and numbers
        owners = None if unusable else _find_owners(case, suspects, {number: reports[number] for number in numbers})
        for suspect in suspects:
            if suspect.key in ids_by_attempt:
                complete = all(answers.get(number) is not None for number in ids_by_attempt[suspect.key])
                judgements[suspect.key] = _judge_suspect(suspect, owners, complete)
    return judgements


def _split_into_groups(case: UnsureCase, ids: Iterable[int]) -> list[tuple[list[SuspectAttempt], list[int]]]:
    """Splits suspects and ids into independent groups: no id of one group lies in a window of another."""
    numbers = sorted(ids)
    spans: list[tuple[int, int, SuspectAttempt]] = []
    groups: list[tuple[list[SuspectAttempt], list[int]]] = []
    for suspect in case.suspects:
        window = case.windows[suspect.key]
        end = len(numbers) if window.high is None else bisect_left(numbers, window.high)
        begin = bisect_right(numbers, window.low)
        if begin < end:
            spans.append((begin, end, suspect))
        else:
            groups.append(([suspect], []))
    # Windows that share an id chain into one group; ``grouped`` ids lie in groups already.
    grouped = 0
    for begin, end, suspect in sorted(spans, key=lambda span: span[:2]):
        if begin >= grouped:
            groups.append(([], []))
        groups[-1][0].append(suspect)
        groups[-1][1].extend(numbers[max(begin, grouped) : end])
        grouped = max(grouped, end)
    return groups


_Owners = Mapping[int, frozenset[AttemptKey]]
"""The attempts that may own each id, given that every id has an owner of its own."""
_Candidates = Mapping[int, Sequence[AttemptKey]]
"""The attempts that fit each id, looked at by itself."""


def _find_owners(
    case: UnsureCase, suspects: Sequence[SuspectAttempt], reports: Mapping[int, StatusReport]
) -> _Owners | None:
    """Returns the possible owners of each id; None if the ids cannot all belong to these attempts, or if the group is
    too large."""
    if not reports:
        return {}
    if max(len(suspects), len(reports)) > MOST_TANGLED:
        return None
    candidates: _Candidates = {
        number: [
            suspect.key
            for suspect in suspects
            if case.windows[suspect.key].contains(number) and _may_report(suspect, report)
        ]
        for number, report in reports.items()
    }
    if not _can_pair(candidates):
        return None
    # Charges that leave some id without an owner are wrong, and then none of them counts.
    charged = _narrow_by_charge(case, suspects, reports, candidates)
    candidates = charged if _can_pair(charged) else candidates
    possible = {
        number: frozenset(key for key in keys if _can_pair(candidates, number, key))
        for number, keys in candidates.items()
    }
    return _assign_alike({suspect.key: suspect for suspect in suspects}, possible)


def _may_report(suspect: SuspectAttempt, report: StatusReport) -> bool:
    """Returns False if more remains than the attempt ordered."""
    return report.remains is None or report.remains <= suspect.quantity


def _narrow_by_charge(
    case: UnsureCase, suspects: Sequence[SuspectAttempt], reports: Mapping[int, StatusReport], candidates: _Candidates
) -> _Candidates:
    """Narrows the candidates by the ids' charges; changes nothing unless every charge and every price is known."""
    prices: dict[AttemptKey, tuple[UnitPrice, int]] = {}
    for suspect in suspects:
        unit_price = find_unit_price(case.samples, suspect.service, suspect.quantity, suspect.sent, suspect.closed)
        if unit_price is None or not all(is_comparable(report, unit_price) for report in reports.values()):
            return candidates
        prices[suspect.key] = unit_price, suspect.quantity
    return {
        number: [key for key in keys if may_cost(*prices[key], reports[number])] for number, keys in candidates.items()
    }


def _can_pair(candidates: _Candidates, number: int | None = None, key: AttemptKey | None = None) -> bool:
    """Returns True if every id can have an owner of its own; with ``number`` and ``key``, if it can while that attempt
    owns that id. It is a bipartite matching by augmenting paths."""
    paired: dict[AttemptKey, int] = {}
    closed = set() if key is None else {key}
    return all(_augment(one, candidates, paired, set(closed)) for one in candidates if one != number)


def _augment(number: int, candidates: _Candidates, paired: dict[AttemptKey, int], seen: set[AttemptKey]) -> bool:
    """Finds an owner for one more id, and moves other ids to other owners if necessary. Extends ``paired``.

    The recursion is at most MOST_TANGLED deep.
    """
    for key in candidates[number]:
        if key not in seen:
            seen.add(key)
            if key not in paired or _augment(paired[key], candidates, paired, seen):
                paired[key] = number
                return True
    return False


def _assign_alike(suspects: Mapping[AttemptKey, SuspectAttempt], possible: _Owners) -> _Owners:
    """Gives each of ``n`` alike attempts one id, in order of time, if they alone own exactly ``n`` ids.

    Nobody could tell which attempt bought which id, and it makes no difference: all of them ordered the same.
    """
    assigned = dict(possible)
    for keys in set(possible.values()):
        numbers = sorted(number for number, owners in possible.items() if owners == keys)
        shared = any(keys & owners for number, owners in possible.items() if number not in numbers)
        alike = len({suspects[key].alike for key in keys}) == 1
        if alike and not shared and len(numbers) == len(keys):
            in_order = sorted(keys, key=lambda key: (suspects[key].sent, key))
            assigned.update((number, frozenset((key,))) for number, key in zip(numbers, in_order, strict=True))
    return assigned


def _judge_suspect(suspect: SuspectAttempt, owners: _Owners | None, complete: bool) -> Judgement:
    """Judges one suspect. ``owners`` is None if nobody can tell. ``complete``: the provider answered for each id."""
    if owners is None:
        return Judgement(Conclusion.AMBIGUOUS)
    mine = [number for number, keys in owners.items() if suspect.key in keys]
    alone = [number for number in mine if len(owners[number]) == 1]
    if alone:
        return Judgement(Conclusion.BOUGHT, alone[0])
    if mine:
        return Judgement(Conclusion.AMBIGUOUS)
    return Judgement(Conclusion.NOT_BOUGHT if complete else Conclusion.UNANSWERED)


def after_not_bought(times: int, *, refused: bool, routes_left: bool, hold_when_refused: bool) -> Verdict:
    """Returns the next step of a delivery that was proved not to have been bought, ``times`` times at this provider.

    It is sent again, unless the provider refused it, or the provider never accepts it: then it counts as refused.
    ``refused``: its answer already read as a refusal, but alone proved nothing.
    """
    if times < MAX_SENDS_PER_PROVIDER and not refused:
        return Verdict(DeliveryState.QUEUED, later=True)
    return after_sending(Declined(""), routes_left=routes_left, hold_when_refused=hold_when_refused)
