"""Books of every kind of order, an owner who may break them, and data folders of a test's own."""

import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest
from tests.panel import DEFAULT, DRIP, LINK, OF_TYPE, ONE_PER_LINK, SHAPES, acting, broken, buyer, fetch, let_owe, pay
from tests.stepped_worker import BEYOND_THE_END_S

from opensmm.actions import money, notices, order_actions, purchases
from opensmm.actions.money import Adjustment
from opensmm.base.ids import OrderId, RefillId
from opensmm.base.money import Money
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.payments import Payment
from opensmm.providers.sandbox.behaviour import BEGINS_S, POST_EVERY_S
from opensmm.store.embedded import EmbeddedPostgres
from opensmm.store.notices import LateAcceptance, keep_late

FIRST_POST_S = BEGINS_S + POST_EVERY_S + 0.1
NEVER = "2199-01-01"


@pytest.fixture
async def honest(api, ann, worker, stocked):
    """Orders: 1 completed, 2 partial, 3 cancelled before it was sent, 4 a drip-feed at its second run, 5 unsure,
    6 queued, 7 a subscription, 8 the order made for its first post, 9 queued with its link held, 10 settled as
    declined with a late acceptance, 11 settled as accepted, 12 completed with a refill that is 13, bought elsewhere."""
    await api.add(ann.key, link=f"{LINK}/complete")
    await api.add(ann.key, link=f"{LINK}/partial-40", idempotency_key="k")
    await api.add(ann.key)
    await api.ask("v2", ann.key, "cancel", orders="3")
    await api.add(ann.key, DRIP, runs=3, interval=10)
    await api.add(ann.key, link=f"{LINK}/garbage")
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    await worker.round(600)
    await api.ask("v2", ann.key, "refill", order=1)
    await api.add(ann.key)
    kind = ServiceType.SUBSCRIPTIONS
    await api.ask("v2", ann.key, "add", service=OF_TYPE[kind], posts=2, **SHAPES[kind])
    await stocked.execute("update delivery set due = %s where order_id = 6", [NEVER])
    await worker.send()
    worker.clock.forward(FIRST_POST_S)
    await worker.watch()
    await _more(api, ann, worker, stocked)
    states = ["completed", "partial", "canceled", "open", "open", "open", "active", "open"]
    states += ["open", "canceled", "open", "completed", "open"]
    assert states == [state for (state,) in await fetch(stocked, "select state from orders order by id")]
    assert [] == await broken(stocked)
    return stocked


async def _more(api, ann, worker, conn):
    """What the operator has had a hand in."""
    await api.add(ann.key, ONE_PER_LINK, link=f"{LINK}/once")
    await conn.execute("update delivery set due = %s where order_id = 9", [NEVER])
    for _ in range(2):
        await api.add(ann.key, link=f"{LINK}/garbage")
    await worker.send()
    by = acting(worker.clock(), reason="why")
    assert await order_actions.settle(conn, OrderId(10), None, None, by)
    await keep_late(conn, [LateAcceptance((OrderId(10), 1, 1), "8001", "")], worker.clock())
    assert await notices.deal_with(conn, OrderId(10), by)
    assert await order_actions.settle(conn, OrderId(11), None, "9001", by)
    await _buy_a_refill(api, ann, worker, conn)
    await buyer(conn)
    await _money_by_hand(conn, by)


async def _money_by_hand(conn, by):
    """The operator has moved money of two more customers in every way."""
    who, other = await buyer(conn, "0"), await buyer(conn, "0")
    paid = await pay(conn, who.id, 5_000, "A1")
    taken = Adjustment(paid.transfer, who.id, Money(1_000), takes=True, to=other.id)
    assert (await money.adjust(conn, taken, "a", by)).fresh
    assert (await money.bonus(conn, who.id, Money(5), "b", by)).fresh
    assert (await money.pay_out(conn, who.id, Money(3_500), "p", by)).fresh
    assert (await money.charge_back(conn, Payment("bank", "A1"), Money(3_000), "c", by)).fresh
    await let_owe(conn, who.id, 100)


async def _buy_a_refill(api, ann, worker, conn):
    await api.add(ann.key, link=f"{LINK}/complete")
    await conn.execute("update delivery set due = %s where order_id in (4, 7, 8, 11) and due is not null", [NEVER])
    await conn.execute("update refill_task set due = %s", [NEVER])
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    await conn.execute("insert into provider (name, kind, currency) values ('Staff', 'manual', 'USD')")
    await conn.execute("insert into provider (name, kind, url, currency) values ('B', 'sandbox', 'sandbox:1', 'USD')")
    await conn.execute(
        "insert into route (service_id, position, provider_id, provider_service) "
        "select %s, 1, id, '1' from provider where name = 'B'",
        [DEFAULT],
    )
    await conn.execute("update service set refill_mode = 'other' where id = %s", [DEFAULT])
    refill = (await api.ask("v2", ann.key, "refill", order=12))["refill"]
    bought = await purchases.buy(conn, RefillId(int(refill)), 40, by=acting(worker.clock()))
    assert 13 == bought, bought
    await conn.execute("update delivery set due = %s where order_id = 13", [NEVER])


@pytest.fixture
async def owner(database):
    """The owner's connection to books without constraints: what a future bug of the schema might let pass."""
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def data(tmp_path):
    """A data folder below folders that are private to us, as root's home is; whatever runs in it is stopped."""
    folder = tmp_path / "data"
    yield folder
    left = EmbeddedPostgres(folder)
    if left.pid() is not None:
        left.start()
        left.stop()


@pytest.fixture
def open_folder():
    folder = Path(tempfile.mkdtemp(prefix="opensmm-open-"))
    yield folder
    shutil.rmtree(folder)
