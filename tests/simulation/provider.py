"""Providers that fail and lie by plan, each with a book of what it really took: the ground truth of a scenario."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct
from tests.corpus.corpus import rows
from tests.simulation.model.connection import Pause
from tests.simulation.rng import Rng

from opensmm.domain import requests
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import RefillStatus
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.client import HttpAnswer, PanelClient
from opensmm.providers.id_forms import KnownForms
from opensmm.providers.redaction import Redaction
from opensmm.providers.sandbox import behaviour
from opensmm.wire import provider_answers
from opensmm.wire.v2 import V2

SPEEDS = (0.02, 0.2, 1.0)
"""How fast an order goes: it ends 400, 40 or 8 seconds after it was placed."""
CALL_WITHIN_S = 20.0
TAKEN_IN_WITHIN = timedelta(seconds=25)
"""What lies in a proxy's queue may become an order so long after the last byte of the request."""
FIRST_ID = 1_000
SCATTERED_OVER = 10**9
FAR_TOO_MUCH = 10_000
"""Times the quantity: what remains is then more than anybody ordered. Evidence has to believe what could be."""


class Habit(StrEnum):
    """How a provider numbers its orders, and of whose orders it tells."""

    ALONE = "ids of ours alone"
    AMONG_STRANGERS = "ids among strangers'"
    TALKATIVE = "tells of strangers' orders"
    SCATTERED = "ids that do not grow"


class Billing(StrEnum):
    """What a provider says that an order costs."""

    BY_UNIT = "by unit"
    ROUNDED = "by unit, rounded up"
    FALLING = "by unit delivered"
    FLAT = "the same for all"


UNIT_COST = {"11": 73, "12": 12, "13": 333, "14": 7, "16": 2050, "21": 91, "23": 30, "25": 10, "26": 1999}
"""By service, in hundred-thousandths."""


class AddFault(StrEnum):
    NONE = "taken"
    REFUSED = "refused"
    TURNED_AWAY = "turned away: our key or our money"
    PUT_OFF = "put off"
    UNREACHABLE = "unreachable"
    SILENT_BEFORE = "timed out before taking"
    SILENT_AFTER = "timed out after taking"
    LATE = "timed out, and taken in late"
    GARBLED_BEFORE = "garbled without taking"
    GARBLED_AFTER = "garbled after taking"
    BROKEN_BEFORE = "HTTP 500 without taking"
    BROKEN_AFTER = "HTTP 500 after taking"
    WRONG_ID = "told another order's id"


class Lie(StrEnum):
    """What is wrong with one line of an answer to ``status``."""

    NONE = "the truth"
    TOO_MUCH = "remains above the quantity"
    NEGATIVE = "remains below 0"
    NO_REMAINS = "no remains"
    UNKNOWN_WORD = "an unknown word"
    ERROR = "a look-up error"
    MISSING = "left out"
    MISSPELT = "Cancelled"
    TWICE = "spoken of twice"


TAKING = (
    AddFault.NONE,
    AddFault.SILENT_AFTER,
    AddFault.GARBLED_AFTER,
    AddFault.BROKEN_AFTER,
    AddFault.WRONG_ID,
)
GARBAGE = (b"<html>Please log in</html>", b"", b'{"order":', b'{"error":"Something went wrong"}', b'{"order":null}')


def _from_corpus(*reads: str) -> tuple[bytes, ...]:
    """What real panels answer to an ``add``, in the words of ``tests/corpus``."""
    return tuple(row.body for row in rows("add") if row.reads in reads and row.status == 200)


