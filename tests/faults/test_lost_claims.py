"""The answer to a claim's COMMIT is lost, or the COMMIT itself: nothing is left unsure that was never sent."""

import contextlib

import pytest
from tests.faults import proxy
from tests.faults.proxy import COMMIT, Cut
from tests.panel import broken, fetch, until
from tests.stepped_worker import open_worker

from opensmm.base.errors import Unavailable
from opensmm.worker.running import MAX_SCAN_PAUSE_S, pause_after_scan_s

ORDERS = 20


@pytest.mark.parametrize("cut", Cut)
async def test_what_a_claim_took_whose_answer_was_lost_is_sent(stocked, database, api, ann, clock, cut):
    for at in range(ORDERS):
        await api.add(ann.key, link=f"https://example.com/{at}")
    async with proxy.before(database.app_url) as (between, url), open_worker(url, clock) as worker:
        between.cut_next(cut, COMMIT)
        sent = 0
        with contextlib.suppress(Unavailable):
            sent = await worker.send()
        assert 1 == between.cuts
        assert cut is not Cut.ANSWERED or sent == ORDERS

        async def all_sent():
            with contextlib.suppress(Unavailable):
                await worker.send()
            return [(ORDERS,)] == await fetch(stocked, "select count(*) from delivery where state = 'pending'")

        await until(all_sent)
        await worker.round(600)
    assert [(ORDERS,)] == await fetch(stocked, "select count(*) from attempt")
    assert [(ORDERS,)] == await fetch(stocked, "select count(*) from sandbox_order")
    assert [] == await broken(stocked)


async def test_a_claim_in_doubt_while_the_database_stays_away_is_put_back(stocked, database, api, ann, clock):
    """By the time it is known, it is too late to send under its lease: it goes out with the next claim."""
    await api.add(ann.key)
    async with proxy.before(database.app_url) as (between, url), open_worker(url, clock) as worker:
        between.cut_next(Cut.ANSWERED, COMMIT)
        between.shuts = True
        with pytest.raises(Unavailable):
            await worker.send()
        assert [("sending",)] == await fetch(stocked, "select state from delivery")
        await between.up()
        clock.forward(20)
        assert 1 == await worker.send()
        assert [("queued",)] == await fetch(stocked, "select state from delivery")
        clock.forward(60)
        await worker.round()
    assert [("accepted", 2)] == await fetch(stocked, "select outcome, number from attempt where number = 2")
    assert [] == await broken(stocked)


async def test_a_claim_without_deliveries_leaves_no_mark(stocked, worker):
    await worker.send()
    assert [(0,)] == await fetch(stocked, "select count(*) from batch")


def test_a_worker_rests_for_seconds_at_most_however_long_its_look_took():
    assert (0.1, 1.5, MAX_SCAN_PAUSE_S) == (pause_after_scan_s(0.01), pause_after_scan_s(0.5), pause_after_scan_s(31))
    assert MAX_SCAN_PAUSE_S <= 5
