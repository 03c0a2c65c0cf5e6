"""Killed or frozen at every labelled point, whatever the provider does: nothing lost, doubled, or given back wrongly.

A short choice of the cells runs with the other tests; ``make kill-points`` runs all of them.
"""

import asyncio
import itertools
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest
from tests.faults.processes import environ
from tests.faults.victim import API, AT_THE_PROVIDER, WORKER, Plan
from tests.panel import DEFAULT, OF_TYPE, PEPPER, SHAPES, balance, broken, fetch, now, open_api, until
from tests.stepped_worker import SteppedWorker, served

from opensmm.domain.catalogue import ServiceType
from opensmm.providers.sandbox import Sandbox, open_pool, sandbox_key

WHOLE = os.environ.get("OPENSMM_TEST_KILL_POINTS") == "all"
BEHAVIOURS = ("me", "partial-40", "canceled", "refuse", "slow", "stuck", "timeout", "lost", "garbage", "drop")
SENDING = (
    "claimed, not committed",
    "sending committed",
    "before the first byte",
    *AT_THE_PROVIDER,
    "answered, not recorded",
    "recorded, not committed",
    "recorded",
    "money given back, not committed",
    "polled, not recorded",
    "progress written, not committed",
    "followed",
)
CANCELING = ("cancel passed on, not recorded", "cancel recorded, not committed")
WATCHING = ("subscription heard, not recorded", "post made, not committed")
REFILLING = ("refill asked for, not recorded", "refill recorded, not committed")
ALL = tuple(itertools.product(SENDING, BEHAVIOURS))
CELLS = ALL if WHOLE else tuple(cell for at, cell in enumerate(ALL) if at % 11 == 0)
FROZEN_ALL = tuple(cell for cell in ALL if cell[0] != "asked, not taken in")
FROZEN = FROZEN_ALL if WHOLE else tuple(cell for at, cell in enumerate(FROZEN_ALL) if at % 29 == 5)
FROZEN_S = 700
"""Longer than a lease, and than anybody's patience."""
LEAP_S = 600
SOON_OUT_OF_PATIENCE = "&options=-c%20idle_in_transaction_session_timeout%3D3s"
"""What the panel itself waits a minute for."""
CHARGE, FUNDS = 9_000, 10_000_000
UNTOLD = frozenset(("timeout", "lost", "garbage"))
DELIVERED = {"me": 9_000, "drop": 9_000, "slow": 9_000, "partial-40": 3_600, "canceled": 0}
"""What an order has earned when it has ended, by behaviour; 'refuse' earns nothing, 'stuck' never ends."""
CERTAIN = (
    frozenset(SENDING)
    - {"sending committed", "before the first byte", *AT_THE_PROVIDER}
    - {
        "answered, not recorded",
        "recorded, not committed",
    }
)
"""Points at which nothing is in doubt: either nothing had been sent, or what came of it was committed."""


class Killer:
    """The sandbox behind a door at which some callers are killed. While one of them lives, its time flies: the victim
    has a clock of its own."""

    def __init__(self, box, clock):
        self.box = box
        self.clock = clock
        self.point = ""
        self.victim = 0
        self.signal = signal.SIGKILL

    async def __call__(self, scope, receive, send):
        if self.point:
            self.clock.forward(LEAP_S)
        if scope["type"] == "lifespan" or self.point not in AT_THE_PROVIDER:
            await self.box(scope, receive, send)
            return
        message = await receive()
        adds = parse_qs(message["body"].decode()).get("action") == ["add"]
        if adds and self.point == "asked, not taken in":
            os.kill(self.victim, signal.SIGKILL)
            return

        async def again():
            return message

        async def answer(words):
            if adds and self.point:
                os.kill(self.victim, self.signal)
            if not adds or self.signal is signal.SIGSTOP:
                await send(words)

        await self.box(scope, again, answer)


