"""The same scenario on PostgreSQL: every statement the model was asked for is asked of the real store, in the same
order, with the same arguments, and has to answer the same; in the end the same books stand in both."""

import inspect
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import psycopg
from msgspec import structs
from tests.panel import fetch
from tests.simulation.model import (
    clocks,
    customers,
    dispatch,
    evidence,
    notices,
    order_actions,
    payments,
    placing,
    polling,
    providers,
    refills,
    settlement,
    subscriptions,
)
from tests.simulation.model.tables import Store
from tests.simulation.world import BEGINS, CATALOGUE, SALES, SERVICES, World

from opensmm.domain.payments import Correctable, Deposit
from opensmm.store import audit, cancels, manual, orders, price_lists, refill_tasks
from opensmm.store import catalogue as catalogue_rows
from opensmm.store import clocks as clock_rows
from opensmm.store import customers as customer_rows
from opensmm.store import dispatch as dispatch_rows
from opensmm.store import evidence as evidence_rows
from opensmm.store import notices as notice_rows
from opensmm.store import order_actions as intervention_rows
from opensmm.store import payments as payment_rows
from opensmm.store import placing as placing_rows
from opensmm.store import polling as progress_rows
from opensmm.store import providers as provider_rows
from opensmm.store import refills as refill_rows
from opensmm.store import settlement as ending_rows
from opensmm.store import subscriptions as post_rows
from opensmm.store.connection import Connection
from opensmm.store.payments import BookedReference

STANDS_FOR: Sequence[tuple[ModuleType, ModuleType, Sequence[str]]] = (
    (placing, placing_rows, ("lock", "find_records", "find_active_links", "keep", "remember", "hold_links")),
    (dispatch, dispatch_rows, ("claim", "claim_at_each", "schedule_runs", "record", "recover", "hold_waiting")),
    (
        providers,
        provider_rows,
        (
            "providers",
            "keep_forms",
            "lock_changed",
            "record_failures",
            "record_answers",
            "lock_half_open",
            "mark_tested",
            "forget_readings",
        ),
    ),
    (providers, manual, ("list_left_behind",)),
    (settlement, ending_rows, ("owners", "lock", "list_live", "end")),
    (
        evidence,
        evidence_rows,
        (
            "claim",
            "list_doubted",
            "neighbours",
            "charge_samples",
            "find_known",
            "keep",
            "lock_unsure",
            "schedule_check",
        ),
    ),
    (settlement, cancels, ("lock_cancelable", "end_unsent", "ask_provider")),
    (order_actions, intervention_rows, ("lock_subject", "list_newest_attempts", "end", "queue_again")),
    (clocks, clock_rows, ("now", "lock_reading", "keep", "note", "steps")),
    (
        polling,
        progress_rows,
        (
            "claim",
            "claim_subscriptions",
            "record",
            "list_cancels",
            "put_off_unclear",
            "put_off_unanswered",
            "record_cancels",
        ),
    ),
    (notices, notice_rows, ("keep_late", "keep_of_ended")),
    (polling, orders, ("views", "runs")),
    (
        subscriptions,
        post_rows,
        ("may_have_unreported", "list_known", "subscription", "find_taken", "make", "note", "set_missing", "set_state"),
    ),
    (refills, refill_rows, ("lock_refillable", "add")),
    (refills, refill_tasks, ("claim", "record")),
    (customers, customer_rows, ("lock", "transfer")),
    (
        payments,
        payment_rows,
        (
            "lock_reference",
            "lock_funds",
            "book",
            "list_same_deposits",
            "add_deposit",
            "find_booked",
            "find_same_transfer",
            "keep_reference",
            "find_correctable",
        ),
    ),
    (customers, audit, ("note",)),
)
REAL = {(model.__name__, name): getattr(real, name) for model, real, names in STANDS_FOR for name in names}
UNHEARD = object()
"""In the place of an answer that nobody heard: the COMMIT's was lost, or its process killed."""


class Call:
    """One statement asked of the model. ``alone``: it was a transaction of its own."""

    def __init__(self, model: str, name: str, arguments: tuple[Any, ...], more: dict[str, Any], *, alone: bool) -> None:
        self.model, self.name, self.told, self.more, self.alone = model, name, arguments, more, alone
        self.answer: Any = UNHEARD
        self.failed = False


def played(seed: int, events: int) -> tuple[World, list[object]]:
    """A scenario on the model, and what was asked of it."""
    world = World(seed)
    log: list[object] = []
    world.store.log = log
    world.record = lambda part: _recorded(part, log)
    world.run(events)
    return world, log


def _recorded(part: Any, log: list[object]) -> Any:
    if not isinstance(part, ModuleType):
        return part
    attributes = {name: value for name, value in vars(part).items() if not name.startswith("__")}
    for name, value in attributes.items():
        if (part.__name__, name) in REAL:
            attributes[name] = _written_down(part.__name__, name, value, log)
    return SimpleNamespace(**attributes)


