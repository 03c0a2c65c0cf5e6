"""The operator: payments told once or twice, prices edited, customers suspended, orders ended or sent again, and what
is unsure settled by hand."""

from collections.abc import Coroutine
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec
from tests.panel import acting, actor
from tests.simulation.coverage import LEFT_UNSURE
from tests.simulation.model.connection import Connection, Fate
from tests.simulation.model.tables import DeliveryRow
from tests.simulation.provider import BookOrder
from tests.simulation.rng import Rng
from tests.simulation.running import Broken

from opensmm.actions import money, order_actions, sending
from opensmm.actions.money import Adjustment
from opensmm.base.ids import CustomerId, OrderId, ProviderId, ServiceId
from opensmm.base.money import Money
from opensmm.domain.audit import By
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.dispatch import Accepted, Declined, SendOutcome
from opensmm.domain.operator_refusals import OperatorRefusal
from opensmm.domain.payments import Payment
from opensmm.domain.requests import NO_DETAILS
from opensmm.store.dispatch import DeliveryClaim

LATELY = 40
"""So many of the newest orders the operator looks at."""
SMALL_CHANGE = 4_000
"""Most of what is moved back is less than this, so that customers have money left to order with."""
RATES = ("0.90", "0.95", "0.33333", "1.00001", "0.0127")