class Panel:
    """A stocked panel with a customer, the sandbox, and a worker of this process that outlives the others."""

    def __init__(self, api, stocked, ann, clock, database, worker, killer, address):
        self.api, self.conn, self.ann, self.clock = api, stocked, ann, clock
        self.url, self.worker, self.killer, self.address = database.app_url, worker, killer, address

    async def kill_worker(self, point):
        """Runs a worker that dies at a point; returns whether it got there."""
        return await self._kill(Plan(point, self.url, self.clock.at, self.address))

    async def kill_api(self, point, form):
        return await self._kill(Plan(point, self.url, now(), form=form))

    async def freeze_worker(self, point):
        """Runs a worker that stands still at a point while another takes over, and then goes on as if nothing had been;
        returns whether it got there."""
        victim = await self._begin(
            Plan(point, self.url + SOON_OUT_OF_PATIENCE, self.clock.at, self.address, frozen_s=FROZEN_S), signal.SIGSTOP
        )
        await until(lambda: stands_or_ended(victim))
        stands = stands_still(victim.pid)
        self.killer.point = ""
        self.clock.forward(FROZEN_S)
        if stands:
            # What it holds locked in a transaction is free once PostgreSQL has lost patience with it.
            await until(self.nobody_holds_locks)
            await self.goes_on()
            victim.send_signal(signal.SIGCONT)
        answers = await self._heard(victim)
        assert (0, b"survived") == (await victim.wait(), answers)
        return stands

    async def _begin(self, plan, halting):
        victim = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.victim",
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environ(),
        )  # fmt: skip
        self.killer.victim, self.killer.point, self.killer.signal = victim.pid, plan.point, halting
        pipe = victim.stdin
        assert pipe is not None
        pipe.write(msgspec.json.encode(plan))
        pipe.close()
        return victim

    async def _heard(self, victim):
        assert victim.stdout is not None
        return await victim.stdout.read()

    async def _kill(self, plan):
        victim = await self._begin(plan, signal.SIGKILL)
        answers = await self._heard(victim)
        await victim.wait()
        self.killer.point = ""
        self.clock.forward(100)
        assert (victim.returncode, answers) in ((-signal.SIGKILL, b""), (0, b"survived"))
        return victim.returncode != 0

    async def nobody_holds_locks(self):
        query = "select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"
        return [] == await fetch(self.conn, query)

    async def goes_on(self):
        """Another worker takes over: leases run out, the rest is done."""
        for seconds in (60, 9, 9, 60, 3600):
            await self.worker.round(seconds)

    async def order(self, number):
        columns = "select state, charge, earned, refunded from orders where id = %s"
        return (await fetch(self.conn, columns, number))[0]

    async def tries(self, number):
        rows = await fetch(
            self.conn, "select outcome from attempt where order_id = %s and outcome <> 'declined'", number
        )
        return [outcome for (outcome,) in rows]

    async def bought(self):
        return (await fetch(self.conn, "select count(*) from sandbox_order"))[0][0]


def stands_still(pid):
    """Whether a process has been stopped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] == "T"


async def stands_or_ended(victim):
    return stands_still(victim.pid) or victim.returncode is not None


@asynccontextmanager
async def opened(api, stocked, ann, clock, database):
    killer = Killer(Sandbox(open_pool(database.app_url), sandbox_key(PEPPER), 1.0, clock), clock)
    async with served(killer, lifespan=True) as address:
        worker = SteppedWorker(database.app_url, address, clock)
        try:
            await worker.housekeeper.step()
            yield Panel(api, stocked, ann, clock, database, worker, killer, address)
        finally:
            await worker.close()


@pytest.fixture
async def panel(api, stocked, ann, clock, database):
    async with opened(api, stocked, ann, clock, database) as opened_panel:
        yield opened_panel


def is_reached(point, behaviour):
    if point == "taken in, not answered":
        return behaviour not in ("lost", "timeout")
    if point == "money given back, not committed":
        return behaviour not in UNTOLD | {"stuck"}
    if point in ("polled, not recorded", "progress written, not committed", "followed"):
        return behaviour not in UNTOLD | {"refuse"}
    return True


@pytest.mark.parametrize(("point", "behaviour"), CELLS)
async def test_a_worker_killed_anywhere_leaves_an_order_that_is_bought_at_most_once(panel, point, behaviour):
    number = await panel.api.add(panel.ann.key, link=f"https://example.com/{behaviour}")
    assert is_reached(point, behaviour) == await panel.kill_worker(point)
    await panel.goes_on()
    await check(panel, number, point, behaviour)


@pytest.mark.parametrize(("point", "behaviour"), FROZEN)
async def test_a_worker_frozen_anywhere_that_wakes_up_later_changes_nothing_wrongly(panel, point, behaviour):
    """Its lease has run out and another has taken over when it goes on where it stood."""
    number = await panel.api.add(panel.ann.key, link=f"https://example.com/{behaviour}")
    assert is_reached(point, behaviour) == await panel.freeze_worker(point)
    await panel.goes_on()
    await check(panel, number, point, behaviour)


async def check(panel, number, point, behaviour):
    """The order was bought at most once, and its money is where the provider's book says."""
    tries, bought = await panel.tries(number), await panel.bought()
    state, charge, earned, refunded = await panel.order(number)
    assert bought <= 1
    assert len(tries) <= 1
    assert CHARGE == charge
    assert FUNDS - CHARGE + refunded == await balance(panel.conn, panel.ann.id)
    assert [] == await broken(panel.conn)
    if tries == ["unsure"]:
        refusing = (point, behaviour) == ("money given back, not committed", "refuse")
        assert point not in CERTAIN or behaviour in UNTOLD or refusing
        assert ("open", 0, 0) == (state, earned, refunded), "what is unsure is neither earned nor given back"
    elif behaviour == "refuse":
        assert ("canceled", 0, CHARGE, 0) == (state, earned, refunded, bought)
    elif behaviour in DELIVERED:
        assert (DELIVERED[behaviour], CHARGE - DELIVERED[behaviour], 1) == (earned, refunded, bought)
    else:
        assert (behaviour, "open", 0, 0) == ("stuck", state, earned, refunded)