def _written_down(model: str, name: str, function: Callable[..., Any], log: list[object]) -> Any:
    async def call(connection: Any, *arguments: Any, **more: Any) -> Any:
        alone = name == "keep" and not connection.store.open
        arguments = tuple(list(one) if inspect.isgenerator(one) else one for one in arguments)
        entry = Call(model, name, _copied(arguments), more, alone=alone)
        log.append(entry)
        try:
            answer = await function(connection, *arguments, **more)
        except psycopg.errors.UniqueViolation:
            entry.failed = True
            raise
        entry.answer = _copied(answer)
        return answer

    return call


def _copied(arguments: Any) -> Any:
    """As it is now: what is spent from later must not change it."""
    if isinstance(arguments, tuple):
        return tuple(map(_copied, arguments))
    if isinstance(arguments, placing_rows.LockedCustomers):
        return msgspec.structs.replace(
            arguments, funds={k: msgspec.structs.replace(v) for k, v in arguments.funds.items()}
        )
    return list(arguments) if isinstance(arguments, list) else arguments


_PROVIDER = """insert into provider (id, name, kind, url, currency, exchange_rate, adds_at_a_time)
               values (%s, %s, 'sandbox', 'sandbox:', 'USD', %s, %s)"""


async def furnish(owner: Connection, world: World) -> None:
    """The price list, the providers and the customers of the world, under the same numbers."""
    for provider in world.store.providers.values():
        stored = [provider.id, provider.name, provider.exchange_rate, provider.adds_at_a_time]
        await owner.execute(_PROVIDER, stored)
    await catalogue_rows.save_services(owner, SERVICES)
    for service, sale in SALES.items():
        for position, route in enumerate(sale.routes):
            insert = "insert into route (service_id, position, provider_id, provider_service) values (%s, %s, %s, %s)"
            await owner.execute(insert, [service, position, *route])
    for price_list in {price_list for price_list, _ in CATALOGUE.rates}:
        await owner.execute("insert into price_list (id, name) values (%s, %s)", [price_list, f"List {price_list}"])
    for (price_list, number), price in CATALOGUE.rates.items():
        await price_lists.keep(owner, price_list, {number: price})
    for row in world.store.customers.values():
        change = """insert into credit_change (customer_id, amount, at, reference, actor, reason)
                    values (%s, %s, %s, %s, '', '') returning id"""
        (change_row,) = await fetch(owner, change, row.id, row.credit_limit, BEGINS, f"customer {row.id}")
        customer = """insert into customer (id, name, price_list_id, credit_limit, credit_change_id, created)
                      values (%s, %s, %s, %s, %s, %s)"""
        values = [row.id, f"Customer {row.id}", row.price_list, row.credit_limit, change_row[0], BEGINS]
        await owner.execute(customer, values)
        audited = """insert into audit (at, actor, action, subject, detail)
                     values (%s, '', 'customer.credit_limit', %s, %s::jsonb)"""
        detail = {"changes": {"credit_limit": [0, row.credit_limit]}}
        await owner.execute(audited, [BEGINS, str(row.id), msgspec.json.encode(detail).decode()])
        key = "insert into api_key (id, customer_id, created, hash, hint) values (%s, %s, %s, %s, '')"
        await owner.execute(key, [row.id, row.id, BEGINS, bytes([row.id])])
    await owner.execute("update panel set catalogue_version = 1")


