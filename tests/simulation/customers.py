"""Customers that behave badly: beyond their funds, again and again, with a key used before, about others' orders."""

from collections.abc import Sequence
from typing import Any

import msgspec
from tests.simulation.model.tables import LIVE, Store
from tests.simulation.rng import Rng
from tests.simulation.running import Broken
from tests.simulation.staff import Api

from opensmm.base.ids import CustomerId, KeyId, PriceListId
from opensmm.domain.api_keys import KeyHolder
from opensmm.domain.orders import DialectRules
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refused
from opensmm.domain.requests import AddOrder, RequestedIds, many_ids, one_id

DIALECT_RULES = DialectRules(own_before_link=False, link_alone_is_media=False)
PLAIN, PACKAGE, DRIP, ONE_PER_LINK, FREE, DEAR, UNROUTED = range(1, 8)
BEHAVIOURS = (
    *("complete",) * 3,
    "partial-40",
    "partial-99",
    "canceled",
    "slow",
    "stuck",
    "drop",
    "no-refill",
)
SERVICES = (*(PLAIN,) * 5, PACKAGE, *(DRIP,) * 4, *(ONE_PER_LINK,) * 2, FREE, DEAR, UNROUTED)
ODD_RUNS: Sequence[tuple[int | None, int | None]] = ((0, 0), (1, 5), (-2, 5), (1001, 1), (3, None))
REMEMBERED = 40