ADD_GARBAGE = (*GARBAGE, *_from_corpus("unsure"))
REFUSALS = _from_corpus("declined")
TURNINGS_AWAY = _from_corpus("turned away, funds", "turned away, key")
WORDS_ABOUT_US = frozenset(provider_answers.read_order(body).answer for body in TURNINGS_AWAY)
PUTTINGS_OFF = _from_corpus("put off", "put off, one service")
SPELT = {
    OrderStatus.PENDING: ("Pending", "pending", "PENDING", "Awaiting", "queued", "on-hold"),
    OrderStatus.PROCESSING: ("Processing",),
    OrderStatus.IN_PROGRESS: ("In progress", "in_progress", "Inprogress"),
    OrderStatus.COMPLETED: ("Completed", "completed", "Done", "tasks.status.complete"),
    OrderStatus.PARTIAL: ("Partial", "partial", "Partially completed"),
    OrderStatus.CANCELED: ("Canceled", "Cancelled", "canceled", "Refunded", "Rejected", "Error"),
}


class Said(Struct, frozen=True):
    """A line that can be understood: what the panel may believe of an order. ``remains`` None: nothing of use. ``at``
    is by the database's clock."""

    at: datetime
    status: OrderStatus
    remains: int | None


class BookOrder(Struct):
    id: int
    link: str
    quantity: int
    unit_cost: int
    placed: datetime
    plan: behaviour.DeliveryPlan
    speed: float
    said: list[Said]
    canceled: datetime | None = None
    refills: int = 0


class BookRefill(Struct, frozen=True):
    id: int
    order: BookOrder
    asked: datetime


class Provider:
    """One provider: its book, its refills, and whether it can be reached.

    ``misled``: links of the orders that were told the id of another one that the panel did not know of.
    """

    def __init__(self, number: int, world: "Surroundings", habit: Habit, billing: Billing) -> None:
        self.number = number
        self.world = world
        self.habit = habit
        self.billing = billing
        self.book: dict[int, BookOrder] = {}
        self.refills: dict[int, BookRefill] = {}
        self.down_until: datetime | None = None
        self.misled: set[str] = set()
        self._newest = FIRST_ID
        self._queue: list[tuple[datetime, requests.AddOrder]] = []

    def age_s(self, order: BookOrder, until: datetime) -> float:
        return (until - order.placed).total_seconds() * order.speed

    def moment(self, order: BookOrder) -> behaviour.SandboxState:
        stopped = None if order.canceled is None else self.age_s(order, order.canceled)
        return behaviour.state_at(order.plan, order.quantity, self.age_s(order, self.world.now), stopped)

    def charge(self, order: BookOrder, moment: behaviour.SandboxState) -> str:
        units = order.quantity
        if self.billing is Billing.FALLING or moment.status in (OrderStatus.PARTIAL, OrderStatus.CANCELED):
            units -= moment.remains
        match self.billing:
            case Billing.BY_UNIT | Billing.FALLING:
                return f"{units * order.unit_cost / 100_000:.5f}"
            case Billing.ROUNDED:
                return f"{-(-units * order.unit_cost // 1000) / 100:.2f}"
            case Billing.FLAT:
                return "0.1"

    def is_down(self) -> bool:
        return self.down_until is not None and self.world.now < self.down_until

    def take(self, request: requests.AddOrder, at: datetime) -> BookOrder:
        speed = SPEEDS[len(self.book) % len(SPEEDS)]
        plan = _unstuck(behaviour.plan(request.link)) if self.world.weather() is None else behaviour.plan(request.link)
        order = BookOrder(
            self._next_id(), request.link, request.quantity or 1, UNIT_COST[request.their_service], at, plan, speed, []
        )
        self.book[order.id] = order
        self.world.took(self, order)
        return order

    def _next_id(self) -> int:
        self._newest += 1
        dice = Rng(self._newest)
        if self.habit is Habit.SCATTERED:
            return 1 + dice.below(SCATTERED_OVER)
        if self.habit is not Habit.ALONE:
            self._newest += dice.below(4 if self.habit is Habit.AMONG_STRANGERS else 2)
        return self._newest

    def take_late(self, request: requests.AddOrder, dice: Rng) -> None:
        """To be taken in some time after the call is over."""
        late = timedelta(milliseconds=dice.below(int(TAKEN_IN_WITHIN.total_seconds() * 1000)))
        self._queue.append((self.world.now + late, request))

    def take_what_is_late(self) -> None:
        """Before anybody looks at the book."""
        ripe = sorted((one for one in self._queue if one[0] <= self.world.now), key=lambda one: one[0])
        self._queue = [one for one in self._queue if one[0] > self.world.now]
        for at, request in ripe:
            self.take(request, at)

    def tells_of(self, number: int) -> bool:
        """A stranger's order that this provider answers for as if it were ours."""
        return self.habit is Habit.TALKATIVE and number <= self._newest

    def finish_what_is_stuck(self) -> None:
        """Faults have stopped: what would stay pending for ever goes its way."""
        for order in self.book.values():
            order.plan = _unstuck(order.plan)


