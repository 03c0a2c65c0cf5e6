"""A lane: who waits together shares a transaction; a bad ask hurts nobody else; no owner starves the others."""

import asyncio

import pytest

from opensmm.actions import batcher as lanes
from opensmm.actions.batcher import Batcher
from opensmm.actions.transactions import RowsLocked, StatementRejected
from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Overloaded, Unavailable


class Counter:
    """A batch that waits for a sign, and remembers what it was given."""

    def __init__(self):
        self.batches = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, batch):
        self.batches.append(list(batch))
        await self.open.wait()
        return [request * 10 for request in batch]


async def hold(lane, counter):
    """One ask that keeps the lane busy until ``counter.open`` is set."""
    counter.open.clear()
    first = lane.submit(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return first


async def test_one_alone_goes_at_once():
    counter = Counter()
    assert 70 == await Batcher(counter).submit(7)
    assert [[7]] == counter.batches


async def test_those_who_wait_together_share_a_batch_and_get_their_own_answers():
    counter = Counter()
    lane = Batcher(counter)
    first = await hold(lane, counter)
    others = [lane.submit(at) for at in range(1, 6)]
    await asyncio.sleep(0)
    counter.open.set()
    assert [0, 10, 20, 30, 40, 50] == [await first, *await asyncio.gather(*others)]
    assert [[0], [1, 2, 3, 4, 5]] == counter.batches


async def test_a_batch_takes_no_more_than_its_limit_oldest_first():
    counter = Counter()
    lane = Batcher(counter, max_weight=3)
    first = await hold(lane, counter)
    others = [lane.submit(at) for at in range(1, 8)]
    await asyncio.sleep(0)
    counter.open.set()
    await asyncio.gather(first, *others)
    assert [[0], [1, 2, 3], [4, 5, 6], [7]] == counter.batches


async def test_no_owner_gets_more_than_its_share_while_others_wait():
    counter = Counter()
    lane = Batcher(counter, max_weight=4)
    first = await hold(lane, counter)
    big = [lane.submit(at, owner=1) for at in range(1, 7)]
    small = [lane.submit(at, owner=2) for at in (101, 102)]
    await asyncio.sleep(0)
    counter.open.set()
    await asyncio.gather(first, *big, *small)
    assert [[0], [1, 2, 101, 102], [3, 4, 5, 6]] == counter.batches


async def test_beyond_the_bound_the_next_is_refused_at_once():
    counter = Counter()
    lane = Batcher(counter, max_waiting=4)
    first = await hold(lane, counter)
    waiting = [lane.submit(at, owner=at) for at in range(1, 5)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await lane.submit(9, owner=9)
    counter.open.set()
    assert [10, 20, 30, 40] == (await asyncio.gather(first, *waiting))[1:]


async def test_one_owner_may_fill_half_of_the_bound_and_leaves_room_for_others():
    counter = Counter()
    lane = Batcher(counter, max_waiting=4)
    first = await hold(lane, counter)
    waiting = [lane.submit(at, owner=1) for at in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await lane.submit(3, owner=1)
    other = lane.submit(4, owner=2)
    await asyncio.sleep(0)
    counter.open.set()
    assert [0, 10, 20, 40] == await asyncio.gather(first, *waiting, other)


async def gathered(lane, asks):
    return await asyncio.gather(*(lane.submit(request) for request in asks), return_exceptions=True)


async def test_a_rejected_batch_is_tried_one_by_one_so_that_a_bad_ask_hurts_nobody_else():
    tried = []

    async def batch(asks):
        tried.append(list(asks))
        if 3 in asks:
            raise StatementRejected("three is bad")
        return [request * 10 for request in asks]

    outcomes = await gathered(Batcher(batch), [1, 2, 3, 4])
    assert [10, 20, 40] == [one for one in outcomes if isinstance(one, int)]
    assert [Unavailable] == [type(one) for one in outcomes if not isinstance(one, int)]
    assert [[1, 2, 3, 4], [1], [2], [3], [4]] == tried


@pytest.mark.parametrize("fault", [Unavailable(OutageCode.CONNECTION_LOST), RuntimeError("odd")])
async def test_any_other_failure_fails_them_all_and_nothing_is_tried_again(fault):
    tried = []

    async def batch(asks):
        tried.append(list(asks))
        raise fault

    outcomes = await gathered(Batcher(batch), [1, 2, 3])
    assert ([[1, 2, 3]], [fault] * 3) == (tried, outcomes)


async def test_a_lane_goes_on_after_a_failure():
    away = True

    async def batch(asks):
        if away:
            raise Unavailable(OutageCode.CONNECTION_LOST)
        return list(asks)

    lane = Batcher(batch)
    assert isinstance((await gathered(lane, [1]))[0], Unavailable)
    away = False
    assert [1, 2] == await gathered(lane, [1, 2])


async def test_a_caller_that_gave_up_changes_nothing_for_the_others():
    counter = Counter()
    lane = Batcher(counter)
    first = await hold(lane, counter)
    waiting = [lane.submit(at) for at in (1, 2, 3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.sleep(0)
    counter.open.set()
    answers = await asyncio.gather(first, *waiting, return_exceptions=True)
    assert [0, 10, 30] == [one for one in answers if isinstance(one, int)]
    assert 40 == await lane.submit(4)


async def test_an_ask_whose_turn_does_not_come_is_refused_and_never_sent(monkeypatch):
    monkeypatch.setattr(lanes, "CHECK_EVERY_S", 0.01)
    counter = Counter()
    lane = Batcher(counter, name="impatient", turn_within_s=0.03)
    first = await hold(lane, counter)
    for request in (1, 2):
        with pytest.raises(Overloaded):
            await lane.submit(request)
    counter.open.set()
    assert 0 == await first
    assert 70 == await lane.submit(7)
    assert [[0], [7]] == counter.batches
    traffic = lanes.TRAFFIC["impatient"]
    assert (2, 2, 2) == (traffic.refused, traffic.submitted, traffic.batches.total)


async def test_an_ask_whose_batch_has_begun_is_waited_for(monkeypatch):
    monkeypatch.setattr(lanes, "CHECK_EVERY_S", 0.01)
    counter = Counter()
    lane = Batcher(counter, turn_within_s=0.02)
    first = await hold(lane, counter)
    for _ in range(5):
        with pytest.raises(Overloaded):
            await lane.submit(1)
    assert not first.done()
    counter.open.set()
    assert 0 == await first


async def test_where_rows_are_held_their_owner_is_refused_as_a_whole_and_the_others_are_served():
    tried = []

    async def batch(asks):
        tried.append(list(asks))
        if any(request < 10 for request in asks):
            raise RowsLocked("the row of the first")
        return list(asks)

    lane = Batcher(batch)
    submitted = [lane.submit(request, owner=request // 10) for request in (1, 11, 2, 12, 21, 3)]
    answers = await asyncio.gather(*submitted, return_exceptions=True)
    assert [11, 12, 21] == [one for one in answers if isinstance(one, int)]
    assert [Unavailable] * 3 == [type(one) for one in answers if not isinstance(one, int)]
    assert [[1, 11, 2, 12, 21, 3], [1, 2, 3], [11, 12], [21]] == tried


class Heavy:
    """A batch whose asks are (owner, weight, number); it remembers what it was given."""

    def __init__(self):
        self.batches = []

    async def __call__(self, batch):
        await asyncio.sleep(0)
        self.batches.append(list(batch))
        return batch

    def place(self, owner, number=0):
        """The number of the batch that held an ask."""
        return next(at for at, batch in enumerate(self.batches) if (owner, number) in [(a[0], a[2]) for a in batch])


def submit(lane, owner, weight, number=0):
    return lane.submit((owner, weight, number), owner, weight)


async def test_a_batch_holds_no_more_than_its_weight():
    heavy = Heavy()
    lane = Batcher(heavy, max_weight=100)
    await asyncio.gather(*(submit(lane, 1, 30, at) for at in range(10)))
    assert [90, 90, 90, 30] == [sum(weight for _, weight, _ in batch) for batch in heavy.batches]


@pytest.mark.parametrize("weight", [1, 5, 12, 13, 50, 100, 1000])
async def test_whatever_one_owner_asks_another_waits_for_no_more_than_two_of_its_batches(weight):
    heavy = Heavy()
    lane = Batcher(heavy, max_weight=100, max_waiting=10_000)
    crowd = [submit(lane, 1, weight, at) for at in range(min(500, 25_000 // weight))]
    await asyncio.sleep(0)
    before = len(heavy.batches)
    await submit(lane, 2, 1)
    assert heavy.place(2) - before <= 1
    for at in (1, 2, 3):
        before = len(heavy.batches)
        await submit(lane, 2, 1, at)
        assert heavy.place(2, at) - before <= 2
    for task in crowd:
        task.cancel()


async def test_two_owners_of_heavy_asks_take_turns():
    heavy = Heavy()
    lane = Batcher(heavy, max_weight=100, max_waiting=10_000)
    crowd = [submit(lane, 1, 1000, at) for at in range(20)]
    others = [submit(lane, 2, 1000, at) for at in range(3)]
    await asyncio.gather(*others)
    assert [1, 2, 1, 2, 1, 2] == [batch[0][0] for batch in heavy.batches][:6]
    await asyncio.gather(*crowd)
    assert 23 == len(heavy.batches)


async def test_light_asks_without_end_do_not_keep_a_heavy_one_waiting():
    heavy = Heavy()
    lane = Batcher(heavy, max_weight=100, max_waiting=10_000)
    crowd = [submit(lane, 1, 1, at) for at in range(1_000)]
    await submit(lane, 2, 1000)
    assert heavy.place(2) <= 2
    await asyncio.gather(*crowd)


async def test_one_owner_may_fill_half_of_the_weight_that_may_wait():
    heavy = Heavy()
    lane = Batcher(heavy, max_weight=10)
    tasks = [submit(lane, 1, 1000, at) for at in range(3)]
    with pytest.raises(Overloaded):
        submit(lane, 1, 1000)
    await asyncio.gather(submit(lane, 2, 1000), *tasks)
    await submit(lane, 1, 1000)
