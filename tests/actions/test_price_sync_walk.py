"""Lists, orders, approvals and sendings in any order: nothing is sent above its charge that nobody approved."""

import random
from decimal import Decimal

import pytest
from tests.panel import DEFAULT, LINK, PLAIN, acting, actor, broken, fetch, now
from tests.panels import route
from tests.upstream import again, line

from opensmm.actions import order_actions, price_sync
from opensmm.base.ids import OrderId
from opensmm.domain.audit import By
from opensmm.domain.catalogue import BelowCost
from opensmm.store import price_sync as synced


class Walk:
    """Lists, orders, approvals and sendings in any order, beside what the test itself knows of them."""

    def __init__(self, conn, upstream, api, ann, seed):
        self.conn, self.upstream, self.api, self.ann = conn, upstream, api, ann
        self.dice = random.Random(seed)
        self.costs: dict[str, Decimal] = {}
        self.approved: dict[int, Decimal] = {}
        self.sent = self.above = 0

    async def step(self):
        await self.dice.choice(
            [self.list, self.place, self.place, self.send, self.approve, self.resend, self.reprice]
        )()

    async def list(self):
        rates = {theirs: Decimal(self.dice.randint(40, 160)) / 100 for theirs in ("7", "8", "9")}
        lines = [line(theirs, rate=str(rate)) for theirs, rate in rates.items() if self.dice.random() < 0.9]
        if self.dice.random() < 0.1:
            lines = [one | {"type": self.dice.choice(["Package", "?"])} for one in lines]
        if await again(self.upstream, *lines):
            self.costs |= {one["service"]: Decimal(one["rate"]) for one in lines if one["type"] == "Default"}

    async def place(self):
        number = self.dice.choice([DEFAULT, PLAIN])
        link = f"{LINK}/{self.dice.random()}"
        await self.api.ask("v2", self.ann.key, "add", service=number, link=link, quantity=100)

    async def send(self):
        worker, fake, _ = self.upstream
        before = len(fake.named)
        await worker.send()
        for name in fake.named[before:]:
            order = int(name.split("-")[0])
            ((theirs, rate),) = await fetch(
                self.conn, "select t.provider_service, o.rate from orders o join attempt t on t.order_id = o.id "
                "where o.id = %s order by t.number desc limit 1", order,
            )  # fmt: skip
            self.sent += 1
            self.above += self.costs[theirs] > rate
            assert self.costs[theirs] <= max(rate, self.approved.get(order, Decimal(0))), (name, theirs)

    async def approve(self):
        waiting = [one.service.id for one in await synced.list_quarantined(self.conn)]
        if waiting:
            await price_sync.approve(self.conn, [self.dice.choice(waiting)], by=acting(now(), "boss"))

    async def resend(self):
        held = await fetch(self.conn, "select order_id from delivery where state = 'held' order by 1")
        if held:
            order = OrderId(self.dice.choice(held)[0])
            by = By(actor("boss"), "x", self.upstream[0].clock())
            await order_actions.resend(self.conn, order, None, "", by, below_cost=True)
            ((ceiling,),) = await fetch(self.conn, "select ceiling from delivery where order_id = %s", order)
            self.approved[order] = ceiling

    async def reprice(self):
        number, rate = self.dice.choice([DEFAULT, PLAIN]), Decimal(self.dice.randint(60, 160)) / 100
        await self.conn.execute("update panel set catalogue_version = catalogue_version + 1")
        await self.conn.execute(
            "update service set rate = %s, version = (select catalogue_version from panel) where id = %s",
            [rate, number],
        )


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_moves_nothing_is_sent_above_its_charge_that_nobody_approved(
    stocked, upstream, api, ann, seed
):  # fmt: skip
    mode = BelowCost.HOLD if seed % 2 else BelowCost.REFUSE
    await price_sync.set_below_cost(stocked, mode, by=acting(now(), "boss"))
    await route(stocked, DEFAULT, (upstream[2], 7), (upstream[2], 9))
    walk = Walk(stocked, upstream, api, ann, seed)
    await walk.list()
    for _ in range(300):
        await walk.step()
    await walk.send()
    assert walk.sent > 10
    assert walk.above > 0 or mode is BelowCost.REFUSE
    assert [] == await broken(stocked)