def _unstuck(plan: behaviour.DeliveryPlan) -> behaviour.DeliveryPlan:
    stuck = plan.behaviour is behaviour.Behaviour.STUCK
    return behaviour.DeliveryPlan(behaviour.Behaviour.COMPLETE) if stuck else plan


class Surroundings:
    """What a provider knows of the world. ``weather``: the dice of the moment, or None once faults have stopped.

    ``gentle``: how much more seldom than in rough weather anything goes wrong.
    """

    now: datetime
    gentle: int

    def database_now(self) -> datetime:
        raise NotImplementedError

    def weather(self) -> Rng | None:
        raise NotImplementedError

    def took(self, provider: Provider, order: BookOrder) -> None:
        raise NotImplementedError

    def met(self, fault: str, state: str) -> None:
        raise NotImplementedError

    def state_at(self, provider: int, order: int) -> str:
        """The state of the delivery that bears this id; "unknown" where none does."""
        raise NotImplementedError


RARE: dict[type, int] = {requests.GetRefillStatus: 6, requests.RequestRefills: 6}
"""What is asked seldom goes wrong more often, so that every way is met."""


class Caller(PanelClient):
    """The panel's own client, with a provider of the simulation at the other end of the wire."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._url = f"simulated:{provider.number}"
        self._dialect = V2
        self._timeout_s = CALL_WITHIN_S
        self._redaction = Redaction("the key of a simulated provider")
        self.forms = KnownForms()

    async def _post(self, request: requests.Request, within_s: float | None = None) -> HttpAnswer:
        until = self._provider.world.now + timedelta(seconds=CALL_WITHIN_S)
        await Pause("asking")
        if self._provider.world.now >= until:
            raise TimeoutError  # the client's bound for a whole call: nothing leaves any more
        answer = self._answer(request)
        await Pause("answering")
        if isinstance(answer, Exception):
            raise answer
        return HttpAnswer(200, answer)

    def _answer(self, request: requests.Request) -> bytes | Exception:
        provider = self._provider
        dice = provider.world.weather()
        provider.take_what_is_late()
        if provider.is_down() and dice is not None:
            provider.world.met(AddFault.UNREACHABLE, type(request).__name__.lower())
            return aiohttp.ConnectionTimeoutError()
        if isinstance(request, requests.AddOrder):
            return _added(provider, request, dice)
        if dice is not None and dice.once_in(RARE.get(type(request), 25)):
            return _no_answer(provider, request, dice)
        match request:
            case requests.GetStatus(orders=ids):
                return _statuses(provider, ids.numbers, dice) if ids.many else _status(provider, ids.numbers[0], dice)
            case requests.RequestRefills(orders=ids):
                refills = _refilled(provider, ids.numbers)
                return msgspec.json.encode(refills if ids.many else {"refill": refills[0]["refill"]})
            case requests.GetRefillStatus(refills=ids):
                states = _refill_statuses(provider, ids.numbers)
                return msgspec.json.encode(states if ids.many else {"status": states[0]["status"]})
            case requests.CancelOrders(orders=ids):
                return _canceled(provider, ids.numbers, dice)
            case _:
                raise AssertionError(request)


def _no_answer(provider: Provider, request: requests.Request, dice: Rng) -> bytes | Exception:
    kinds: Sequence[tuple[str, Callable[[], bytes | Exception]]] = (
        ("timed out", TimeoutError),
        ("HTTP 500", lambda: NoAnswer(AT_500)),
        ("garbled", lambda: dice.one_of(GARBAGE)),
    )
    name, make = dice.one_of(kinds)
    provider.world.met(name, type(request).__name__.lower())
    return make()


AT_500 = CallFault(CallCode.HTTP_STATUS, {"status": 500, "words": "<html>"})
OFTEN = (AddFault.NONE, AddFault.REFUSED, AddFault.TURNED_AWAY, AddFault.PUT_OFF, AddFault.UNREACHABLE)
_ADD_FAULTS = (
    *(AddFault.NONE,) * 24,
    *(AddFault.REFUSED,) * 4,
    *(AddFault.TURNED_AWAY,) * 2,
    *(AddFault.PUT_OFF,) * 2,
    *(AddFault.UNREACHABLE,) * 4,
    *(AddFault.LATE,) * 2,
    *(fault for fault in AddFault if fault not in OFTEN),
)


def _added(provider: Provider, request: requests.AddOrder, dice: Rng | None) -> bytes | Exception:
    fault = AddFault.NONE if dice is None or not dice.once_in(provider.world.gentle) else dice.one_of(_ADD_FAULTS)
    wrong = 0 if dice is None else _wrong_id(provider, dice)
    if fault is AddFault.WRONG_ID and not wrong:
        fault = AddFault.NONE
    provider.world.met(fault, "add")
    order = provider.take(request, provider.world.now) if fault in TAKING else None
    match fault:
        case AddFault.NONE:
            assert order is not None
            return b'{"order":%d}' % order.id
        case AddFault.WRONG_ID:
            if provider.world.state_at(provider.number, wrong) == "unknown":
                provider.misled.add(request.link)
            return b'{"order":"%d"}' % wrong
        case AddFault.LATE:
            assert dice is not None
            provider.take_late(request, dice)
            return TimeoutError()
        case AddFault.REFUSED:
            assert dice is not None
            return dice.one_of(REFUSALS)
        case AddFault.TURNED_AWAY:
            assert dice is not None
            return dice.one_of(TURNINGS_AWAY)
        case AddFault.PUT_OFF:
            assert dice is not None
            return dice.one_of(PUTTINGS_OFF)
        case AddFault.UNREACHABLE:
            return aiohttp.ConnectionTimeoutError()
        case AddFault.SILENT_BEFORE | AddFault.SILENT_AFTER:
            return TimeoutError()
        case AddFault.BROKEN_BEFORE | AddFault.BROKEN_AFTER:
            return NoAnswer(AT_500)
        case AddFault.GARBLED_BEFORE | AddFault.GARBLED_AFTER:
            assert dice is not None
            return dice.one_of(ADD_GARBAGE)


def _wrong_id(provider: Provider, dice: Rng) -> int:
    """Another order's id, or 0. Where ids grow, one that the panel knows: nobody could notice another."""
    if not provider.book:
        return 0
    number = dice.one_of(list(provider.book))
    unnoticed = provider.world.state_at(provider.number, number) == "unknown"
    return 0 if unnoticed and provider.habit is not Habit.SCATTERED else number


