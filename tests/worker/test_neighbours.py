"""A provider that is silent costs its neighbours nothing."""

import asyncio

from tests.panel import DEFAULT, HANG_S, LINK, PLAIN, at_last, fetch, open_api, until
from tests.panels import add_panel, route
from tests.stepped_worker import served
from tests.worker.test_loops import sandbox_of, working


class Taciturn:
    """A provider that takes orders, and answers nothing else until it may."""

    def __init__(self):
        self.may_speak, self.is_asked = asyncio.Event(), asyncio.Event()
        self.waiting = 0

    async def __call__(self, scope, receive, send):
        body = (await receive())["body"]
        if b"action=add" not in body:
            self.waiting += 1
            self.is_asked.set()
            await self.may_speak.wait()
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"order": %d}' % int(body.split(b"quantity=")[1][:3])})


async def test_orders_at_the_others_end_while_one_provider_is_silent(stocked, database, ann):
    silent = Taciturn()
    async with (
        open_api(database.app_url) as api,
        sandbox_of(database.app_url) as address,
        served(silent) as their_address,
    ):
        provider = await add_panel(stocked, "a-key-of-theirs", url=their_address)
        await route(stocked, DEFAULT, (provider, 7))
        for at in range(5):
            await api.add(ann.key, DEFAULT, link=f"{LINK}/silent/{at}", quantity=100 + at)
        async with working(database.app_url, address, timeout_s=HANG_S):
            await at_last(silent.is_asked.wait())
            waiting = silent.waiting
            for at in range(5):
                await api.add(ann.key, PLAIN, link=f"{LINK}/{at}")

            async def ended():
                return await fetch(stocked, "select count(*) from orders where state = 'completed'") == [(5,)]

            await until(ended)
            assert 1 <= waiting <= silent.waiting
            silent.may_speak.set()
