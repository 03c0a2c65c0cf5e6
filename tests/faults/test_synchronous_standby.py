"""Commits that wait for a synchronous standby which is silent: what was answered is on the standby when it takes over.

The primary is lost for good each time: whatever only it knows is gone.
"""

import asyncio
import contextlib

import aiohttp
import psycopg
import pytest
from tests.faults.processes import apis
from tests.faults.standby import pair
from tests.panel import LINK, broken, buyer, fetch, open_api, stock, until

from opensmm.actions import batcher, commit_recovery, order_placing, transactions
from opensmm.base.errors import Unavailable
from opensmm.store import prepared
from opensmm.store.connection import MOST_ABANDONED, ReconnectingConnection
from opensmm.store.embedded import APP

GIVEN_UP_S = 0.6
"""In the place of the 14 and 20 seconds after which a batch is given up."""
UNAVAILABLE = (503, {"error": "Temporarily unavailable"})


@pytest.fixture
def two():
    with pair() as made:
        yield made


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(batcher, "BATCH_WITHIN_S", GIVEN_UP_S)
    monkeypatch.setattr(prepared, "WITHIN_S", GIVEN_UP_S / 2)
    monkeypatch.setattr(commit_recovery, "SETTLE_WITHIN_S", GIVEN_UP_S / 4)
    monkeypatch.setattr(order_placing, "RETRY_PAUSES_S", (GIVEN_UP_S / 10,) * 5)


@pytest.fixture
async def furnished(two, impatient):
    """The pair, with a stocked panel and a customer on it."""
    async with await psycopg.AsyncConnection.connect(two.embedded.urls().app, autocommit=True) as conn:
        await stock(conn)
        yield two, await buyer(conn)


async def place(api, who, **fields):
    form = {"key": who.key, "action": "add", "service": 1, "link": LINK, "quantity": 100}
    answer = await api.form("v2", form | fields)
    return answer.status, answer.said


async def waits(two, backends=1):
    async def seen():
        return len(await asyncio.to_thread(two.waiting)) >= backends

    await until(seen)


async def orders_after_takeover(two):
    """The primary dies, the standby takes over; the orders on it, with the idempotency key of each."""
    two.lose_the_primary()
    await asyncio.to_thread(two.promote)
    async with await psycopg.AsyncConnection.connect(two.standby_url(APP), autocommit=True) as conn:
        assert [] == await broken(conn)
        query = "select o.id, i.key from orders o left join idempotency i on i.order_id = o.id order by 1"
        return await fetch(conn, query)


async def repeated(api, who, key, times=3):
    return [await place(api, who, idempotency_key=key) for _ in range(times)]


async def test_an_order_is_answered_only_when_the_standby_has_it(furnished):
    two, who = furnished
    url = two.embedded.urls().app
    async with open_api(url) as api, open_api(url) as other:
        assert (200, {"order": 1}) == await place(api, who, idempotency_key="before")
        two.silence()
        first = await place(api, who, idempotency_key="doubtful")
        again = await repeated(other, who, "doubtful")
        old = await repeated(other, who, "before", 1)
        plain = await place(api, who)
    answered = [said["order"] for status, said in (first, plain, *again, *old) if status == 200]
    there = await orders_after_takeover(two)
    assert set(answered) <= {order for order, _ in there}
    assert UNAVAILABLE == first
    assert [(1, "before")] == there


async def test_once_the_standby_is_back_the_repeat_gets_the_one_order_and_the_standby_has_it(furnished):
    two, who = furnished
    url = two.embedded.urls().app
    async with open_api(url) as api, open_api(url) as other:
        two.silence()
        assert UNAVAILABLE == await place(api, who, idempotency_key="doubtful")
        two.speak()

        async def answered():
            return (await place(other, who, idempotency_key="doubtful"))[0] == 200

        await until(answered)
        status, answer = await place(api, who, idempotency_key="doubtful")
    assert 200 == status
    assert [(answer["order"], "doubtful")] == await orders_after_takeover(two)


@pytest.mark.parametrize("key", ["", "named"])
@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_commit_whose_wait_the_server_ended_is_no_success(furnished, monkeypatch, key, end):
    """PostgreSQL reports a COMMIT whose wait was cancelled as done, with a warning."""
    two, who = furnished
    url = two.embedded.urls().app
    fields = {"idempotency_key": key} if key else {}
    async with open_api(url) as api, open_api(url) as other:
        two.silence()
        with monkeypatch.context() as patient:
            patient.setattr(batcher, "BATCH_WITHIN_S", 60)
            patient.setattr(prepared, "WITHIN_S", 60)
            asking = asyncio.create_task(place(api, who, **fields))
            await waits(two)
        with two.superuser() as conn:
            conn.execute(f"select {end}(%s)", two.waiting())
        assert UNAVAILABLE == await asking
        answers = [*(await repeated(other, who, key, 2) if key else []), await place(other, who)]
    assert [UNAVAILABLE] * len(answers) == answers
    assert "the wait for synchronous replication" in log(two)
    assert [] == await orders_after_takeover(two)


def log(two):
    return (two.embedded.data / "postgres.log").read_text().replace("canceling wait", "canceling the wait")


async def test_a_task_that_is_cancelled_in_its_commit_cancels_nothing_on_the_server(furnished):
    """So are steps of a worker that stops, asks whose clients have left, and batches that took too long."""
    two, who = furnished
    line = ReconnectingConnection(two.embedded.urls().app)
    two.silence()
    suspend = "update customer set suspended = true where id = %s"
    suspending = asyncio.create_task(transactions.write(line, lambda connection: connection.execute(suspend, [who.id])))
    await waits(two)
    suspending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await suspending
    assert 1 == len(two.waiting())
    assert "synchronous replication" not in log(two)
    two.speak()

    async def through():
        connection = await line.get()
        return [(True,)] == await fetch(connection, "select suspended from customer where id = %s", who.id)

    await until(through)
    await line.close()


async def test_a_line_leaves_no_more_than_two_backends_behind_a_silent_standby(furnished):
    two, _ = furnished
    line = ReconnectingConnection(two.embedded.urls().app)
    two.silence()
    mark = "insert into batch (id, created) values (gen_random_uuid(), now())"
    for number in range(MOST_ABANDONED):
        marking = asyncio.create_task(transactions.write(line, lambda connection: connection.execute(mark)))
        await waits(two, number + 1)
        marking.cancel()
        await asyncio.gather(marking, return_exceptions=True)
    with pytest.raises(Unavailable):
        await line.get()
    two.speak()

    async def goes_on():
        with contextlib.suppress(Unavailable):
            return await line.get()
        return None

    await until(goes_on)
    await line.close()


async def test_an_api_that_is_stopped_in_a_commit_cancels_nothing(furnished, tmp_path):
    two, who = furnished
    with apis(1, two.embedded.urls().app, tmp_path) as (url,):
        two.silence()
        asking = asyncio.create_task(post(url, who.key, "stopped"))
        await waits(two)
    await asyncio.gather(asking, return_exceptions=True)
    assert "synchronous replication" not in log(two)
    assert 1 == len(two.waiting())
    assert [] == await orders_after_takeover(two)


async def post(url, key, name):
    form = {"key": key, "action": "add", "service": 1, "link": LINK, "quantity": 100, "idempotency_key": name}
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
        return answer.status, await answer.json()
