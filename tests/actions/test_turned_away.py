"""Providers that refuse us, whatever is ordered: orders wait, go elsewhere, and are held in the end."""

import pytest
from tests.panel import DEFAULT, LINK, PEPPER, acting, balance, broken, fetch
from tests.stepped_worker import state

from opensmm.actions import monitoring, order_actions, providers
from opensmm.domain.codes import EventCode, FindingCode
from opensmm.domain.findings import Level
from opensmm.store import catalogue as rows
from opensmm.store.order_events import read_history
from opensmm.texts.speech import ENGLISH

FUNDS, CHARGE = 10_000_000, 9_000
DAY_S = 86_400
WAITED = (
    "held: it waited 24 h for its provider, which reports “Not enough funds on balance”; send it again, or cancel it"
)
KEY = {"error": "Invalid API key"}
MONEY = {"error": "Not enough funds on balance"}
SERVICE = {"error": "This service is temporarily unavailable"}


async def place(api, ann, count):
    return [await api.add(ann.key, link=f"{LINK}/{at}") for at in range(count)]


async def states(conn):
    return await fetch(conn, "select state, count(*) from delivery group by state order by state")


def adds(fake):
    return sum(form["action"] == "add" for form in fake.requests)


async def finding(conn, clock, name="provider Sandbox"):
    _, findings = await monitoring.inspect_panel(conn, PEPPER, clock(), private=True)
    return next(one for one in findings if one.name == name)


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        (KEY, FindingCode.PROVIDER_REFUSES_KEY, "refuses our key"),
        (MONEY, FindingCode.PROVIDER_WITHOUT_FUNDS, "has none of our money left"),
        ({"error": "IP not allowed"}, FindingCode.PROVIDER_REFUSES_KEY, "refuses our key"),
        ({"error": "Your account has been suspended."}, FindingCode.PROVIDER_REFUSES_KEY, "refuses our key"),
    ],
)
async def test_it_is_paused_and_named_and_one_order_a_pause_tries_it_again(
    api, ann, stocked, lied_to, clock, answer, code, text
):
    worker, fake = lied_to
    fake.answers["add"] = answer
    await place(api, ann, 3)
    assert 3 == await worker.send()
    await place(api, ann, 3)
    await worker.housekeeper.step()
    named = await finding(stocked, clock)
    assert (Level.CRITICAL, code, answer["error"]) == (named.level, named.code, named.fields["words"])
    assert text in ENGLISH.health_finding(named)[0]
    for pause_s in (60, 120, 300, 300):
        clock.forward(pause_s - 1)
        await worker.housekeeper.step()
        assert 0 == await worker.send()
        clock.forward(1)
        assert 1 == await worker.send()
    assert ([("queued", 6)], 7) == (await states(stocked), adds(fake))
    assert FUNDS - 6 * CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_once_it_takes_us_again_all_that_waited_goes_out(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    fake.answers["add"] = MONEY
    await place(api, ann, 3)
    await worker.send()
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    clock.forward(60)
    assert 1 == await worker.send()
    await worker.housekeeper.step()
    assert 2 == await worker.send()
    assert [("pending", 3)] == await states(stocked)
    assert [(0, None, None)] == await fetch(stocked, "select failures, resting_until, refuses from provider")
    assert [(None, None)] == await fetch(stocked, "select distinct note, noted from delivery")


async def test_another_provider_gets_the_order_at_once(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    other = await rows.save_provider(stocked, "Other", "sandbox", "sandbox:", "USD")
    route = "insert into route (service_id, position, provider_id, provider_service) values (%s, 1, %s, '77')"
    await stocked.execute(route, [DEFAULT, other])
    await worker.housekeeper.step()
    fake.answers["add"] = lambda form: {"order": 7} if form["service"] == "77" else MONEY
    order = await api.add(ann.key)
    assert 1 == await worker.send()
    await worker.housekeeper.step()
    assert 1 == await worker.send()
    assert "pending" == await state(stocked, order)
    clock.forward(60)
    await worker.housekeeper.step()
    fake.answers["add"] = {"order": 8}
    assert "1" == await first_service(api, ann, worker, fake)


async def first_service(api, ann, worker, fake):
    """Where the next order goes first."""
    await api.add(ann.key, link=f"{LINK}/next")
    await worker.send()
    return [form["service"] for form in fake.requests if form["action"] == "add"][-1]


async def test_after_a_day_those_that_wait_are_held_with_the_words_and_are_the_operators(
    api, ann, stocked, lied_to, clock
):
    worker, fake = lied_to
    fake.answers["add"] = MONEY
    tried, untried = await place(api, ann, 2)
    assert 1 == await worker.send(1)
    await worker.housekeeper.step()
    clock.forward(DAY_S - 1)
    await worker.housekeeper.step()
    assert [("queued", 2)] == await states(stocked)
    clock.forward(1)
    await worker.housekeeper.step()
    assert [("held", 2)] == await states(stocked)
    assert FUNDS - 2 * CHARGE == await balance(stocked, ann.id)
    for order in (tried, untried):
        history = await read_history(stocked, order)
        assert history is not None
        answers = [
            ENGLISH.event(one.kind, one.fields) for one in history.events if one.kind is EventCode.WAITED_TOO_LONG
        ]
        assert [WAITED] == answers
    fake.answers["add"] = {"order": 7}
    assert await order_actions.resend(stocked, tried, None, "", acting(clock(), reason="topped up"))
    assert await order_actions.cancel(stocked, untried, acting(clock(), reason="given up"))
    assert 1 == await worker.send()
    assert ["pending", "canceled"] == [await state(stocked, order) for order in (tried, untried)]
    assert [] == await broken(stocked)


async def test_how_long_they_wait_is_a_setting(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    fake.answers["add"] = KEY
    await place(api, ann, 2)
    await worker.send()
    await providers.set_refused_wait(stocked, 2, by=acting(clock()))
    changed = "select subject, detail from audit where action = 'panel.refused_wait'"
    assert [("panel", {"changes": {"refused_wait_h": [24, 2]}})] == await fetch(stocked, changed)
    clock.forward(2 * 3600)
    await worker.housekeeper.step()
    assert [("held", 2)] == await states(stocked)


async def test_one_service_that_is_put_off_keeps_no_other_waiting(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    fake.answers["add"] = lambda form: SERVICE if form["service"] == "1" else {"order": len(fake.requests)}
    order = await api.add(ann.key)
    await worker.send()
    assert [(0, None)] == await fetch(stocked, "select failures, resting_until from provider")
    other = await api.add(ann.key, 4)
    assert 1 == await worker.send()
    pauses = []
    for _ in range(3):
        ((due,),) = await fetch(stocked, "select due from delivery where order_id = %s", order)
        pauses.append(round((due - clock()).total_seconds()))
        clock.forward(pauses[-1])
        assert 1 == await worker.send()
    assert [1, 2, 5] == pauses
    assert ["queued", "pending"] == [await state(stocked, one) for one in (order, other)]
    clock.forward(DAY_S)
    await worker.housekeeper.step()
    assert "held" == await state(stocked, order)


async def test_whoever_waits_may_still_be_cancelled_by_the_customer(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = KEY
    order = await api.add(ann.key)
    await worker.send()
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    assert ("canceled", FUNDS) == (await state(stocked, order), await balance(stocked, ann.id))
    assert [] == await broken(stocked)


async def test_an_order_that_no_provider_is_open_for_is_not_said_to_have_waited(api, ann, stocked, lied_to, clock):
    """Its note of before is gone: it goes on by itself once there is a route at its price."""
    worker, fake = lied_to
    fake.answers["add"] = {"error": "Too many requests"}
    order = await api.add(ann.key)
    await worker.send()
    await stocked.execute("update provider set resting_until = null, failures = 0")
    await stocked.execute("update route set off = 'gone'")
    clock.forward(60)
    await worker.housekeeper.step()
    await worker.send()
    assert [("held", None)] == await fetch(stocked, "select state, note from delivery where order_id = %s", order)
