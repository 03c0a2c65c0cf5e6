"""A subscription is charged for what was ordered, however many posts its provider makes orders for."""

from datetime import timedelta

import pytest
from tests.panel import balance, broken, fetch
from tests.stepped_worker import state
from tests.subscribing import UNIT, children, look, post, posts, state_of, subscribed

from opensmm.domain import subscriptions as posts_domain
from opensmm.domain.codes import EventCode
from opensmm.domain.subscriptions import EXPIRY_GRACE
from opensmm.store import monitoring, order_events
from opensmm.store.order_actions import list_waiting_deliveries
from opensmm.texts.speech import ENGLISH

FUNDS = 10_000_000


def listed(count, first=501):
    return {str(theirs): post(10) for theirs in range(first, first + count)}


async def refused(conn):
    return [(theirs, state) for theirs, state, _ in await posts(conn) if state in ("beyond", "expired")]


async def find_posts(conn, number, code):
    story = await order_events.read_history(conn, number)
    assert story is not None
    assert all(ENGLISH.event_with_run(story.runs, event.kind, event.fields) for event in story.events)
    return [event.fields["provider_order"] for event in story.events if event.kind is code]


@pytest.mark.parametrize(
    ("ordered", "due"),
    [
        ({"posts": 1}, 1),
        ({"posts": 3}, 3),
        ({"posts": 2, "old_posts": 3}, 5),
        ({"posts": 0, "old_posts": 2}, 2),
        ({"posts": 0}, 0),
        ({"old_posts": 2}, 50),
        ({}, 50),
    ],
)
async def test_no_more_posts_are_charged_than_were_ordered(api, ann, stocked, lied_to, ordered, due):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake, **ordered)
    for _ in range(2):
        await look(worker, fake, listed(50))
    assert [str(theirs) for theirs in range(501, 501 + due)] == [row[0] for row in await children(stocked)]
    assert FUNDS - due * 10 * UNIT == await balance(stocked, ann.id)
    beyond = [str(theirs) for theirs in range(501 + due, 551)]
    assert [(theirs, "beyond") for theirs in beyond] == await refused(stocked)
    assert beyond == await find_posts(stocked, number, EventCode.POST_BEYOND)
    assert len(beyond) == (await monitoring.facts(stocked, worker.clock())).refused_posts.count
    assert "active" == await state_of(stocked, number)
    assert [] == await broken(stocked)


async def test_posts_are_counted_over_all_looks(api, ann, stocked, lied_to):
    worker, fake = lied_to
    await subscribed(api, ann, worker, fake, posts=3)
    await look(worker, fake, listed(2))
    await look(worker, fake, listed(2, first=601))
    await look(worker, fake, listed(5))
    assert ["501", "502", "601"] == [row[0] for row in await children(stocked)]
    assert {("602", "beyond"), ("503", "beyond"), ("504", "beyond"), ("505", "beyond")} == set(await refused(stocked))


async def test_a_post_that_waits_has_its_place_and_one_of_another_order_takes_none(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 501}
    await api.add(ann.key)
    await worker.send()
    await subscribed(api, ann, worker, fake, posts=2)
    book = {"501": post(10), "502": None, "503": post(10), "504": post(10)}
    await look(worker, fake, book)
    assert [("501", "taken"), ("502", "untold"), ("503", "made"), ("504", "beyond")] == [
        row[:2] for row in await posts(stocked)
    ]
    await look(worker, fake, book | {"502": post(20)})
    assert [("503", 10), ("502", 20)] == [(row[0], row[2]) for row in await children(stocked)]
    assert [] == await broken(stocked)


async def test_a_provider_that_makes_more_than_was_ordered_is_asked_to_stop_once(api, ann, stocked, lied_to):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake, posts=1)
    fake.answers["cancel"] = [{"order": 500, "cancel": 1}]
    for _ in range(3):
        await look(worker, fake, listed(3))
        await worker.poller.pass_on_cancels(10)
    assert ["500"] == [form.get("orders", form.get("order")) for form in fake.requests if form["action"] == "cancel"]
    await look(worker, fake, listed(3), status="Canceled")
    assert ("canceled", 1) == (await state_of(stocked, number), len(await children(stocked)))
    assert [] == await broken(stocked)


async def test_posts_after_a_subscription_expired_are_refused(api, ann, stocked, lied_to):
    worker, fake = lied_to
    last_day = worker.clock().date() + timedelta(days=3)
    number = await subscribed(api, ann, worker, fake, expiry=f"{last_day:%d/%m/%Y}")
    over = timedelta(days=3) + EXPIRY_GRACE
    await look(worker, fake, listed(1))
    await look(worker, fake, listed(2), seconds=over.total_seconds())
    assert ["501", "502"] == [row[0] for row in await children(stocked)], "it was not asked after since it expired"
    await look(worker, fake, listed(3))
    assert ([("503", "expired")], ["503"]) == (
        await refused(stocked),
        await find_posts(stocked, number, EventCode.POST_EXPIRED),
    )
    assert FUNDS - 20 * UNIT == await balance(stocked, ann.id)
    assert [(True,)] == await fetch(
        stocked, "select cancel_asked is not null from delivery where order_id = %s", number
    )
    assert [] == await broken(stocked)


async def test_a_provider_that_lists_posts_without_end_is_asked_no_more_and_told_to_stop(
    api, ann, stocked, lied_to, monkeypatch
):
    worker, fake = lied_to
    monkeypatch.setattr(posts_domain, "MOST_RECORDED", 40)
    number = await subscribed(api, ann, worker, fake)
    await look(worker, fake, listed(40))
    assert ("in_progress", 40) == (await state(stocked, number), len(await posts(stocked)))
    fake.answers["cancel"] = [{"order": 500, "cancel": 1}]
    await look(worker, fake, listed(50, first=601))
    assert "held" == await state(stocked, number)
    assert [number] == [
        one.order for one in await list_waiting_deliveries(stocked, frozenset({"held"}), worker.clock(), 10)
    ]
    assert 1 == await worker.poller.pass_on_cancels(10)
    fake.requests.clear()
    await look(worker, fake, listed(50, first=701))
    assert (90, []) == (len(await posts(stocked)), fake.requests)
    story = await order_events.read_history(stocked, number)
    assert story is not None
    (event,) = [event for event in story.events if event.kind is EventCode.POSTS_WITHOUT_END]
    assert "90" == event.fields["count"]
    assert ENGLISH.event_with_run(1, event.kind, event.fields)
    assert [] == await broken(stocked)
