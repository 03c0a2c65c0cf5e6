"""A provider's price list over real HTTP, and what changes on it."""

import itertools
from contextlib import asynccontextmanager

from tests.panel import DEFAULT, PLAIN
from tests.panels import add_panel, route
from tests.stepped_worker import FakeProvider, SteppedWorker, served

KEY = "a-key-of-the-one-upstream"
LINE = {
    "service": 7, "name": "Likes", "type": "Default", "category": "First", "rate": "0.60", "min": 10, "max": 10_000,
    "refill": True, "cancel": True,
}  # fmt: skip


def line(service=7, **changes):
    return {**LINE, "service": service, **changes}


@asynccontextmanager
async def open_upstream(stocked, database, clock):
    """A panel over HTTP with a price list; DEFAULT is its 7, PLAIN its 8."""
    fake, numbers = FakeProvider(), itertools.count(1)
    fake.answers |= {"services": [line(), line(8)], "add": lambda form: {"order": next(numbers)}}
    async with served(fake) as address:
        provider = await add_panel(stocked, KEY, url=address)
        await route(stocked, DEFAULT, (provider, 7))
        await route(stocked, PLAIN, (provider, 8))
        worker = SteppedWorker(database.app_url, "", clock)
        await worker.housekeeper.step()
        yield worker, fake, provider
        await worker.close()


async def again(upstream, *lines):
    """The price list is another, and its turn has come."""
    worker, fake, _ = upstream
    fake.answers["services"] = list(lines)
    worker.clock.forward(31 * 60)
    return await worker.price_sync.step()