@pytest.mark.parametrize("point", CANCELING)
async def test_a_worker_killed_while_it_passes_a_cancel_on_does_not_lose_it(panel, point):
    number = await panel.api.add(panel.ann.key, link="https://example.com/stuck")
    await panel.worker.round()
    await panel.worker.round(5)
    assert [{"order": number, "cancel": 1}] == await panel.api.ask("v2", panel.ann.key, "cancel", orders=number)
    assert await panel.kill_worker(point)
    await panel.goes_on()
    assert ("canceled", CHARGE, 0, CHARGE) == await panel.order(number)
    assert [] == await broken(panel.conn)


@pytest.mark.parametrize("point", REFILLING)
async def test_a_worker_killed_while_it_asks_for_a_refill_does_not_lose_it(panel, point):
    number = await panel.api.add(panel.ann.key, link="https://example.com/drop")
    await panel.worker.round()
    await panel.worker.round(10)
    refill = (await panel.api.ask("v2", panel.ann.key, "refill", order=number))["refill"]
    assert await panel.kill_worker(point)
    await panel.goes_on()
    assert "Completed" == (await panel.api.ask("v2", panel.ann.key, "refill_status", refill=refill))["status"]
    assert [] == await broken(panel.conn)


@pytest.mark.parametrize("point", [*WATCHING, "progress written, not committed"])
async def test_a_worker_killed_while_it_takes_posts_in_makes_each_order_once(panel, point):
    """The account makes two posts; the first order is delivered in full, like the second."""
    kind = ServiceType.SUBSCRIPTIONS
    fields = {"service": OF_TYPE[kind], **SHAPES[kind], "posts": 2, "min": 100, "max": 100}
    number = (await panel.api.ask("v2", panel.ann.key, "add", **fields))["order"]
    assert await panel.kill_worker(point)
    await panel.goes_on()
    assert ("completed", 0, 0, 0) == await panel.order(number)
    assert [("completed", CHARGE), ("completed", CHARGE)] == await fetch(
        panel.conn, "select o.state, o.earned from post p join orders o on o.id = p.child_id"
    )
    assert [(3,)] == await fetch(panel.conn, "select count(*) from orders")
    assert FUNDS - 2 * CHARGE == await balance(panel.conn, panel.ann.id)
    assert 3 == await panel.bought()
    assert [] == await broken(panel.conn)


NAMED = ("nothing kept", "kept", "kept with its name, not committed", "before the commit", "committed")


@pytest.mark.parametrize("point", [*NAMED, "committed, not answered"])
async def test_an_order_with_a_name_is_placed_once_wherever_the_api_was_killed(panel, point):
    form = {
        "key": panel.ann.key, "action": "add", "service": str(DEFAULT), "quantity": "100",
        "link": "https://example.com/me", "idempotency_key": "the one",
    }  # fmt: skip
    assert await panel.kill_api(point, form)
    async with open_api(panel.url) as after:
        first = await after.form("v2", form)
        assert (200, ["order"]) == (first.status, list(first.said))
        assert first.said == (await after.form("v2", form)).said
    assert [(1, CHARGE)] == await fetch(panel.conn, "select count(*), sum(charge)::bigint from orders")
    assert FUNDS - CHARGE == await balance(panel.conn, panel.ann.id)
    assert [] == await broken(panel.conn)


@pytest.mark.parametrize(("point", "orders"), [("nothing kept", 0), ("kept", 1), ("kept at once, not answered", 1)])
async def test_an_order_without_a_name_is_kept_whole_or_not_at_all(panel, point, orders):
    form = {
        "key": panel.ann.key, "action": "add", "service": str(DEFAULT), "quantity": "100",
        "link": "https://example.com/me",
    }  # fmt: skip
    assert await panel.kill_api(point, form)
    assert [(orders,)] == await fetch(panel.conn, "select count(*) from orders")
    assert [(orders,)] == await fetch(panel.conn, "select count(*) from delivery")
    assert FUNDS - orders * CHARGE == await balance(panel.conn, panel.ann.id)
    assert [] == await broken(panel.conn)


def test_every_point_is_killed_at():
    assert {*WORKER, *AT_THE_PROVIDER} == {*SENDING, *CANCELING, *WATCHING, *REFILLING}
    assert set(API) == {*NAMED, "committed, not answered", "kept at once, not answered"}