class Operator:
    def __init__(self, world: Any) -> None:
        self._world = world
        self._payments = 0
        self._references = 0
        self.left_unsure: set[tuple[int, int]] = set()

    def act(self, dice: Rng) -> None:
        store, what = self._world.store, dice.below(18)
        if what >= 12:
            self._intervene(dice)
            return
        customer = 1 + dice.below(len(self._world.customers))
        if what < 5:
            self.pay(customer, 1_000 + dice.below(60_000))
            if dice.once_in(4):
                self._move(dice, customer)
        elif what < 7:
            self.pay(customer, 5_000, again=True)
        elif what < 10:
            self._edit_a_price(dice)
        elif any(row.suspended for row in store.customers.values()) or store.revoked:
            store.revoked.clear()
            for row in store.customers.values():
                row.suspended = False
            store.tell(("let in", None))
        elif what == 10:
            store.customers[customer].suspended = True
            store.tell(("suspended", customer))
        else:
            store.revoked[customer] = True
            store.tell(("revoked", customer))

    def pay(self, customer: int, amount: int, *, again: bool = False) -> None:
        """Books a payment; ``again``: then tells the same one twice."""
        self._payments += 1
        for turn in range(2 if again else 1):
            booked = drive(
                money.top_up(
                    self._connection(),
                    CustomerId(customer),
                    Money(amount),
                    Payment("bank", str(self._payments)),
                    acting(self._world.clock(), "operator"),
                )
            )
            if booked.fresh != (turn == 0):
                raise Broken("L5", f"payment {self._payments} is booked twice")

    def _move(self, dice: Rng, customer: int) -> None:
        """Takes a payment or a part of it back, corrects it, gives a bonus or pays out; each told twice."""
        connection, by = self._connection(), acting(self._world.clock(), "operator", "simulated")
        deposits = self._world.store.deposits
        paid = dice.one_of(tuple(deposits.values()))
        most = paid.amount if dice.once_in(8) else min(paid.amount, SMALL_CHANGE)
        part, self._references = Money(1 + dice.below(most)), self._references + 1
        reference = str(self._references)
        corrected = Adjustment(paid.transfer, paid.customer, part, takes=dice.below(2) == 0)
        acts = {
            "chargeback": lambda: money.charge_back(
                connection, Payment(paid.gateway, paid.external_id), part, reference, by
            ),
            "adjustment": lambda: money.adjust(connection, corrected, reference, by),
            "bonus": lambda: money.bonus(connection, CustomerId(customer), part, reference, by),
            "payout": lambda: money.pay_out(connection, CustomerId(customer), part, reference, by),
        }
        act = dice.one_of(tuple(acts))
        try:
            first, again = drive(acts[act]()), drive(acts[act]())
        except OperatorRefusal as refused:
            self._world.met(f"operator: {act}", refused.code.value)
            return
        if not first.fresh or again.fresh or again.transfer != first.transfer:
            raise Broken("L5", f"{act} {reference} is booked twice")
        if act == "chargeback":
            self._charge_back_too_much(paid, by)
        overdrawn = self._world.store.customers[paid.customer].overdrawn > 0
        self._world.met(f"operator: {act}", "overdrawn" if overdrawn else "done")

    def _charge_back_too_much(self, paid: Any, by: By) -> None:
        """More than was paid is never taken back."""
        payment, more = Payment(paid.gateway, paid.external_id), Money(paid.amount + 1)
        try:
            drive(money.charge_back(self._connection(), payment, more, f"{self._references} more", by))
        except OperatorRefusal as refused:
            self._world.met("operator: chargeback", refused.code.value)
            return
        raise Broken("L5", f"more than payment {paid.external_id} is taken back")

    def _intervene(self, dice: Rng) -> None:
        """Ends an order of late, or has it sent again; most of what is asked is denied, for good reasons."""
        world, store = self._world, self._world.store
        lately = list(islice(reversed(store.orders), LATELY))
        if not lately:
            return
        order = OrderId(dice.one_of(lately))
        row = dice.one_of(store.runs[order])
        connection, by, stood = self._connection(), By(actor("operator"), "simulated", world.clock()), row.state
        acts = {
            "cancel": lambda: order_actions.cancel(connection, order, by),
            "complete": lambda: order_actions.complete(connection, order, by),
            "partial": lambda: order_actions.end_partial(connection, order, row.run, dice.below(row.quantity + 2), by),
            "resend": lambda: order_actions.resend(connection, order, row.run, "", by),
        }
        act = dice.one_of(tuple(acts))
        world.checks.by_hand = True
        try:
            outcome = stood if drive(acts[act]()) else "done before"
        except OperatorRefusal:
            outcome = "denied"
        world.checks.by_hand = False
        world.met(f"operator: {act}", outcome)

    def _connection(self) -> Any:
        return Connection(self._world.store, lambda: Fate.HEARD)

    def _edit_a_price(self, dice: Rng) -> None:
        store = self._world.store
        service = dice.one_of([one for one in store.catalogue.services.values() if not one.free])
        changed = msgspec.structs.replace(service, rate=Decimal(dice.one_of(RATES)))
        services = store.catalogue.services | {service.id: changed}
        store.catalogue = msgspec.structs.replace(
            store.catalogue, version=store.catalogue.version + 1, services=services
        )
        store.tell(("priced", changed))

    def settle_unsure(self) -> None:
        """What the operator does with the providers' books in hand, where evidence could not settle it.

        One whose order is in the book under an id that the provider gave to another's is left on the list.
        """
        for provider in self._world.providers:
            provider.take_what_is_late()
        for row in list(self._world.store.unsure.values()):
            self._settle(row)

    def _settle(self, row: DeliveryRow) -> None:
        world = self._world
        attempt = world.store.attempts[row.order, row.run, row.attempt]
        if (row.order, row.run, row.attempt) not in world.store.evidence_of:
            raise Broken("O13", f"order {row.order} run {row.run} is unsure, and was not looked into", [row.order])
        world.met(LEFT_UNSURE, world.providers[attempt.provider - 1].habit)
        sought = self._found(attempt.provider, world.store.orders[row.order].link)
        free = [order for order in sought if (attempt.provider, str(order.id)) not in world.store.provider_orders]
        if len(free) < len(sought) and self._is_anothers(attempt.provider, sought):
            self.left_unsure.add((row.order, row.run))
            return
        outcome: SendOutcome = Declined("not in the provider's book")
        if free:
            outcome = Accepted(str(free[0].id), "found in the provider's book")
        claim = self._claim(row)
        registry = world.workers[0].registry
        connection = self._connection()

        async def settle() -> None:
            async with connection.transaction():
                await sending.record_outcomes(connection, [(claim, outcome)], registry, world.clock)

        drive(settle())

    def _found(self, provider: int, link: str) -> list[BookOrder]:
        return [order for order in self._world.providers[provider - 1].book.values() if order.link == link]

    def _is_anothers(self, provider: int, sought: list[BookOrder]) -> bool:
        store = self._world.store
        holders = [store.provider_orders.get((provider, str(order.id))) for order in sought]
        links = zip(holders, sought, strict=True)
        return any(held is not None and store.orders[held.order].link != order.link for held, order in links)

    def _claim(self, row: DeliveryRow) -> DeliveryClaim:
        store = self._world.store
        order, service = store.orders[row.order], store.catalogue.services[ServiceId(row.service)]
        attempt = store.attempts[row.order, row.run, row.attempt]
        return DeliveryClaim(
            order=OrderId(row.order),
            run=row.run,
            attempt=row.attempt,
            fence=row.fence,
            provider=ProviderId(attempt.provider),
            provider_service=attempt.provider_service,
            service_type=ServiceType.DEFAULT,
            link=order.link,
            quantity=row.quantity,
            details=NO_DETAILS,
            route=row.route,
            routes=len(store.sales[row.service].routes),
            hold_when_refused=service.hold_when_refused,
            runs=order.runs,
            interval_min=order.interval_min,
            due=self._world.clock(),
            first_route=row.route,
            sent=self._world.clock(),
        )


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs what nothing interrupts."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
