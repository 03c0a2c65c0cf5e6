"""What deliveries cost where the provider's word on it does not follow what was delivered."""

import pytest
from tests.panel import broken, fetch
from tests.stepped_worker import state
from tests.subscribing import look, post, subscribed

from opensmm.domain.evidence import ODD_NOTICES
from opensmm.store import notices
from opensmm.store.order_actions import list_waiting_deliveries
from opensmm.store.order_events import read_history
from opensmm.texts.speech import ENGLISH


async def follow(worker, fake, seconds=5, **answer):
    fake.answers["status"] = {"7": {"charge": "0.05", "currency": "USD", "start_count": "0", **answer}}
    worker.clock.forward(seconds)
    await worker.follow()


async def costs(conn):
    return [str(cost) for (cost,) in await fetch(conn, "select amount from transfer where kind = 'cost'")]


@pytest.fixture
async def moving(api, ann, stocked, lied_to):
    """An order of 100 for which its provider had charged 0.05 when it took it."""
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    await follow(worker, fake, status="Pending", remains="100")
    return worker, fake


@pytest.mark.parametrize(
    ("answer", "booked"),
    [
        ({"status": "Canceled", "remains": "100"}, []),
        ({"status": "Canceled", "remains": "100", "charge": None}, []),
        ({"status": "Partial", "remains": "40"}, ["3000"]),
        ({"status": "Partial", "remains": "40", "charge": "0.03"}, ["3000"]),
        ({"status": "Partial", "remains": "40", "charge": "0.031"}, ["3100"]),
        ({"status": "Completed", "remains": "0"}, ["5000"]),
    ],
)
async def test_a_charge_that_did_not_fall_counts_for_what_was_delivered(moving, stocked, answer, booked):
    await follow(*moving, **answer)
    assert booked == await costs(stocked)
    assert [] == await broken(stocked)


async def test_a_subscription_that_is_charged_whole_is_a_cost_and_held(api, ann, stocked, lied_to):
    worker, fake = lied_to
    order = await subscribed(api, ann, worker, fake)
    await look(worker, fake, {}, charge="0.06", currency="USD")
    assert [("0.06",)] == await fetch(stocked, "select cost::text from attempt where order_id = %s", order)
    await look(worker, fake, {}, status="Completed", charge="0.06", currency="USD")
    assert "held" == await state(stocked, order)
    assert [("0.06",)] == await fetch(stocked, "select cost::text from attempt where order_id = %s", order)
    (why,) = await list_waiting_deliveries(stocked, frozenset(("held",)), worker.clock(), 10)
    assert why.note is not None
    assert "held: its provider reports that it is completed, charges 0.06 USD and lists no post" in ENGLISH.event(
        why.note.code, why.note.fields
    )
    history = await read_history(stocked, order)
    assert history is not None
    assert "last polled: held for you" in [ENGLISH.event(one.kind, one.fields) for one in history.events]
    assert [] == await broken(stocked)


async def test_a_subscription_that_is_charged_unclearly_is_shown_and_held(api, ann, stocked, lied_to):
    worker, fake = lied_to
    order = await subscribed(api, ann, worker, fake)
    await look(worker, fake, {}, charge="1,234", currency="USD")
    await look(worker, fake, {}, status="Completed", charge="1,234", currency="USD")
    assert [("held", {"code": "charge_unclear", "words": "1,234"}, None)] == await fetch(
        stocked, "select d.state, d.note, a.cost from delivery d join attempt a using (order_id, run)"
    )
    assert "held" == await state(stocked, order)
    assert [] == await broken(stocked)


async def test_a_subscription_whose_posts_are_listed_costs_what_they_do(api, ann, stocked, lied_to):
    worker, fake = lied_to
    order = await subscribed(api, ann, worker, fake)
    book = {"501": post(10)}
    await look(worker, fake, book, charge="0.06", currency="USD")
    await look(worker, fake, {"501": post(0, "Completed")}, status="Completed", charge="0.06", currency="USD")
    assert "completed" == await state(stocked, order)
    assert [(None,)] == await fetch(stocked, "select cost::text from attempt where order_id = %s", order)


async def quoted(conn, cost):
    await conn.execute("update attempt set quoted = %s", [cost])


@pytest.mark.parametrize(
    ("cost", "charge", "stored"),
    [("13", "1,234", "1.234"), ("9000", "1,234", "1234"), ("0.5", "1,234", "1.234"), ("200000", "12,345", "12345")],
)
async def test_a_comma_in_a_charge_is_read_as_fits_what_the_order_was_to_cost(
    api, ann, stocked, lied_to, cost, charge, stored
):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    await quoted(stocked, cost)
    await follow(worker, fake, status="In progress", remains="40", charge=charge)
    assert [(stored, None)] == await fetch(
        stocked, "select a.cost::text, d.note from attempt a join delivery d using (order_id, run)"
    )
    # Once a cost is known, it is what a later charge is compared with.
    await quoted(stocked, None)
    await follow(worker, fake, status="Completed", remains="0", charge=charge)
    assert [(stored,)] == await fetch(stocked, "select cost::text from attempt")
    assert [] == await notices.open_notices(stocked, ODD_NOTICES, 10)


@pytest.mark.parametrize("cost", [None, "0.1", "10000000"])
async def test_a_charge_that_fits_in_neither_reading_is_not_booked_but_shown(api, ann, stocked, lied_to, cost):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    await quoted(stocked, cost)
    await follow(worker, fake, status="In progress", remains="40", charge="1,234")
    assert [(None, {"code": "charge_unclear", "words": "1,234"})] == await fetch(
        stocked, "select a.cost, d.note from attempt a join delivery d using (order_id, run)"
    )
    await follow(worker, fake, status="Completed", remains="0", charge="1,234")
    assert [] == await costs(stocked)
    (notice,) = await notices.open_notices(stocked, ODD_NOTICES, 10)
    assert ("charge_unclear", {"words": "1,234"}) == (notice.conclusion, notice.detail)
    await quoted(stocked, None)
    assert [] == await broken(stocked)


async def test_an_order_that_is_canceled_at_an_unclear_charge_is_not_taken_for_free(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    await follow(worker, fake, status="Canceled", charge="1,234")
    assert "held" == await state(stocked, 1)