class Replay:
    """Asks the real store what the model was asked, and compares the answers."""

    def __init__(self, connection: Connection, owner: Connection) -> None:
        self._connection = connection
        self._owner = owner
        self._waiting: Call | None = None
        self._begun = False
        self._booked: dict[int, int] = {}
        """The ids of the model's transfers, and those that PostgreSQL gave them."""
        self.asked = 0

    async def run(self, log: Sequence[object]) -> None:
        for at, entry in enumerate(log):
            match entry:
                case "begin":
                    await self._begin(log[at + 1] if at + 1 < len(log) else None)
                case "commit" | "rollback":
                    await self._connection.execute(entry)
                case Call(alone=True):
                    self._waiting = entry
                case Call():
                    await self._ask(entry)
                case (str() as what, told):
                    await self._operate(what, told)

    async def _begin(self, following: object) -> None:
        """Placing begins its transaction with the statement that locks the customers."""
        if not (isinstance(following, Call) and following.name == "lock" and following.model == placing.__name__):
            await self._connection.execute("begin")
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            await self._ask(waiting)

    async def _ask(self, call: Call) -> None:
        arguments = self._translated(call)
        function = REAL[call.model, call.name]
        self.asked += 1
        try:
            answer = await function(self._connection, *arguments, **call.more)
        except psycopg.errors.UniqueViolation:
            assert call.failed, f"{call.name}{arguments} was refused by PostgreSQL alone"
            return
        assert not call.failed, f"{call.name}{arguments} was refused by the model alone"
        if call.name == "book":
            self._booked[call.answer] = answer
        elif call.answer is not UNHEARD and call.name not in ("note", "transfer"):
            if call.name == "lock_reading":  # PostgreSQL tells of a server and a timeline of its own
                answer = (call.answer[0], *answer[1:])
            model, real = _comparable(self._renumbered(call.answer)), _comparable(answer)
            assert model == real, f"{call.name}{arguments}: the model says {model}, PostgreSQL {real}"

    def _translated(self, call: Call) -> tuple[Any, ...]:
        """What the model was asked, with the transfers' ids that PostgreSQL gave."""
        arguments = call.told
        match call.name:
            case "add_deposit":
                return (*arguments[:-1], self._booked[arguments[-1]])
            case "find_correctable":
                return (self._booked[arguments[0]],)
            case "keep_reference":
                return (*arguments[:-1], self._renumbered(arguments[-1]))
            case "book":
                return (arguments[0], self._booked.get(arguments[1]), *arguments[2:])
        return arguments

    def _renumbered(self, answer: Any) -> Any:
        match answer:
            case Deposit() | Correctable():
                return structs.replace(answer, transfer=self._booked[answer.transfer])
            case BookedReference():
                corrects = None if answer.corrects is None else self._booked[answer.corrects]
                return structs.replace(answer, transfer=self._booked[answer.transfer], corrects=corrects)
            case [Deposit(), *_]:
                return [self._renumbered(one) for one in answer]
        return answer

    async def _operate(self, what: str, arguments: Any) -> None:
        match what:
            case "let in":
                await self._owner.execute("update api_key set revoked = null")
                await self._owner.execute("update customer set suspended = false")
            case "suspended":
                await self._owner.execute("update customer set suspended = true where id = %s", [arguments])
            case "revoked":
                await self._owner.execute("update api_key set revoked = now() where id = %s", [arguments])
            case "priced":
                await catalogue_rows.save_services(self._owner, [arguments])


def _comparable(answer: Any) -> Any:
    """Lists are compared whatever their order: most come in the one in which the database found them."""
    return sorted(map(repr, answer)) if isinstance(answer, list) else answer


def books_of(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """The model's books in the form that ``books_in`` reads from PostgreSQL."""
    books: dict[str, list[tuple[Any, ...]]] = {
        "customers": [(row.id, row.balance, row.overdrawn) for row in store.customers.values()],
        "orders": [
            (row.id, row.customer, row.state, row.charge, row.earned, row.refunded, row.remains, row.ended)
            for row in store.orders.values()
        ],
        "deliveries": [
            (row.order, row.run, row.state, row.remains, row.start_count, row.due, row.fence, row.route, row.polled)
            for row in store.deliveries.values()
        ],
        "attempts": [
            (row.order, row.run, row.number, row.provider, row.outcome, row.provider_order, row.cost, row.answered)
            for row in store.attempts.values()
        ],
        "evidence": [(*row.attempt, row.kind, row.conclusion, row.at) for row in store.evidence.values()],
        "transfers": [
            (one.debit, one.credit, one.amount, one.kind.value, one.order or 0, one.sequence) for one in store.transfers
        ],
        "keys": [(customer, key, order) for (customer, key), (_, order) in store.idempotency.items()],
        "links": [(customer, order) for (customer, _), order in store.active_links.items()],
        "refills": [(row.id, row.order, row.state) for row in store.refills.values()],
        "tasks": [(row.refill, row.run, row.state, row.provider_refill) for row in store.refill_tasks.values()],
    }
    return {name: sorted(rows, key=repr) for name, rows in books.items()}


async def books_in(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    fields = {
        "customers": "select id, balance, overdrawn from customer",
        "orders": "select id, customer_id, state, charge, earned, refunded, remains, ended from orders",
        "deliveries": """select order_id, run, state, remains, start_count, due, fence, route, polled from delivery""",
        "attempts": "select order_id, run, number, provider_id, outcome, provider_order, cost, answered from attempt",
        "evidence": "select order_id, run, number, kind, conclusion, at from evidence",
        "transfers": "select debit, credit, amount, kind, coalesce(order_id, 0), sequence from transfer",
        "keys": "select customer_id, key, order_id from idempotency",
        "links": "select customer_id, order_id from active_link",
        "refills": "select id, order_id, state from refill",
        "tasks": "select refill_id, run, state, coalesce(provider_refill, '') from refill_task",
    }
    return {name: sorted(await fetch(connection, query), key=repr) for name, query in fields.items()}
