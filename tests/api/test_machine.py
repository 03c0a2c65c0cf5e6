"""Both dialects driven at random against a small model, on the real endpoint, real PostgreSQL and the real sandbox."""

import asyncio
import itertools
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.panel import (
    DEFAULT,
    DRIP,
    PACKAGE,
    PLAIN,
    PRICE_LIST,
    Clock,
    broken,
    buyer,
    fetch,
    open_api,
    pay,
    stock,
)
from tests.stepped_worker import open_worker

from opensmm.base.money import money
from opensmm.domain.pricing import charge
from opensmm.store import postgres_install
from opensmm.store.embedded import APP, OWNER, EmbeddedPostgres

SERVICES = {int(service.id): service for service in PRICE_LIST}
ENDS = ("Completed", "Partial", "Canceled")
BEHAVIOURS = ("me", "me", "partial-40", "canceled", "refuse", "drop", "stuck", "slow", "garbage")
WORDS = {
    "pending": "Pending", "processing": "Processing", "inprogress": "In progress", "completed": "Completed",
    "partial": "Partial", "canceled": "Canceled",
}  # fmt: skip
MAY_FOLLOW = {
    "Pending": {"Pending", "Processing", "In progress", *ENDS},
    "Processing": {"Pending", "Processing", "In progress", *ENDS},
    "In progress": {"In progress", *ENDS},
    **{word: {word} for word in ENDS},
}
DIALECTS = st.sampled_from(["v1", "v2"])
WHO = st.integers(0, 1)
_numbers = itertools.count(1)


@dataclass
class Bought:
    """What the model knows of an order."""

    who: int
    service: int
    quantity: int
    runs: int
    behaviour: str
    charge: int
    sent: bool = False
    cancel_asked: bool = False
    seen: str = "Pending"
    refills: dict[int, str] = field(default_factory=dict)

    @property
    def packaged(self):
        return self.service == PACKAGE

    def paid_for(self, remains):
        """What is kept of the charge when so many units remain."""
        return charge(SERVICES[self.service].rate, self.quantity * self.runs - remains, packaged=self.packaged)


