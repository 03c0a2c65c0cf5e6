"""The corpus played: each answer by a provider of its own over real HTTP, to an order of its own on real PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from tests.corpus.corpus import Row
from tests.panel import LINK, PEPPER, Api, Buyer, Clock, buyer, fetch, open_api, service, stock
from tests.stepped_worker import FakeProvider, SteppedWorker, served

from opensmm.actions import attention, monitoring
from opensmm.base.ids import OrderId
from opensmm.base.money import Money, format_amount
from opensmm.cli.orders import _explain
from opensmm.providers.key_encryption import seal
from opensmm.store.order_events import OrderEvent, read_history
from opensmm.texts.speech import ENGLISH

CHARGE = 9000
KINDS = ("unsure", "held", "stuck", "unread", "waits")
TAKEN = {"order": 7001}
DONE = {"7001": {"status": "Completed", "remains": "0"}}
TIMEOUT_S = 10.0
LATER_S = 130
MOST = 10_000


class Play:
    """One panel with an order for each row. A row's service, provider and order are found by its place."""

    def __init__(
        self, conn: psycopg.AsyncConnection, api: Api, worker: SteppedWorker, fake: FakeProvider, who: Buyer
    ) -> None:
        self.conn, self.api, self.worker, self.fake, self.who = conn, api, worker, fake, who
        self.orders: list[OrderId] = []

    def answer(self, action: str, rows: Sequence[Row]) -> None:
        """Has each provider answer an action as its row does; providers are known by their keys."""
        answers = {_key(at): (row.status, row.body) for at, row in enumerate(rows)}
        self.fake.answers[action] = lambda form: answers[form["key"]]

    async def place(self, rows: Sequence[Row]) -> None:
        for at in range(len(rows)):
            self.orders.append(OrderId(await self.api.add(self.who.key, at + 1, link=f"{LINK}/{at}")))
        assert len(rows) == await self.worker.send()

    async def follow(self, seconds: float = 2) -> None:
        self.worker.clock.forward(seconds)
        assert len(self.orders) == await self.worker.follow()

    async def fates(self) -> list[str]:
        """How far each order has come, and what of its money went back."""
        rows = await fetch(
            self.conn,
            """select case when o.state = 'open' then d.state else o.state end, o.refunded, o.charge
               from delivery d join orders o on o.id = d.order_id order by o.id""",
        )
        assert {CHARGE} == {charge for _, _, charge in rows}
        return [state + (f", {format_amount(Money(back))} back" if back else "") for state, back, _ in rows]

    async def column(self, query: str) -> list[str]:
        """One value for each order, in their order."""
        return [value for (value,) in await fetch(self.conn, query)]

    async def read_by_operator(self) -> list[str]:
        """All that the operator is told of each order: its line on the list, its story, its provider's health."""
        self.worker.clock.forward(LATER_S)
        waiting = await attention.list_waiting(self.conn, KINDS, MOST, self.worker.clock())
        listed = {one.order: _explain(one).answer or "" for one in waiting}
        findings: dict[str, str] = {}
        _, found_of_all = await monitoring.inspect_panel(self.conn, PEPPER, self.worker.clock(), private=True)
        for finding in found_of_all:
            text = " ".join(ENGLISH.health_finding(finding))
            findings[finding.name.rpartition(" ")[2]] = findings.get(finding.name.rpartition(" ")[2], "") + text
        texts = []
        for at, order in enumerate(self.orders):
            told_of = await read_history(self.conn, order)
            assert told_of is not None
            events = [_event(one) for one in told_of.events]
            texts.append("\n".join([ENGLISH.value(listed.get(order, "")), *events, findings.get(_name(at), "")]))
        return texts

    async def waiting_orders(self) -> set[int]:
        return {one.order for one in await attention.list_waiting(self.conn, KINDS, MOST, self.worker.clock())}


def _event(event: OrderEvent) -> str:
    return ENGLISH.event(event.kind, event.fields)


def _name(at: int) -> str:
    return f"P{at}"


def _key(at: int) -> str:
    return f"the key of {at}"


@asynccontextmanager
async def open_play(conn: psycopg.AsyncConnection, url: str, rows: Sequence[Row]) -> AsyncIterator[Play]:
    clock, fake = Clock(), FakeProvider()
    services = [service(at + 1, refill=True, cancel=True) for at in range(len(rows))]
    await stock(conn, services)
    who = await buyer(conn, balance=str(len(rows)))
    async with served(fake) as address, open_api(url, clock) as api:
        await _furnish(conn, address, len(rows))
        worker = SteppedWorker(url, "http://127.0.0.1:9/api/v2", clock, TIMEOUT_S)
        await worker.housekeeper.step()
        try:
            yield Play(conn, api, worker, fake, who)
        finally:
            await worker.close()


async def _furnish(conn: psycopg.AsyncConnection, address: str, count: int) -> None:
    """A panel upstream for each service, all at one address."""
    for at in range(count):
        values: list[Any] = [_name(at), address]
        cursor = await conn.execute(
            "insert into provider (name, kind, url, currency) values (%s, 'panel', %s, 'USD') returning id", values
        )
        (provider,) = await cursor.fetchone() or (0,)
        sealed = seal(PEPPER, provider, address, _key(at))
        await conn.execute("update provider set sealed_key = %s where id = %s", [sealed, provider])
        await conn.execute("update route set provider_id = %s where service_id = %s", [provider, at + 1])