def _statuses(provider: Provider, numbers: Sequence[int], dice: Rng | None) -> bytes:
    lines = [b'"%d":%b' % (number, line) for number in numbers for line in _told(provider, number, dice)]
    if dice is not None and dice.once_in(6):
        lines.reverse()
    return b"{%b}" % b",".join(lines)


def _status(provider: Provider, number: int, dice: Rng | None) -> bytes:
    """The answer for one order in the singular, without words where it is left out, or would be spoken of twice."""
    lines = _told(provider, number, dice)
    return lines[0] if len(lines) == 1 else b"{}"


def _told(provider: Provider, number: int, dice: Rng | None) -> Sequence[bytes]:
    order = provider.book.get(number)
    if order is None and provider.tells_of(number):
        return [b'{"charge":"0.1","start_count":"7","status":"Completed","remains":"0"}']
    return [b'{"error":"Incorrect order ID"}'] if order is None else _lines(provider, order, dice)


_LIES = (*(Lie.NONE,) * 32, *(lie for lie in Lie if lie is not Lie.NONE))


def _lines(provider: Provider, order: BookOrder, dice: Rng | None) -> list[bytes]:
    moment = provider.moment(order)
    lie = Lie.NONE if dice is None else dice.one_of(_LIES)
    state = provider.world.state_at(provider.number, order.id)
    if lie is not Lie.NONE:
        provider.world.met(lie, state)
    if lie is Lie.MISSING:
        return []
    if lie is Lie.ERROR:
        # Evidence has to believe a provider that says so of an order it is asked for the first time.
        words = b"Try again later" if state == "unknown" else b"Incorrect order ID"
        return [b'{"error":"%b"}' % words]
    spelt = SPELT[moment.status][order.id % len(SPELT[moment.status])]
    fields: dict[str, Any] = {"charge": provider.charge(order, moment), "start_count": "7", "status": spelt}
    fields["remains"] = str(moment.remains)
    status, remains = moment.status, moment.remains if 0 <= moment.remains <= order.quantity else None
    match lie:
        case Lie.TOO_MUCH:
            fields["remains"], remains = order.quantity * FAR_TOO_MUCH, None
        case Lie.NEGATIVE:
            fields["remains"], remains = "-5", None
        case Lie.NO_REMAINS:
            fields["remains"], remains = None, None
        case Lie.UNKNOWN_WORD:
            return [msgspec.json.encode(fields | {"status": "Teapot"})]
        case Lie.MISSPELT if moment.status is OrderStatus.CANCELED:
            fields["status"] = "Cancelled"
        case Lie.TWICE if moment.status is not OrderStatus.COMPLETED:
            return [msgspec.json.encode(fields), msgspec.json.encode(fields | {"status": "Completed", "remains": "0"})]
    order.said.append(Said(provider.world.database_now(), status, remains))
    return [msgspec.json.encode(fields)]