class Trade(RuleBasedStateMachine):
    server: EmbeddedPostgres

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.orders: dict[int, Bought] = {}
        self.keys: dict[tuple[int, str], tuple[int, tuple[object, ...]]] = {}
        self.money = [0, 0]

    def run(self, work):
        return self.runner.run(work)

    @initialize(rich=st.integers(0, 3_000_000), poor=st.integers(0, 20_000))
    def begin(self, rich, poor):
        self.run(self.open(rich, poor))

    async def open(self, rich, poor):
        name = f"machine_{next(_numbers)}"
        url = self.server.url(postgres_install.SUPERUSER, "postgres")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            await conn.execute(f"create database {name} owner {OWNER} template template_opensmm strategy file_copy")
        self.name = name
        app_url = self.server.url(APP, name)
        self.clock = Clock()
        self.conn = await self.stack.enter_async_context(
            await psycopg.AsyncConnection.connect(app_url, autocommit=True)
        )
        await stock(self.conn)
        self.people = [await buyer(self.conn, f"{units / 100_000:.5f}") for units in (rich, poor)]
        self.money = [rich, poor]
        self.api = await self.stack.enter_async_context(open_api(app_url, self.clock))
        self.worker = await self.stack.enter_async_context(open_worker(app_url, self.clock, timeout_s=5))

    def ask(self, dialect, who, action, **fields):
        return self.run(self.api.ask(dialect, self.people[who].key, action, **fields))

    @rule(
        dialect=DIALECTS, who=WHO, service=st.sampled_from([DEFAULT, PLAIN, PACKAGE, DRIP]),
        quantity=st.integers(9, 400), runs=st.sampled_from([0, 0, 2, 3]), behaviour=st.sampled_from(BEHAVIOURS),
        key=st.sampled_from(["", "", "", "k1", "k2", "k3"]),
    )  # fmt: skip
    def add(self, dialect, who, service, quantity, runs, behaviour, key):
        runs = runs if service == DRIP else 0
        terms = (service, None if service == PACKAGE else quantity, runs, behaviour)  # a package has no quantity
        fields = {"service": service, "link": f"https://example.com/{behaviour}", "quantity": quantity}
        fields |= {"runs": runs, "interval": 1} if runs else {}
        fields |= {"idempotency_key": key} if key else {}
        answer = self.ask(dialect, who, "add", **fields)
        before = self.keys.get((who, key))
        if before is not None:
            order, earlier = before
            expected = {"order": order} if earlier == terms else "Idempotency key was used with other parameters"
            assert expected == (answer.get("error") or {"order": answer["order"]})
            return
        units = 1 if service == PACKAGE else quantity
        cost = charge(SERVICES[service].rate, units * (runs or 1), packaged=service == PACKAGE)
        if service != PACKAGE and quantity < 10:
            assert "10" in answer["error"]
        elif cost > self.money[who]:
            assert {"error": "Not enough funds on balance"} == answer
        else:
            order = answer["order"]
            assert order not in self.orders
            self.orders[order] = Bought(who, service, units, runs or 1, behaviour, cost)
            self.money[who] -= cost
            if key:
                self.keys[who, key] = (order, terms)

    @rule(who=WHO, amount=st.integers(1, 500_000))
    def top_up(self, who, amount):
        customer = self.people[who].id
        assert self.run(pay(self.conn, customer, amount, f"t{next(_numbers)}")).fresh
        self.money[who] += amount

    @rule(seconds=st.sampled_from([0.5, 3, 9, 61, 4000]))
    def time_passes(self, seconds):
        self.run(self.worker.round(seconds))
        for bought in self.orders.values():
            bought.sent = True
        self.look()

    @precondition(lambda self: self.orders)
    @rule(dialect=DIALECTS, data=st.data())
    def cancel(self, dialect, data):
        order = data.draw(st.sampled_from(sorted(self.orders)))
        bought = self.orders[order]
        (answer,) = self.ask(dialect, bought.who, "cancel", orders=order)
        offered = SERVICES[bought.service].cancel and bought.seen not in ENDS
        assert {"order": order, "cancel": 1 if offered else {"error": "Order cannot be canceled"}} == answer
        if offered:
            bought.cancel_asked = True
            if not bought.sent:
                self.money[bought.who] += bought.charge
                bought.charge = 0
                assert "Canceled" == self.statuses(bought.who)[order][0]
        self.look()

    @precondition(lambda self: self.orders)
    @rule(dialect=DIALECTS, data=st.data())
    def refill(self, dialect, data):
        order = data.draw(st.sampled_from(sorted(self.orders)))
        bought = self.orders[order]
        answer = self.ask(dialect, bought.who, "refill", order=order)
        if not SERVICES[bought.service].refill:
            assert {"error": "Refill is disabled for this service"} == answer
        elif bought.seen != "Completed":
            assert {"error": "The order is not completed"} == answer
        elif any(word in ("Pending", "In progress") for word in bought.refills.values()):
            assert {"error": "The refill task is not completed for this order"} == answer
        else:
            bought.refills[int(answer["refill"])] = "Pending"

    @precondition(lambda self: self.orders)
    @rule(dialect=DIALECTS, data=st.data())
    def strangers_see_nothing(self, dialect, data):
        order = data.draw(st.sampled_from(sorted(self.orders)))
        other = 1 - self.orders[order].who
        for action in ("status", "refill"):
            assert {"error": "Incorrect order ID"} == self.ask(dialect, other, action, order=order)
        assert "Incorrect order ID" == self.ask(dialect, other, "cancel", order=order)[0]["cancel"]["error"]

    def statuses(self, who):
        """(word, charge, remains) of every order of one customer; both dialects say the same."""
        mine = [order for order, one in self.orders.items() if one.who == who]
        shown = {}
        for at in range(0, len(mine), 100):
            ids = ",".join(map(str, mine[at : at + 100]))
            v2, v1 = self.ask("v2", who, "status", orders=ids), self.ask("v1", who, "status", orders=ids)
            for order, status in v2.items():
                shown[int(order)] = (status["status"], money(status["charge"]), int(status["remains"]))
                early = status["status"] in ("Pending", "Processing")
                assert status["status"] == WORDS[v1[order]["status"]]
                assert v1[order]["remains"] == ("0" if early else status["remains"])
                assert 0 <= Decimal(v1[order]["charge"]) - Decimal(status["charge"]) < Decimal("0.0001")
        return shown

    def look(self):
        """Reads everything; statuses go forward only, money moves exactly as they say."""
        for who in (0, 1):
            for order, (word, paid, remains) in self.statuses(who).items():
                bought = self.orders[order]
                assert word in MAY_FOLLOW[bought.seen], (order, bought.seen, word)
                assert 0 <= remains <= bought.quantity * bought.runs
                self.money[who] += bought.charge - paid
                bought.seen, bought.charge = word, paid
                if word in ENDS:
                    self.ended(bought, remains)

    def ended(self, bought, remains):
        whole = bought.quantity * bought.runs
        assert bought.charge == bought.paid_for(remains)
        assert {"Completed": remains == 0, "Partial": 0 < remains < whole, "Canceled": remains == whole}[bought.seen]
        if not bought.cancel_asked:
            expected = {
                "me": 0,
                "drop": 0,
                "slow": 0,
                "garbage": 0,  # where evidence found the order that was bought
                "partial-40": bought.runs * (bought.quantity - bought.quantity * 40 // 100),
            }
            assert remains == expected.get(bought.behaviour, whole)
            assert bought.behaviour != "stuck"

    @invariant()
    def balances_agree(self):
        if hasattr(self, "worker"):
            for who in (0, 1):
                assert money(self.ask("v2", who, "balance")["balance"]) == self.money[who]
            for bought in self.orders.values():
                for refill, before in bought.refills.items():
                    word = self.ask("v2", bought.who, "refill_status", refill=refill)["status"]
                    assert before in ("Pending", "In progress") or word == before
                    bought.refills[refill] = word

    def teardown(self):
        try:
            if hasattr(self, "worker"):
                self.finish()
        finally:
            self.run(self.close())
            self.runner.close()

    def finish(self):
        """Faults stop, time passes: every order reaches its end, but for those that nobody may end."""
        for _ in range(8):
            self.time_passes(4000)
        self.balances_agree()
        for order, bought in self.orders.items():
            for_ever = bought.behaviour in ("garbage",) or (bought.behaviour == "stuck" and not bought.cancel_asked)
            partly = bought.runs > 1 and bought.behaviour in ("garbage", "stuck")
            assert for_ever or partly or bought.seen in ENDS, (order, bought)
            assert not any(word in ("Pending", "In progress") for word in bought.refills.values())
        assert [] == self.run(broken(self.conn))
        sent = self.run(fetch(self.conn, "select count(*) from attempt where outcome in ('accepted', 'unsure')"))
        assert sent == self.run(fetch(self.conn, "select count(*) from sandbox_order"))

    async def close(self):
        await self.stack.aclose()
        if hasattr(self, "name"):
            url = self.server.url(postgres_install.SUPERUSER, "postgres")
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
                await conn.execute(f"drop database {self.name} with (force)")


@pytest.mark.parametrize("steps", [40])
def test_whatever_is_asked_in_whatever_order_the_model_and_the_books_agree(server, steps):
    class OnThisServer(Trade):
        pass

    OnThisServer.server = server
    run_state_machine_as_test(
        OnThisServer,
        settings=settings(
            max_examples=40,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