class Customer:
    """One customer with one key, and what it believes to have ordered."""

    def __init__(self, number: int, price_list: int, world: Any) -> None:
        self.caller = KeyHolder(CustomerId(number), KeyId(number), PriceListId(price_list))
        self.orders: list[int] = []
        self._world = world
        self._asked: list[AddOrder] = []
        self._unanswered: AddOrder | None = None
        self._answers: dict[str, int] = {}
        self._sent: dict[str, int] = {}

    def act(self, api: Api, dice: Rng) -> None:
        what = dice.below(20)
        if what < 9:
            self._send(api, self._fresh(dice))
        elif what < 12 and self._asked:
            self._send(api, self._again(dice))
        elif what < 15:
            self._cancel(api, self._some(dice))
        elif what < 17:
            self._refill(api, self._some(dice))
        else:
            self._status(api, self._some(dice))

    def _fresh(self, dice: Rng) -> AddOrder:
        service, number = dice.one_of(SERVICES), self._world.next_number()
        link = f"https://example.com/{self.caller.customer}/{number}/{dice.one_of(BEHAVIOURS)}"
        if service == ONE_PER_LINK:
            link = f"https://example.com/{self.caller.customer}/shared-{dice.below(4)}/complete"
        quantity: int | None = 10 + dice.below(300)
        if dice.once_in(12):
            quantity = dice.one_of((None, 0, -50, 5, 10_001, 2_000))
        runs: int | None = None
        interval: int | None = None
        if service == DRIP and not dice.once_in(6):
            runs, interval = dice.one_of((2, 3, 4)), 1 + dice.below(3)
        if dice.once_in(40):
            runs, interval = dice.one_of(ODD_RUNS)
        key = f"key-{number}" if dice.below(3) else ""
        return AddOrder(service, link, quantity, runs, interval, idempotency_key=key)

    def _again(self, dice: Rng) -> AddOrder:
        """A repeated ask, sometimes with something else under the same key; what was not answered before others."""
        if self._unanswered is not None and dice.below(4):
            request, self._unanswered = self._unanswered, None
            return request
        request = self._asked[-1 - dice.below(min(len(self._asked), REMEMBERED))]
        if request.idempotency_key and dice.once_in(5):
            return msgspec.structs.replace(request, quantity=(request.quantity or 10) + 1)
        return request

    def _some(self, dice: Rng) -> RequestedIds:
        """Orders to ask about: mostly its own newest, sometimes another's, or one that is not there."""
        if dice.once_in(8) or not self.orders:
            return one_id(1 + dice.below(self._world.highest_order() + 2))
        recent = self.orders[-12:]
        if dice.once_in(3):
            return many_ids(tuple(dice.one_of(recent) for _ in range(1 + dice.below(4))))
        return one_id(dice.one_of(recent if dice.below(3) else self.orders))

    def _send(self, api: Api, request: AddOrder) -> None:
        self._asked.append(request)
        self._sent[request.link] = self._sent.get(request.link, 0) + 1
        if self._sent[request.link] > 1 and request.idempotency_key:
            self._world.met("idempotency key repeated", self._state_of(self._answers.get(request.idempotency_key)))
        call = api.panel.place(self.caller, request, DIALECT_RULES)
        api.step(api.spawn(call, "place", lambda answer, error: self._placed(request, answer, error)))

    def _state_of(self, order: int | None) -> str:
        return "unanswered" if order is None else str(self._store.orders[order].state)

    @property
    def _store(self) -> Store:
        store: Store = self._world.store
        return store

    def _placed(self, request: AddOrder, answer: Any, error: Exception | None) -> None:
        if error is not None and request.idempotency_key:
            self._unanswered = request
        if error is not None or isinstance(answer, Refused):
            self._world.met("order refused" if error is None else "order unanswered", str(getattr(answer, "why", "")))
            return
        row = self._store.orders.get(answer)
        runs = (request.runs or 1) if request.service == DRIP else 1
        key = (self.caller.customer, request.service, request.link, runs)
        if row is None or (row.customer, row.service, row.link, row.runs) != key:
            raise Broken("O1", f"order {answer} was answered and is not kept so", [answer])
        if answer in self._store.alone:
            raise Broken("O14", f"order {answer} was answered, and no standby has it", [answer])
        if request.idempotency_key:
            first = self._answers.setdefault(request.idempotency_key, answer)
            same = [one.id for one in self._world.checks.by_link[request.link]]
            if first != answer or (request.service != ONE_PER_LINK and len(same) != 1):
                raise Broken("O2", f"{request.idempotency_key} stands for {same}", same)
        if answer not in self.orders:
            self.orders.append(answer)

    def _cancel(self, api: Api, ids: RequestedIds) -> None:
        for number in ids.numbers:
            for run in self._store.runs.get(number, []):
                self._world.met("a cancel asked", run.state)
        api.step(api.spawn(api.panel.cancel(self.caller, ids), "cancel", self._own(ids)))

    def _refill(self, api: Api, ids: RequestedIds) -> None:
        for number in ids.numbers:
            if number in self._store.orders:
                self._world.met("a refill asked", self._store.orders[number].state)
        api.step(api.spawn(api.panel.refill(self.caller, ids), "refill", self._own(ids)))

    def _status(self, api: Api, ids: RequestedIds) -> None:
        api.step(api.spawn(api.panel.statuses(self.caller, ids), "status", self._own(ids, reads=True)))

    def _own(self, ids: RequestedIds, *, reads: bool = False) -> Any:
        """Others' orders are answered like missing ones; one's own are found, as they stood when asked for."""
        there = {number: self._store.orders[number].state for number in ids.numbers if number in self._store.orders}

        def look(answers: Sequence[Any] | None, error: Exception | None) -> None:
            for number, answer in zip(ids.numbers, answers or (), strict=False):
                if number not in there:
                    continue
                row = self._store.orders[number]
                if (row.customer == self.caller.customer) == (answer == UNKNOWN_ORDER):
                    raise Broken("S1", f"customer {self.caller.customer} asked about {number}: {answer}", [number])
                if reads and answer != UNKNOWN_ORDER:
                    self._read(row, there[number], answer)

        return look

    def _read(self, row: Any, state: str, view: Any) -> None:
        if (
            not row.charge - row.refunded <= view.charge <= row.charge
            or not 0 <= view.remains <= row.quantity * row.runs
        ):
            raise Broken("S2", f"order {row.id} is shown as {view}", [row.id])
        shown = (view.status, view.charge, view.remains)
        if state not in LIVE and shown != (state, row.charge - row.refunded, row.remains):
            raise Broken("S2", f"order {row.id} was {state} and is shown as {shown}", [row.id])
