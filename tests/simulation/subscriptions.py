"""Subscriptions under providers that list what they like: a seeded scenario of its own, above the model.

Workers watch, are overtaken, and lose the answers to their commits. Providers list posts beyond what was ordered and
after it expired, list them again, forget some, list each other's, and tell quantities that nobody ordered.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from unittest.mock import patch

import msgspec
from tests.simulation.checks import MOVES, price
from tests.simulation.clocks import ProcessClock
from tests.simulation.model.connection import Fate, Line, Pause
from tests.simulation.model.customers import book
from tests.simulation.model.tables import (
    AttemptRow,
    Change,
    CustomerRow,
    DeliveryRow,
    OrderRow,
    PostRow,
    ProviderRow,
    Sale,
    Store,
)
from tests.simulation.planting import Mutation
from tests.simulation.rng import Rng
from tests.simulation.running import Broken, Process, installed
from tests.simulation.world import CATALOGUE

from opensmm.actions.subscriptions import SubscriptionWatcher
from opensmm.base.ids import CustomerId, ProviderId
from opensmm.base.money import Money
from opensmm.domain import ledger, requests
from opensmm.domain import subscriptions as rules
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.requests import TypeDetails
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.client import HttpAnswer, PanelClient
from opensmm.providers.id_forms import KnownForms
from opensmm.providers.redaction import Redaction
from opensmm.providers.registry import ProviderRegistry
from opensmm.wire.v2 import V2

BEGINS: Final = datetime(2026, 3, 1, 9, tzinfo=UTC)
SERVICE, LEAST, MOST = 1, 10, 50
SUBSCRIPTIONS, EVENTS = 12, 1_500
GRACE: Final = timedelta(days=2)
"""The model's own: posts first heard of later than this after the beginning of the last day are nobody's."""


class Lister(PanelClient):
    """A provider: what it lists for each subscription, and what it says of each post's order."""

    def __init__(self, scenario: "Scenario") -> None:
        self._scenario = scenario
        self._dialect = V2
        self._timeout_s = 20.0
        self._url = "https://simulated.example/api/v2"
        self._redaction = Redaction("the key of a simulated provider")
        self.forms = KnownForms()
        self.listed: dict[int, list[int]] = {}
        self.quantities: dict[int, int] = {}

    def publish(self, subscription: int, dice: Rng) -> None:
        """A post, whether it was ordered or not; now and then one that another subscription has."""
        number = 10_000 + len(self.quantities)
        if self.quantities and dice.once_in(15):
            number = dice.one_of(list(self.quantities))
        else:
            self.quantities[number] = dice.one_of((0, 5, LEAST, 25, MOST, 5_000))
        self.listed.setdefault(subscription, []).append(number)

    async def _post(self, request: requests.Request, within_s: float | None = None) -> HttpAnswer:
        await Pause("asking")
        dice = self._scenario.dice
        if dice.once_in(20):
            raise NoAnswer(CallFault(CallCode.HTTP_STATUS, {"status": 500, "words": ""}))
        assert isinstance(request, requests.GetStatus)
        lines = {str(number): self._line(number, dice) for number in request.orders.numbers}
        answer = msgspec.json.encode(lines if request.orders.many else next(iter(lines.values())))
        await Pause("answering")
        return HttpAnswer(200, answer)

    def _line(self, number: int, dice: Rng) -> dict[str, object]:
        if number in self.quantities:
            status = dice.one_of(("Pending", "In progress", "Completed"))
            fields = {"quantity": str(self.quantities[number])} if dice.once_in(3) else {}
            return {"status": status, "remains": str(self.quantities[number]), "charge": "0.01", **fields}
        listed = list(self.listed.get(number, ()))
        if listed and dice.once_in(6):
            listed.remove(dice.one_of(listed))
        return {"status": "Active", "orders": [str(one) for one in listed + listed[:1]]}


class Watchers(ProviderRegistry):
    def __init__(self, lister: Lister) -> None:
        super().__init__(b"", "", 20.0)
        self._lister: Any = lister

    async def call_each(self, items: Sequence[Any], call: Any, heard: Any) -> None:
        try:
            reports = await call(self._lister, items) if items else []
        except NoAnswer:
            return
        await heard(items, list(zip(items, reports, strict=True)))


