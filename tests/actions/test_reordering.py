"""Routes that are put in another order while orders wait: who has refused is not asked again before the others."""

from decimal import Decimal

import pytest
from tests.panel import DEFAULT, acting, broken, fetch
from tests.stepped_worker import state
from tests.upstream import again, line

from opensmm.actions.routes import set_routes_in_transaction
from opensmm.base.ids import ServiceId
from opensmm.domain.routes import RouteTo

REFUSAL = {"error": "Quantity less than minimal 1000"}
BUSY = {"error": "Too many requests"}


async def put(stocked, upstream, *theirs, by_cost=False):
    """One provider's services stand for several providers."""
    worker, _, provider = upstream
    routes = [RouteTo(provider, str(number)) for number in theirs]
    async with stocked.transaction():
        await set_routes_in_transaction(stocked, ServiceId(DEFAULT), routes, by_cost=by_cost, by=acting(worker.clock()))


def answering(fake, **answers):
    """Each of their services has its answer; the others take what is sent."""
    accept = fake.answers["add"]
    fake.answers["add"] = lambda form: answers.get(f"at_{form['service']}") or accept(form)


def added_services(fake):
    return [form["service"] for form in fake.requests if form["action"] == "add"]


async def test_what_was_held_goes_to_the_provider_whose_fall_in_cost_released_it(stocked, upstream, api, ann):
    worker, fake, _ = upstream
    await put(stocked, upstream, 7, 9, by_cost=True)
    await again(upstream, line(rate="0.70"), line(8), line(9, rate="0.80"))
    answering(fake, at_7=REFUSAL)
    order = await api.add(ann.key)
    await worker.send()
    await again(upstream, line(rate="0.70"), line(8), line(9, rate="0.95"))
    await worker.send()
    assert "held" == await state(stocked, order)
    await again(upstream, line(rate="0.70"), line(8), line(9, rate="0.65"))
    assert [(Decimal("0.65"),), (Decimal("0.70"),)] == await fetch(
        stocked, "select cost from route where service_id = %s order by position", DEFAULT
    )
    await worker.send()
    assert (["7", "9"], "pending") == (added_services(fake), await state(stocked, order))
    assert [] == await broken(stocked)


@pytest.mark.parametrize(
    ("second", "order", "next_one"),
    [
        (None, (7, 10, 9), "10"),
        (None, (7, 9, 10), "9"),
        (None, (10, 7, 9), "10"),
        (BUSY, (7, 9, 10), "9"),
        (REFUSAL, (7, 9, 10), "10"),
        (REFUSAL, (7, 9), "7"),
    ],
)
async def test_who_has_refused_is_not_asked_before_the_others(stocked, upstream, api, ann, second, order, next_one):
    worker, fake, _ = upstream
    await put(stocked, upstream, 7, 9, 10)
    answering(fake, at_7=REFUSAL, at_9=second)
    await api.add(ann.key)
    await worker.send()
    if second:
        await worker.send()
    before = added_services(fake)
    worker.clock.forward(5)
    await stocked.execute("update provider set failures = 0, resting_until = null")
    await worker.housekeeper.step()
    await put(stocked, upstream, *order)
    await worker.send()
    assert next_one == added_services(fake)[len(before)]
