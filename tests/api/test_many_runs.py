"""Drip-feeds of many runs are written, read and cancelled in parts: who has them waits, and nobody else."""

import asyncio

from tests.panel import DRIP, LINK, balance, broken, buyer, fetch

from opensmm.actions.api_facade import parts
from opensmm.actions.batcher import MAX_WEIGHT, TRAFFIC
from opensmm.store.orders import MANY_RUNS

MANY = {"service": DRIP, "link": LINK, "quantity": 10, "runs": 1000, "interval": 1}


def batches(*names):
    return sum(TRAFFIC[name].batches.total for name in names)


async def drip_feeds(api, key, runs, count=1):
    wanted = MANY | {"runs": runs}
    answers = await asyncio.gather(*(api.ask("v2", key, "add", **wanted) for _ in range(count)))
    return [one["order"] for one in answers]


async def read_statuses(api, key, orders):
    statuses = await api.ask("v2", key, "status", orders=",".join(map(str, orders)))
    return {
        int(order): (one["status"], int(one["start_count"]), int(one["remains"])) for order, one in statuses.items()
    }


async def test_many_runs_are_told_as_few_are(api, worker, stocked):
    who = await buyer(stocked, "10000.00")
    orders = [(await drip_feeds(api, who.key, runs))[0] for runs in (2, MANY_RUNS, MANY_RUNS + 1, 1000)]
    assert [("Pending", 0, 20), ("Pending", 0, 500), ("Pending", 0, 510), ("Pending", 0, 10_000)] == list(
        (await read_statuses(api, who.key, orders)).values()
    )
    await worker.round(9)
    await worker.round(9)
    after = await read_statuses(api, who.key, orders)
    assert {"In progress"} == {status for status, _, _ in after.values()}
    listed = {one["order"]: one for one in await api.ask("v2", who.key, "orders")}
    for order, (status, start_count, remains) in after.items():
        assert (status, str(start_count), str(remains)) == tuple(
            listed[order][name] for name in ("status", "start_count", "remains")
        )
    other = await buyer(stocked)
    assert {"error": "Incorrect order ID"} == await api.ask("v2", other.key, "status", order=orders[3])


async def test_a_list_of_cancels_gives_everything_back_in_a_transaction_an_order(api, stocked):
    who = await buyer(stocked, "10000.00")
    orders = [*await drip_feeds(api, who.key, 1000, 3), *await drip_feeds(api, who.key, 2, 3)]
    before = batches("cancel")
    answer = await api.ask("v2", who.key, "cancel", orders=",".join(map(str, [*orders, 999_999])))
    assert [*[1] * 6, {"error": "Incorrect order ID"}] == [one["cancel"] for one in answer]
    assert 4 == batches("cancel") - before
    assert 1_000_000_000 == await balance(stocked, who.id)
    assert [(order, 1) for order in sorted(orders)] == await fetch(
        stocked, "select order_id, count(*) from transfer where kind = 'refund' group by 1 order by 1"
    )
    assert {"Canceled"} == {status for status, _, _ in (await read_statuses(api, who.key, orders)).values()}
    assert [] == await broken(stocked)


async def test_whatever_one_customer_asks_another_waits_for_few_batches(api, stocked, ann):
    """Drip-feeds, cancels and lists at 64 connections: in each lane the other's ask is in one of the next batches."""
    who = await buyer(stocked, "100000.00")
    orders = await drip_feeds(api, who.key, 1000, 12)
    plain = await api.add(ann.key)
    listed = ",".join(map(str, orders))
    done = asyncio.Event()

    async def asking(action, **fields):
        while not done.is_set():
            answer = await api.form("v2", {"key": who.key, "action": action, **fields})
            assert answer.status in (200, 503)

    crowd = [asyncio.create_task(asking("add", **MANY)) for _ in range(16)]
    crowd += [asyncio.create_task(asking("status", orders=listed)) for _ in range(16)]
    crowd += [asyncio.create_task(asking("orders")) for _ in range(16)]
    crowd += [asyncio.create_task(asking("cancel", orders=str(order))) for order in orders]
    await asyncio.sleep(0)
    waited: dict[str, list[int]] = {"keep": [], "status": [], "balance": [], "orders": []}
    for _ in range(5):
        for lane, action, fields in (
            ("keep", "add", {"service": 1, "link": LINK, "quantity": 100}),
            ("status", "status", {"order": plain}),
            ("balance", "balance", {}),
            ("orders", "orders", {}),
        ):
            before = batches(lane)
            answer = await api.form("v2", {"key": ann.key, "action": action, **fields})
            assert (200, False) == (answer.status, b"error" in answer.body)
            waited[lane].append(batches(lane) - before)
    done.set()
    await asyncio.gather(*crowd)
    assert 3 >= max(max(counts) for counts in waited.values()), waited
    assert [] == await broken(stocked)


def test_parts_are_as_heavy_as_allowed_or_of_one_item():
    assert [] == list(parts([], 10))
    assert [(slice(0, 3), 9), (slice(3, 4), 30), (slice(4, 6), 10)] == list(parts([3, 3, 3, 30, 5, 5], 10))
    assert [(slice(0, 100), 100)] == list(parts([1] * 100, MAX_WEIGHT))