class Scenario:
    """One seed. Raises Broken where a customer is charged for what was not ordered."""

    def __init__(self, seed: int) -> None:
        self.dice = Rng(seed)
        self.now = BEGINS
        self.store = Store(CATALOGUE, {SERVICE: Sale(((1, "11"),))}, self._watch)
        self.store.providers[1] = ProviderRow(1, "P1")
        self.lister = Lister(self)
        self.met: set[str] = set()
        self._processes = [Process(f"worker {at}") for at in (1, 2)]
        self._watching = [
            SubscriptionWatcher(self._line(), Watchers(self.lister), self._clock()) for _ in self._processes
        ]
        for number in range(1, SUBSCRIPTIONS + 1):
            self._subscribe(number)

    def _clock(self) -> ProcessClock:
        return ProcessClock(lambda: self.now, lambda: self.now, timedelta, timedelta())

    def _line(self) -> Any:
        return Line(self.store, self._fate, lambda: False)

    def _fate(self) -> Fate:
        return self.dice.one_of((Fate.UNHEARD, Fate.LOST)) if self.dice.once_in(25) else Fate.HEARD

    def _subscribe(self, number: int) -> None:
        dice, store = self.dice, self.store
        expiry = BEGINS.date() + timedelta(days=2) if dice.below(2) else None
        bounds = dice.one_of(((None, None), (0, 2), (1, None), (2, 3), (5, None)))
        self.store.begin()
        store.insert(store.customers, number, CustomerRow(number, 0, 0, False, 1))
        book(store, [ledger.top_up(CustomerId(number), Money(dice.one_of((0, 9_000, 10_000_000))))])
        rate = CATALOGUE.services[min(CATALOGUE.services)].rate
        order = OrderRow(next(store.order_ids), number, SERVICE, 0, 0, self.now, 1, 0, False, "active", rate, "them")
        store.insert(store.orders, order.id, order)
        store.details[order.id] = TypeDetails(
            username="them", min=LEAST, max=MOST, delay=0, posts=bounds[0], old_posts=bounds[1], expiry=expiry
        )
        delivery = DeliveryRow(order.id, 1, SERVICE, 0, self.now, "pending", sent=self.now, attempt=1, fence=1)
        store.insert(store.deliveries, (order.id, 1), delivery)
        tried = AttemptRow(order.id, 1, 1, ProviderId(1), "11", 1, self.now, "accepted", self.now, str(order.id))
        store.insert(store.attempts, (order.id, 1, 1), tried)
        store.insert(store.provider_orders, (1, str(order.id)), tried)
        self.store.commit()

    def run(self, events: int = EVENTS) -> None:
        with installed(lambda coroutine: self._processes[0].spawn(coroutine, "watch"), lambda: self.now):
            for _ in range(events):
                self._happen()
            for process in self._processes:
                process.die()

    def _happen(self) -> None:
        dice, what = self.dice, self.dice.below(10)
        if what < 6:
            at = dice.below(len(self._processes))
            process = self._processes[at]
            if process.tasks:
                process.step(process.tasks[0])
            else:
                process.step(process.spawn(self._watching[at].step(400), "watch"))
        elif what < 8:
            self.now += timedelta(seconds=dice.one_of((1, 61, 600, 20_000)))
        else:
            self.lister.publish(1 + dice.below(SUBSCRIPTIONS), dice)

    def _watch(self, change: Change) -> None:
        for transfer in change.transfers:
            ways = [
                [transfer.customer if side == "customer" else side for side in way]
                for way in MOVES[transfer.kind.value]
            ]
            if [transfer.debit, transfer.credit] not in ways:
                raise Broken("L7", f"{transfer} is between other accounts than its kind is for")
        for customer in self.store.customers.values():
            if customer.balance < 0:
                raise Broken("L4", f"customer {customer.id} has {customer.balance}")
        new = [row for row in change.inserted if isinstance(row, PostRow)]
        for row in (*new, *(row for _, row in change.edited if isinstance(row, PostRow))):
            self.met.add(row.state)
            if row.state == "made":
                self._made(row, new=row in new)

    def _made(self, row: PostRow, *, new: bool) -> None:
        details, store = self.store.details[row.order], self.store
        assert row.child is not None
        child = store.orders[row.child]
        if not LEAST <= child.quantity <= MOST or child.charge != price(child.rate, child.quantity, packaged=False):
            raise Broken("O15", f"a post of {row.order} is for {child.quantity}, {child.charge}", [row.order])
        held = [one for one in store.posts.values() if one.order == row.order and one.state == "made"]
        if details.posts is not None and len(held) > details.posts + (details.old_posts or 0):
            raise Broken("O15", f"subscription {row.order} has {len(held)} posts", [row.order])
        begins = details.expiry and datetime(details.expiry.year, details.expiry.month, details.expiry.day, tzinfo=UTC)
        if new and begins and self._last_look(row.order) > begins + GRACE:
            raise Broken("O15", f"subscription {row.order} had expired", [row.order])
        bearers = [one for one in store.posts.values() if one.provider_order == row.provider_order and one.child]
        if len(bearers) > 1:
            raise Broken("O7", f"their order {row.provider_order} was charged {len(bearers)} times", [row.order])

    def _last_look(self, order: int) -> datetime:
        """When the subscription was asked after before this commit."""
        row = self.store.deliveries[order, 1]
        before = self.store._before.get(id(row))
        return (before[1].polled if before else row.polled) or BEGINS


def hunted(seeds: Sequence[int], mutation: Mutation | None) -> Broken | None:
    """What the first of these seeds breaks, with a bug planted where one is given."""
    for seed in seeds:
        with ExitStack() as stack:
            for target, name, value in mutation.patches if mutation is not None else ():
                stack.enter_context(patch.object(target, name, value))
            try:
                Scenario(seed).run()
            except Broken as broken:
                return broken
    return None


_decide = rules._decide


def _decided_alone(subscription: Any, order: str, report: Any, available: int, taken: Any) -> Any:
    return _decide(subscription, order, report, available, frozenset())


MUTATIONS: Sequence[Mutation] = (
    Mutation("posts without bound", "whatever is listed is charged", [(rules, "_count_room", lambda *told: 10**9)]),
    Mutation(
        "posts after the end",
        "an expired subscription goes on",
        [(rules.Subscription, "is_over", property(lambda subscription: False))],
    ),
    Mutation(
        "a post's quantity as told",
        "the provider says how much is charged",
        [(rules, "post_quantity", lambda report, least, most: report.quantity or report.remains or least)],
    ),
    Mutation(
        "the same post for two",
        "two subscriptions are charged for one order",
        [(rules, "_decide", _decided_alone)],
    ),
)
