"""A seeded world: one seed is one scenario, and replays the same to the last event."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from unittest.mock import patch
from uuid import UUID

import msgspec
from tests.simulation import customers as people
from tests.simulation.checks import Checks
from tests.simulation.clocks import ProcessClock
from tests.simulation.customers import Customer
from tests.simulation.model.connection import Fate, Line
from tests.simulation.model.tables import (
    Change,
    CustomerRow,
    DeliveryRow,
    EvidenceRow,
    OrderRow,
    ProviderRow,
    Sale,
    Store,
)
from tests.simulation.operator import Operator
from tests.simulation.provider import Billing, BookOrder, Habit, Provider, Surroundings
from tests.simulation.rng import Rng
from tests.simulation.running import Broken, Process, Task, installed
from tests.simulation.staff import REST, SIMULATED, Api, Worker

from opensmm.actions import order_placing as placements
from opensmm.actions import sending as dispatching
from opensmm.base.ids import PriceListId, ServiceId
from opensmm.domain.catalogue import Catalogue, DeliveryMethod, Service, ServiceType

BEGINS = datetime(2026, 3, 1, tzinfo=UTC)
BOOKS_EVERY = 1000
DAY_S = 86_400
CALM_ROUNDS, SETTLED_AFTER = 170, 80
"""Of the calm day: rounds of some seconds until evidence has settled what it can and the operator the rest, then
rounds of a quarter of an hour."""
CALM_STEP_S = 4
STEPS_A_ROUND = 40
ADDS_A_ROUND = 30
UNSTEADY = 4
"""In one scenario of so many clocks are set."""
ONE_AT_A_TIME = 11
"""In one scenario of so many the first provider takes one `add` at a time."""
CLOCK_STEPS_EVERY, QUIET = 800, 4
"""Events, about, until one is; where no call hangs, one time in four."""
HANGING = ("sending", "asking")
RUSH = 400
"""Events after a step in which no time passes."""
LONGEST_STEP_S = 100
"""Calls, leases and patience are shorter here too."""
GENTLE = 3
"""Every second scenario is so much gentler, and its customers order less: what is unsure has neighbours, and is not
tangled with everything else."""


def _service(number: int, rate: str, **other: Any) -> Service:
    kind = ServiceType.PACKAGE if number == people.PACKAGE else ServiceType.DEFAULT
    fields = {"min": 1 if number == people.PACKAGE else 10, "max": 1 if number == people.PACKAGE else 10_000} | other
    fields |= {"delivery_method": DeliveryMethod.SOFTWARE_SERVICE}
    return Service(ServiceId(number), f"Service {number}", kind, "Simulated", Decimal(rate), **fields)


SERVICES = (
    _service(people.PLAIN, "0.90", refill=True, cancel=True),
    _service(people.PACKAGE, "0.12345", cancel=True),
    _service(people.DRIP, "0.33333", refill=True, cancel=True, dripfeed=True),
    _service(people.ONE_PER_LINK, "0.00777", cancel=True, one_active_per_link=True, hold_when_refused=True),
    _service(people.FREE, "0", free=True, cancel=True),
    _service(people.DEAR, "20.5", cancel=True, refill=True, refill_wait_h=1),
    _service(people.UNROUTED, "0.5"),
)
SALES = {
    people.PLAIN: Sale(((1, "11"), (2, "21"))),
    people.PACKAGE: Sale(((1, "12"),)),
    people.DRIP: Sale(((2, "23"), (1, "13"))),
    people.ONE_PER_LINK: Sale(((1, "14"),)),
    people.FREE: Sale(((2, "25"),)),
    people.DEAR: Sale(((1, "16"), (2, "26"))),
    people.UNROUTED: Sale(()),
}
CATALOGUE = Catalogue(
    1,
    "USD",
    {service.id: service for service in SERVICES},
    {(PriceListId(2), ServiceId(people.PLAIN)): Decimal("0.71")},
)


class Moment(msgspec.Struct, frozen=True):
    """One line of a trace."""

    event: int
    at: datetime
    says: str
    orders: tuple[int, ...]


@contextmanager
def _drawn(mark: Callable[[], UUID]) -> Iterator[None]:
    """The marks of batches and claims are the world's own."""
    with patch.object(placements, "uuid4", mark), patch.object(dispatching, "uuid4", mark):
        yield