def _refilled(provider: Provider, numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [{"order": number, "refill": _refill(provider, number)} for number in numbers]


def _refill(provider: Provider, number: int) -> Any:
    order = provider.book.get(number)
    if order is None or provider.moment(order).status is not OrderStatus.COMPLETED:
        return {"error": "The order is not completed"}
    refill = BookRefill(len(provider.refills) + 1, order, provider.world.now)
    provider.refills[refill.id] = refill
    return refill.id


_REFILL_WORDS = {
    RefillStatus.PENDING: "Pending",
    RefillStatus.IN_PROGRESS: "In progress",
    RefillStatus.COMPLETED: "Completed",
    RefillStatus.REJECTED: "Rejected",
    RefillStatus.CANCELED: "Canceled",
}


def _refill_statuses(provider: Provider, numbers: Sequence[int]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for number in numbers:
        refill = provider.refills[number]
        age_s = (provider.world.now - refill.asked).total_seconds()
        lines.append({"refill": number, "status": _REFILL_WORDS[behaviour.refill_at(refill.order.plan, age_s)]})
    return lines


def _canceled(provider: Provider, numbers: Sequence[int], dice: Rng | None) -> bytes:
    return msgspec.json.encode([{"order": number, "cancel": _cancel(provider, number, dice)} for number in numbers])


def _cancel(provider: Provider, number: int, dice: Rng | None) -> Any:
    order = provider.book.get(number)
    moving = (OrderStatus.PENDING, OrderStatus.IN_PROGRESS)
    if order is None or provider.moment(order).status not in moving:
        return {"error": "Order cannot be canceled"}
    if dice is not None and dice.once_in(4):
        provider.world.met("a cancel refused", provider.world.state_at(provider.number, number))
        return {"error": "Order cannot be canceled"}
    if order.canceled is None:
        order.canceled = provider.world.now
    return number
