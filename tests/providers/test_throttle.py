"""How much a provider is called."""

import asyncio
import time

import pytest
from tests.panel import at_last

from opensmm.providers.circuit_breaker import CircuitBreaker
from opensmm.providers.throttle import MAX_QUEUED, QUEUED_PER_CALL, QUEUED_S, ConnectionShare, Throttle


async def most_at_once(slots, callers):
    inside, most = 0, 0

    async def call():
        nonlocal inside, most
        async with slots:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(call() for _ in range(callers)))
    return most


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_no_more_calls_than_allowed_are_made_at_a_time(concurrency):
    assert concurrency == await most_at_once(Throttle(concurrency), 20)


async def test_calls_are_begun_no_faster_than_allowed():
    slots, began = Throttle(10, calls_per_second=50), time.monotonic()
    await most_at_once(slots, 11)
    assert 0.2 <= time.monotonic() - began


class Callers:
    """Calls that begin when they get their turn, and end when they are told to."""

    def __init__(self, slots):
        self.slots = slots
        self.inside, self.tasks = 0, []

    async def call(self, over):
        async with self.slots:
            self.inside += 1
            await over.wait()
            self.inside -= 1

    async def come(self, count):
        for _ in range(count):
            over = asyncio.Event()
            self.tasks.append((asyncio.create_task(self.call(over)), over))
        await settled()

    async def end(self, count):
        for _, over in self.tasks[:count]:
            over.set()
        del self.tasks[:count]
        await settled()


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_limit_that_shrinks_lets_calls_end_and_begins_no_new_ones_above_it():
    slots = Throttle(4)
    callers = Callers(slots)
    await callers.come(6)
    assert 4 == callers.inside
    slots.allow(2, 0)
    await callers.end(2)
    assert 2 == callers.inside
    await callers.end(1)
    assert 2 == callers.inside, "one of those that waited has its turn"
    slots.allow(3, 0)
    await callers.come(5)
    assert 3 == callers.inside
    await callers.end(8)
    assert (0, 0) == (callers.inside, slots.taken)


async def test_a_limit_that_shrinks_while_nobody_calls_holds_at_once():
    slots = Throttle(8)
    slots.allow(3, 0)
    assert 3 + 3 * QUEUED_PER_CALL == slots.room
    assert 3 == await most_at_once(slots, 20)
    slots.allow(5, 0)
    assert 5 == await most_at_once(slots, 20)


@pytest.mark.parametrize("limit", [1, 2, 3, 16, 400])
@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_shares_come_to_the_limit_unless_there_are_more_workers_than_calls(limit, workers):
    shares = [ConnectionShare(rank, workers) for rank in range(workers)]
    assert max(limit, workers) == sum(share.calls_at_a_time(limit) for share in shares)
    assert limit == pytest.approx(sum(share.calls_per_second(limit) for share in shares))


async def test_room_is_what_may_still_queue_up():
    slots = Throttle(2)
    assert 2 + 2 * QUEUED_PER_CALL == slots.room
    async with slots:
        assert 2 + 2 * QUEUED_PER_CALL - 1 == slots.room
    assert 2 + 2 * QUEUED_PER_CALL == slots.room
    assert 500 + MAX_QUEUED == Throttle(500).room
    assert QUEUED_S * 1 == Throttle(100, calls_per_second=1).room


async def test_who_asks_and_who_sends_have_room_of_their_own():
    slots = Throttle(1)
    slots.polling, slots.taken = 3, 3
    assert (1 + QUEUED_PER_CALL, 1 + QUEUED_PER_CALL - 3) == (slots.room, slots.room_to_poll)
    slots.taken += 2
    assert (1 + QUEUED_PER_CALL - 2, 1 + QUEUED_PER_CALL - 3) == (slots.room, slots.room_to_poll)
    paced = Throttle(1, calls_per_second=1 / QUEUED_S)
    async with paced:
        pass
    assert (1, 0) == (paced.room, paced.room_to_poll), "the next turn but one is for what is to be sent"


@pytest.mark.parametrize("slots", [Throttle(1), Throttle(8, calls_per_second=1 / 3600)], ids=["at a time", "a second"])
async def test_when_nobody_calls_any_more_nobody_waits(slots):
    done = asyncio.Event()

    async def call():
        async with slots:
            await done.wait()

    calls = [asyncio.create_task(call()) for _ in range(5)]
    await asyncio.sleep(0)
    assert 5 == slots.taken
    assert not slots.is_stopped
    slots.release_waiters()
    assert slots.is_stopped
    done.set()
    await at_last(asyncio.gather(*calls))
    assert 0 == slots.taken


async def test_there_is_no_room_while_the_next_turn_would_come_too_late():
    slots = Throttle(4, calls_per_second=1 / (2 * QUEUED_S))
    assert 1 == slots.room
    async with slots:
        pass
    assert 0 == slots.room


async def test_who_gives_up_waiting_gives_the_turn_back():
    slots = Throttle(1, calls_per_second=1)
    async with slots:
        pass
    waiting = [asyncio.create_task(most_at_once(slots, 1)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert 0 == slots.taken
    assert 1 + QUEUED_PER_CALL == slots.room


def test_a_circuit_closes_after_failures_in_a_row_and_for_longer_each_time():
    at = [0.0]
    circuit, pauses = CircuitBreaker(lambda: at[0]), []
    for _ in range(4):
        circuit.record_failure()
        assert (False, False) == (circuit.is_open, circuit.is_half_open)
    for _ in range(5):
        circuit.record_failure()
        began = at[0]
        while circuit.is_open:
            at[0] += 1
        assert circuit.is_half_open
        pauses.append(at[0] - began)
    assert [1, 60, 60, 60, 60] == pauses
    circuit.record_success()
    assert (False, False) == (circuit.is_open, circuit.is_half_open)


def test_answers_in_between_start_the_count_anew():
    circuit = CircuitBreaker(lambda: 0.0)
    for _ in range(10):
        for _ in range(4):
            circuit.record_failure()
        circuit.record_success()
    assert not circuit.is_open