class World(Surroundings):
    """``trace``: note what happens, for people. Without it a run is faster and otherwise the same."""

    def __init__(self, seed: int, *, trace: bool = False) -> None:
        self.seed = seed
        self.now = BEGINS
        self.event = 0
        self.coverage: Counter[tuple[str, str]] = Counter()
        self.trace: list[Moment] | None = [] if trace else None
        self.record: Callable[[Any], Any] | None = None
        self.calm = False
        self._dice = Rng(seed)
        self._numbers = count(1)
        self._marks = count(1)
        self.away_until: datetime | None = None
        self.silent_until: datetime | None = None
        """While the standby says nothing each COMMIT's wait for it is cancelled, by the operator or a restart."""
        self._taken: Counter[str] = Counter()
        self.checks = Checks(self._taken.__getitem__, self._book_order, self._was_misled)
        self.store = self.checks.store = Store(CATALOGUE, SALES, self._watch)
        self.skipped = timedelta(0)
        self.clock = ProcessClock(lambda: self.now, self.database_now, timedelta, REST)
        self.gentle = self._dice.one_of((1, GENTLE))
        one_at_a_time = seed % ONE_AT_A_TIME == 2
        self.unsteady = seed % UNSTEADY == UNSTEADY - 2
        self._rush_until = 0
        self._steps, self._rounds = (680, 850) if self.gentle == 1 else (800, 940)
        drawn = self._dice.one_of
        self.providers = [Provider(number, self, drawn(tuple(Habit)), drawn(tuple(Billing))) for number in (1, 2)]
        for provider in self.providers:
            rate = Decimal("1.1") if provider.number == 2 else Decimal(1)
            row = ProviderRow(provider.number, f"P{provider.number}", 0, None, rate)
            row.adds_at_a_time = 1 if one_at_a_time and provider.number == 1 else None
            self.store.providers[provider.number] = row
        self.customers = [Customer(number, 1 + number % 2, self) for number in range(1, 7)]
        self.operator = Operator(self)
        self._running: Process | None = None
        self._task_name = ""

    def database_now(self) -> datetime:
        return self.now + self.skipped

    # What a provider, and whoever asks, may know of the world.

    def weather(self) -> Rng | None:
        return None if self.calm else self._dice

    def took(self, provider: Provider, order: BookOrder) -> None:
        self._taken[order.link] += 1
        self.note(f"provider {provider.number} takes {order.id}", self._linked(order.link))
        self.checks.bought_once(order.link)

    def met(self, fault: str, state: str) -> None:
        self.coverage[str(fault), state] += 1
        if self.trace is not None:
            self.note(f"{fault} ({state})", ())

    def state_at(self, provider: int, order: int) -> str:
        attempt = self.store.provider_orders.get((provider, str(order)))
        return "unknown" if attempt is None else self.store.deliveries[attempt.order, attempt.run].state

    def next_number(self) -> int:
        return next(self._numbers)

    def highest_order(self) -> int:
        return next(reversed(self.store.orders), 0)

    def _book_order(self, provider: int, order: str) -> BookOrder | None:
        return self.providers[provider - 1].book.get(int(order)) if order else None

    def _was_misled(self, provider: int, link: str) -> bool:
        return link in self.providers[provider - 1].misled

    def _linked(self, link: str) -> tuple[int, ...]:
        return tuple(row.id for row in self.checks.by_link.get(link, ()))

    def note(self, says: str, orders: Collection[int]) -> None:
        if self.trace is not None:
            self.trace.append(Moment(self.event, self.now, says, tuple(orders)))

    def _watch(self, change: Change) -> None:
        if self.trace is not None:
            self._note_change(change)
        self.checks.watch(change)
        for _, row in change.edited:
            if isinstance(row, DeliveryRow) and row.state == "unsure":
                self._was_not_forgotten(row)
            if isinstance(row, DeliveryRow) and row.state == "sending":
                self._goes_alone(row)
        for row in change.inserted:
            if isinstance(row, EvidenceRow):
                habit = self.providers[(row.provider or 1) - 1].habit
                self.met(f"evidence: {row.conclusion}", habit)

    def _was_not_forgotten(self, row: DeliveryRow) -> None:
        if (row.order, row.run, row.attempt) in self.store.unheard:
            says = f"order {row.order} run {row.run} is unsure, and its worker lives and never sent it"
            raise Broken("O15", says, [row.order])

    def _goes_alone(self, row: DeliveryRow) -> None:
        """A provider that takes few adds at a time is sent no more, by all workers together."""
        provider = self.store.attempts[row.order, row.run, row.attempt].provider
        most = self.store.providers[provider].adds_at_a_time
        sending = [self.store.attempts[one.order, one.run, one.attempt] for one in self.store.sending.values()]
        orders = [attempt.order for attempt in sending if attempt.provider == provider]
        if most is not None and len(orders) > most:
            raise Broken("O16", f"provider {provider} takes {most} at a time, and is sent {len(orders)}", orders)

    def _note_change(self, change: Change) -> None:
        for row in change.inserted:
            if isinstance(row, OrderRow):
                self.note(f"kept: service {row.service}, {row.quantity} × {row.runs}, {row.charge}", [row.id])
        for before, row in change.edited:
            if isinstance(row, DeliveryRow):
                names = [name for name in row.__struct_fields__ if getattr(row, name) != getattr(before, name)]
                says = ", ".join(f"{name} {getattr(before, name)} → {getattr(row, name)}" for name in names)
                self.note(f"run {row.run}: {says}".replace("2026-03-01 ", "").replace("+00:00", ""), [row.order])
        for transfer in change.transfers:
            if transfer.order is not None:
                self.note(f"{transfer.kind.value} {transfer.sequence}: {transfer.amount}", [transfer.order])

    # Running.

    def run(self, events: int, skip: Collection[int] = ()) -> None:
        """So many events, then faults stop and a day passes. Raises Broken."""
        salts = random.Random(self.seed)
        with installed(self._spawn, lambda: self.now, self.record), _drawn(self._mark):
            self._begin()
            try:
                for self.event in range(1, events + 1):
                    salt = salts.getrandbits(64)
                    if self.event not in skip:
                        self._dice = Rng(salt)
                        self._happen(self._dice)
                    if self.event % BOOKS_EVERY == 0:
                        self.checks.books()
                self._a_calm_day()
            finally:
                self._stop()

    def _mark(self) -> UUID:
        return UUID(int=next(self._marks))

    def _line(self) -> Line:
        return Line(self.store, self._fate, lambda: self.away_until is not None and self.now < self.away_until)

    def _begin(self) -> None:
        self.workers = [Worker(f"worker {at}", self._line, self.providers, self._clock_of) for at in (1, 2, 3)]
        self.apis = [Api(f"api {at}", self._line, self._clock_of) for at in (1, 2)]
        self.processes: list[Process] = [*self.workers, *self.apis]
        for customer in self.customers:
            number = customer.caller.customer
            limit = 5_000 if number == 6 else 0
            self.store.customers[number] = CustomerRow(number, 0, limit, False, customer.caller.price_list)
            self.operator.pay(number, 400_000 if number % 3 else 20_000)

    def _clock_of(self, process: Process) -> ProcessClock:
        return ProcessClock(lambda: self.now, self.database_now, lambda: process.clock_off, REST)

    def _stop(self) -> None:
        for process in self.processes:
            process.die()

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        assert self._running is not None
        return self._running.spawn(coroutine, "sending")

    def _fate(self) -> Fate:
        silent = self.silent_until is not None and self.now < self.silent_until
        if self.calm or not (silent or self._dice.once_in(30 * self.gentle)):
            return Fate.HEARD
        fate = Fate.ALONE if silent else self._dice.one_of((Fate.LOST, Fate.UNHEARD, Fate.ALONE))
        self.met(fate, self._task_name)
        return fate

    def _happen(self, dice: Rng) -> None:
        if dice.below(10) < 3 and self.event > self._rush_until:
            self.now += timedelta(milliseconds=dice.below(1000))
        what = dice.below(1000)
        if what < self._steps:
            self._go_on(dice)
        elif what < self._rounds:
            self._tick(dice)
        elif what < 980:
            api = dice.one_of(self.apis)
            if not self._frozen(api) and len(api.tasks) < 12:
                self._running, self._task_name = api, "call"
                dice.one_of(self.customers).act(api, dice)
        elif what < 995:
            self.operator.act(dice)
        else:
            self._trouble(dice)
        if self.unsteady and dice.once_in(CLOCK_STEPS_EVERY):
            self._step_a_clock(dice)

    def _frozen(self, process: Process) -> bool:
        return process.frozen_until is not None and self.now < process.frozen_until

    def _go_on(self, dice: Rng) -> None:
        process = dice.one_of(self.processes)
        if not self._frozen(process) and process.tasks:
            task = dice.one_of(process.tasks)
            if task.ready(self.now) and task.held_until < self.event:
                self._step(process, task)

    def _step(self, process: Process, task: Task) -> None:
        self._running, self._task_name = process, task.name
        process.step(task)

    def _tick(self, dice: Rng) -> None:
        if dice.once_in(8):
            api = dice.one_of(self.apis)
            if not api.busy("look"):
                api.spawn(api.panel.refresh_catalogue(), "look")
            return
        worker = dice.one_of(self.workers)
        if not self._frozen(worker):
            self._running, self._task_name = worker, dice.one_of(tuple(SIMULATED))
            worker.start(self._task_name)

    def _trouble(self, dice: Rng) -> None:
        process, what = dice.one_of(self.processes), dice.below(20 * self.gentle)
        if what < 6:
            for stood in process.die():
                self.met("killed", stood)
            self.note(f"{process.name} is killed", ())
            process.frozen_until = None
            process.begin()
        elif what < 13:
            process.frozen_until = self.now + timedelta(seconds=1 + dice.below(150))
            for task in process.tasks:
                self.met("frozen", f"{task.name}:{task.pause.at}")
        elif what < 15:
            self.now += timedelta(seconds=30 + dice.below(3600))
            self.met("downtime", "all")
        elif what < 17:
            self.away_until = self.now + timedelta(seconds=dice.below(90))
            self.met("database away", "all")
        elif what < 19:
            provider = dice.one_of(self.providers)
            provider.down_until = self.now + timedelta(seconds=dice.below(120))
            self.met("provider down", "all")
        elif what < 20:
            self.silent_until = self.now + timedelta(seconds=dice.below(40))
            self.met("standby silent", "all")

    def _step_a_clock(self, dice: Rng) -> None:
        """Sets the database's clock or the one of a worker's machine, mostly while a call hangs at a provider and
        others go by in no time: what is under way then is soon between neighbours."""
        calls = [task for one in self.workers for task in one.tasks if (task.name, task.pause.at) == HANGING]
        if calls:
            dice.one_of(calls).held_until = self._rush_until = self.event + RUSH
        elif not dice.once_in(QUIET):
            return
        step = timedelta(seconds=dice.one_of((-1, 1, 1)) * (3 + dice.below(LONGEST_STEP_S - 3)))
        if dice.below(2):
            dice.one_of(self.workers).clock_off = step
            what = "worker's clock ahead" if step > timedelta(0) else "worker's clock behind"
        else:
            what = self._step_the_database(dice, step)
        for state, is_so in (("hanging", calls), ("unsure", self.store.unsure)):
            if is_so:
                self.met(what, state)
        self.note(f"{what}: {step.total_seconds():.0f} s", [row.order for row in self.store.sending.values()])

    def _step_the_database(self, dice: Rng, step: timedelta) -> str:
        """What is sent then is never later, by the database, than a calm day's first rounds last."""
        if abs(self.skipped + step) > timedelta(seconds=LONGEST_STEP_S):
            step = -step
        self.skipped += step
        self.checks.put_back += max(-step, timedelta(0))
        if dice.once_in(3):
            self.store.timeline += 1
            return "another node takes over"
        return "database's clock forward" if step > timedelta(0) else "database's clock back"

    # The end.

    def _a_calm_day(self) -> None:
        """Faults stop; what evidence leaves unsure is settled by hand from the providers' books; a day later all has
        ended."""
        self.calm, self.away_until = True, None
        for process in self.processes:
            process.frozen_until = None
        for provider in self.providers:
            provider.finish_what_is_stuck()
        for at in range(CALM_ROUNDS):
            self._round()
            if at == SETTLED_AFTER:
                self.operator.settle_unsure()
            self.now += timedelta(seconds=CALM_STEP_S if at < SETTLED_AFTER else DAY_S / (CALM_ROUNDS - SETTLED_AFTER))
        self.checks.books()
        self._all_has_ended()

    def _round(self) -> None:
        worker = self.workers[0]
        self._running = worker
        for name in reversed(SIMULATED):
            worker.start(name)
        self._run_what_is_ready()
        if any(row.adds_at_a_time for row in self.store.providers.values()):
            # Such a provider is sent the next one as soon as one is done.
            for _ in range(ADDS_A_ROUND):
                worker.start("send")
                self._run_what_is_ready()

    def _run_what_is_ready(self) -> None:
        for process in self.processes:
            for _ in range(STEPS_A_ROUND):
                ready = [task for task in process.tasks if task.ready(self.now)]
                if not ready:
                    break
                for task in ready:
                    if task in process.tasks and task.ready(self.now):
                        self._step(process, task)

    def _all_has_ended(self) -> None:
        for row in self.store.under_way():
            if row.state != "held" and (row.order, row.run) not in self.operator.left_unsure:
                says = f"order {row.order} run {row.run} is {row.state}, due {row.due}, after a calm day"
                raise Broken("O13", says, [row.order])
        for refill in self.store.refills.values():
            if refill.state in ("pending", "in_progress"):
                raise Broken("O13", f"refill {refill.id} is {refill.state} after a calm day", [refill.order])
