"""Two who would move the same order's money at the same moment: each of them is stopped before its commit while the
other tries. Whoever comes first, the money moves once and the books agree."""

import asyncio
import itertools
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from tests.panel import balance, broken, fetch, pay, until

from opensmm.actions import cancels, poller, refills, sending
from opensmm.base.ids import ProviderId
from opensmm.base.money import money
from opensmm.domain.dispatch import Accepted, Declined, Unsure
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport
from opensmm.domain.requests import RequestedIds
from opensmm.store import dispatch as dispatch_rows
from opensmm.store import polling as progress_rows
from opensmm.store import providers

CHARGE, FUNDS = 9_000, 10_000_000
MANY = 1000
AGAIN = timedelta(seconds=30)


@dataclass
class Scene:
    """An order of a hundred at 0.90, and what workers hold of it: a claim to send it, a turn to ask after it."""

    number: int
    who: Any
    registry: Any
    clock: Any
    claim: Any = None
    followee: Any = None


async def _sent(conn, scene, outcome):
    if scene.claim is not None:
        await sending.record_outcomes(conn, [(scene.claim, outcome)], scene.registry, scene.clock)


async def _reported(conn, scene, status, remains):
    if scene.followee is not None:
        report = StatusReport(status, 5, remains)
        result = poller.build_result(scene.followee, report, scene.clock(), scene.clock())
        await poller.record(conn, [result], scene.clock(), scene.clock())


async def accepted(conn, scene):
    await _sent(conn, scene, Accepted(f"4711{scene.number}"))


async def declined(conn, scene):
    await _sent(conn, scene, Declined("not enough funds"))


async def unsure(conn, scene):
    await _sent(conn, scene, Unsure("silence"))


async def completed(conn, scene):
    await _reported(conn, scene, OrderStatus.COMPLETED, 0)


async def partial(conn, scene):
    await _reported(conn, scene, OrderStatus.PARTIAL, 40)


async def canceled(conn, scene):
    await _reported(conn, scene, OrderStatus.CANCELED, 100)


async def canceled_by_customer(conn, scene):
    ids = RequestedIds((str(scene.number),), (scene.number,))
    await cancels.cancel(conn, [(scene.who.id, ids)], scene.clock())


async def given_up(conn, scene):
    await dispatch_rows.recover(conn, scene.clock() + timedelta(hours=1))


async def refill_asked(conn, scene):
    ids = RequestedIds((str(scene.number),), (scene.number,))
    await refills.refill(conn, [(scene.who.id, ids)], scene.clock())


async def paid(conn, scene):
    await pay(conn, scene.who.id, money("1.00"), "7")


TRIGGERS = (
    accepted, declined, unsure, completed, partial, canceled, canceled_by_customer, given_up, refill_asked, paid,
)  # fmt: skip
STATES = ("queued", "sending", "pending", "completed")


def own(rows, scene):
    return next(one for one in rows if one.order == scene.number)


async def prepare(conn, worker, api, ann, clock, state):
    """An order in a state, as the worker's own steps bring it there."""
    await providers.record_answers(conn, [ProviderId(1)])  # one that left tries unsure is left alone for a while
    scene = Scene(await api.add(ann.key), ann, worker.registry, clock)
    if state == "queued":
        return scene
    now = clock()
    scene.claim = own(await dispatch_rows.claim(conn, now, now, AGAIN, MANY, [ProviderId(1)]), scene)
    if state == "sending":
        return scene
    await accepted(conn, scene)
    clock.forward(60)
    scene.followee = own(await progress_rows.claim(conn, clock(), clock() + AGAIN, MANY), scene)
    clock.forward(1)
    if state == "completed":
        await completed(conn, scene)
        clock.forward(1)
    return scene


async def at_once(url, first, second, scene):
    """The second begins while the first has done everything but commit."""
    async with (
        await psycopg.AsyncConnection.connect(url) as one,
        await psycopg.AsyncConnection.connect(url) as other,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as watch,
    ):
        await first(one, scene)
        rival = asyncio.create_task(second(other, scene))

        async def waits_or_is_done():
            blocked = await fetch(watch, "select pg_blocking_pids(%s) <> '{}'", other.info.backend_pid)
            return rival.done() or blocked == [(True,)]

        await until(waits_or_is_done)
        await one.commit()
        await rival
        await other.commit()


def settled(state, earned, refunded):
    """An order that ended has given every unit of its charge to one side or the other; one that is open to neither."""
    return earned + refunded == CHARGE if state in ("completed", "partial", "canceled") else earned + refunded == 0


PAIRS = tuple(itertools.product(TRIGGERS, repeat=2))


@pytest.mark.parametrize("state", STATES)
async def test_whatever_two_do_at_once_the_money_moves_once(stocked, worker, api, ann, clock, database, state):
    expected = FUNDS
    for first, second in PAIRS:
        before = await balance(stocked, ann.id)
        scene = await prepare(stocked, worker, api, ann, clock, state)
        await at_once(database.app_url, first, second, scene)
        columns = "state, charge, earned, refunded, remains from orders where id = %s"
        word, charge, earned, refunded, remains = (await fetch(stocked, f"select {columns}", scene.number))[0]
        names = f"{first.__name__} against {second.__name__}"
        deposited = await balance(stocked, ann.id) - before + CHARGE - refunded
        assert charge == CHARGE, names
        assert settled(word, earned, refunded), names
        assert deposited in (0, 100_000), names
        expected += deposited + refunded - CHARGE
        ends = await fetch(
            stocked, "select count(*) from transfer where order_id = %s and kind in ('earn', 'refund')", scene.number
        )
        assert ends[0][0] <= (2 if word == "partial" else 1), names
        assert remains is None or 0 <= remains <= 100, names
    assert expected == await balance(stocked, ann.id)
    assert [(1,)] == await fetch(stocked, "select count(*) from deposit where gateway <> 'opening'")
    assert [] == await broken(stocked)
