"""The facts of health, from rows in every state."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from tests.panel import DEFAULT, SANDBOX, fetch

from opensmm.base.ids import ProviderId
from opensmm.domain.codes import ShutCode
from opensmm.domain.panel_facts import (
    DeliveriesAtProviders,
    FollowedList,
    NamedServices,
    ProviderSeen,
    UnsoldServices,
    WaitingCount,
    WorkerSeen,
)
from opensmm.domain.providers import BalanceReading
from opensmm.store import monitoring, order_actions, providers, workers
from opensmm.store.workers import WorkerRow


@pytest.fixture
def now(clock):
    return clock()


@pytest.fixture
def add(stocked, now):
    """Keeps a delivery whose times are so many seconds ago, or ahead where below 0."""
    numbers = iter(range(1, 1000))

    async def add_delivery(state, attempt=0, **ages):
        order = next(numbers)
        times = {name: now - timedelta(seconds=age) for name, age in ages.items()}
        named = {"order_id": order, "run": 1, "service_id": DEFAULT, "quantity": 100, "state": state}
        columns = named | {"attempt": attempt} | times
        marks = ", ".join(["%s"] * len(columns))
        await stocked.execute(f"insert into delivery ({', '.join(columns)}) values ({marks})", list(columns.values()))
        return order

    return add_delivery


async def test_a_panel_without_orders_has_nothing_waiting(stocked, now):
    facts = await monitoring.facts(stocked, now)
    assert (WaitingCount(), 0, DeliveriesAtProviders(), WaitingCount(), WaitingCount()) == (
        facts.due, facts.sending, facts.moving, facts.unsure, facts.held,
    )  # fmt: skip
    assert ((), (ProviderSeen(ProviderId(1), SANDBOX, "sandbox", currency="USD", concurrency=64),)) == (
        facts.workers,
        facts.providers,
    )
    assert (2, True) == (facts.catalogue_version, facts.database_bytes > 1 << 20)


async def test_what_waits_is_counted_with_its_oldest(stocked, add, now):
    await add("queued", due=-60)
    await add("queued", due=5)
    await add("queued", due=90)
    await add("sending", lease_until=-5)
    await add("unsure", sent=300)
    await add("unsure", sent=30)
    await add("held", sent=7)
    await add("completed", sent=9)
    await add("pending", sent=40, due=-1, polled=1, cancel_asked=33)
    await add("completed", sent=40, polled=1, cancel_asked=33)
    facts = await monitoring.facts(stocked, now)

    def since(seconds):
        return now - timedelta(seconds=seconds)

    assert WaitingCount(2, since(90)) == facts.due
    assert 1 == facts.sending
    assert (WaitingCount(2, since(300)), WaitingCount(1, since(7))) == (facts.unsure, facts.held)
    assert WaitingCount(1, since(33)) == facts.cancels


async def test_what_nobody_will_ever_see_to_is_named(stocked, add, now):
    await stocked.execute("insert into provider (name, kind, currency) values ('Staff', 'manual', 'USD')")
    never_due = await add("queued")
    await add("queued", due=5)
    never_recovered = await add("sending")
    await add("sending", lease_until=5)
    with_staff, never_asked = await add("pending", attempt=1), await add("pending", attempt=1)
    await stocked.execute(
        """insert into attempt (order_id, run, number, provider_id, provider_service, fence, outcome, provider_order)
           select id, 1, 1, provider, '7', 1, 'accepted', id::text
           from unnest(%s::bigint[], %s::bigint[]) as a (id, provider)""",
        [[with_staff, never_asked], [2, 1]],
    )
    later = "insert into delivery (order_id, run, service_id, quantity) values (%s, 2, 1, 100)"
    await stocked.execute(later, [never_due + 1])
    forgotten = (await monitoring.facts(stocked, now)).forgotten
    assert NamedServices(3, (never_due, never_recovered, never_asked)) == forgotten


@pytest.mark.parametrize(
    ("age_s", "heard_s", "unpolled"),
    [
        (30, 65, False),  # asked after every 3 seconds: two of them and the grace of a minute
        (30, 67, True),
        (300, 79, False),  # every 10
        (300, 81, True),
        (3000, 109, False),  # every 25
        (3000, 111, True),
        (80_000, 659, False),  # every 5 minutes
        (80_000, 661, True),
        (90_000, 1739, False),  # every 14
        (90_000, 1741, True),
    ],
)
async def test_a_delivery_is_unheard_of_after_twice_its_poll_interval(stocked, add, now, age_s, heard_s, unpolled):
    await add("in_progress", sent=age_s, polled=heard_s, due=-10)
    moving = (await monitoring.facts(stocked, now)).moving
    assert (1, int(unpolled)) == (moving.count, moving.unpolled.count)
    assert (now - timedelta(seconds=heard_s) if unpolled else None) == moving.unpolled.since


async def test_a_delivery_that_was_never_heard_of_counts_from_its_sending(stocked, add, now):
    await add("pending", sent=600, due=-10)
    long = await add("pending", sent=3 * 86_400 + 1, polled=5, due=-10)
    await add("pending", sent=3 * 86_400 - 1, polled=5, due=-10)
    moving = (await monitoring.facts(stocked, now)).moving
    assert WaitingCount(1, now - timedelta(seconds=600)) == moving.unpolled
    assert WaitingCount(1, now - timedelta(days=3, seconds=1)) == moving.long
    stuck = await order_actions.list_waiting_deliveries(stocked, frozenset({"stuck"}), now, 10)
    assert [long] == [one.order for one in stuck], "the list names what is counted"


async def test_deliveries_that_are_not_heard_of_are_told_of_their_provider(stocked, add, now):
    await stocked.execute("insert into provider (name, kind, currency) values ('Far', 'panel', 'USD')")
    late = [await add("pending", sent=600 + at, due=-10, attempt=1) for at in range(3)]
    well = await add("pending", sent=600, polled=1, due=-10, attempt=1)
    await stocked.execute(
        """insert into attempt (order_id, run, number, provider_id, provider_service, fence, outcome, answered,
                                provider_order)
           select id, 1, 1, provider, '7', 1, 'accepted', %s, id::text
           from unnest(%s::bigint[], %s::bigint[]) as a (id, provider)""",
        [now - timedelta(seconds=590), [*late, well], [2, 1, 2, 1]],
    )
    seen = {one.name: (one.unpolled, one.accepted) for one in (await monitoring.facts(stocked, now)).providers}
    answered = now - timedelta(seconds=590)
    assert {
        "Far": (WaitingCount(2, now - timedelta(seconds=602)), answered),
        SANDBOX: (WaitingCount(1, now - timedelta(seconds=601)), answered),
    } == seen


async def test_refills_that_no_provider_has_heard_of_are_counted(stocked, now):
    times = [now - timedelta(seconds=seconds) for seconds in (50, 70, 90)]
    await stocked.execute(
        """insert into refill (id, order_id, customer_id, state, created)
           select n, n, 1, 'pending', at from unnest(%s::timestamptz[]) with ordinality as a (at, n)""",
        [times],
    )
    await stocked.execute(
        """insert into refill_task (refill_id, run, order_id, provider_id, provider_order, state, due, provider_refill)
           select n, 1, n, 1, n::text, 'queued', %s, case when n = 3 then '9' end from generate_series(1, 3) n""",
        [now],
    )
    assert WaitingCount(2, times[1]) == (await monitoring.facts(stocked, now)).refills


async def test_an_open_transaction_of_the_app_is_seen(stocked, database, now):
    async with await psycopg.AsyncConnection.connect(database.app_url) as other:
        ((began,),) = await fetch(other, "select now()")
        assert began == (await monitoring.facts(stocked, now)).oldest_transaction
    assert (await monitoring.facts(stocked, now)).oldest_transaction is None


async def test_workers_are_on_the_list_until_they_leave_or_are_forgotten(stocked, now):
    long_ago = now - timedelta(minutes=11)
    ago, off = now - timedelta(seconds=4), timedelta(seconds=-7)
    first, second = WorkerRow(UUID(int=1), 10, "alpha"), WorkerRow(UUID(int=2), 11, "beta")
    await workers.beat(stocked, first, long_ago, None, timedelta(hours=1))
    await workers.beat(stocked, second, ago, off, timedelta(hours=1))
    both = [WorkerSeen("alpha", 10, long_ago, long_ago), WorkerSeen("beta", 11, ago, ago, off)]
    assert both == await workers.list_workers(stocked)
    assert (0, 1) == await workers.find_rank(stocked, second, now, timedelta(seconds=15))
    assert (1, 2) == await workers.find_rank(stocked, second, now, timedelta(hours=1))
    shut = {ProviderId(3): ShutCode.ADDRESS_PRIVATE}
    await workers.beat(stocked, second, now, off, timedelta(minutes=10), shut)
    assert [WorkerSeen("beta", 11, ago, now, off, {"3": "address_private"})] == await workers.list_workers(stocked)
    await workers.leave(stocked, second)
    assert [] == await workers.list_workers(stocked)


async def test_price_lists_are_told_of_where_they_are_followed(stocked, now):
    await stocked.execute(
        """insert into provider (name, kind, currency, sync_every_min, synced, sync_fault)
           values ('A', 'panel', 'USD', 30, %s, 'why'), ('B', 'panel', 'USD', 0, null, ''), ('C', 'manual', 'USD', 30,
                   null, '')""",
        [now],
    )
    seen = {one.name: one.followed for one in (await monitoring.facts(stocked, now)).providers}
    assert {"A": FollowedList(timedelta(minutes=30), now, "why"), "B": None, "C": None, SANDBOX: None} == seen


async def test_balances_are_told_of_the_newest_however_old_and_of_the_day_before_it(stocked, now):
    await stocked.execute(
        "insert into provider (name, kind, currency) values ('A', 'panel', 'USD'), ('B', 'panel', 'USD')"
    )
    ages_h = {1: (1, 24, 25, 26), 2: (170, 190, 200)}
    wanted = {
        ProviderId(one): [BalanceReading(now - timedelta(hours=age), Decimal(age)) for age in ages_h[one]]
        for one in ages_h
    }
    await providers.keep_balances(stocked, [(one, reading) for one, readings in wanted.items() for reading in readings])
    expected = {1: [25, 24, 1], 2: [190, 170]}
    by_provider = await providers.readings(stocked)
    assert expected == {one: [int(reading.balance) for reading in readings] for one, readings in by_provider.items()}


async def test_services_that_are_not_sold_as_they_stand_are_named(stocked, now):
    assert UnsoldServices() == (await monitoring.facts(stocked, now)).unsold
    await stocked.execute("update route set quarantined = %s where service_id in (1, 7)", [now])
    await stocked.execute("update service set halted = 'gone' where id in (2, 7)")
    await stocked.execute("update service set cost = 0.91 where id in (3, 4, 6)")
    await stocked.execute("update service set cost = 0.90, halted = 'type' where id = 5")
    await stocked.execute("update service set cost = 999 where id = 8")
    await stocked.execute("insert into price_list (id, name) values (9, 'Nine')")
    await stocked.execute("insert into price (price_list_id, service_id, rate) values (9, 8, 998), (9, 3, 5)")
    await stocked.execute("update panel set below_cost = 'hold'")
    expected = UnsoldServices(NamedServices(1, (1,)), NamedServices(2, (2, 5)), NamedServices(3, (3, 4, 8)), holds=True)
    assert expected == (await monitoring.facts(stocked, now)).unsold
