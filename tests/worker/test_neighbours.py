"""A provider that is silent costs its neighbours nothing."""

import asyncio
import time

from tests.panel import DEFAULT, LINK, PLAIN, fetch, open_api, until
from tests.panels import add_panel, route
from tests.worker.test_loops import sandbox_of, working
from tests.works import served

SILENCE_S = 30


async def test_orders_at_the_others_end_while_one_provider_is_silent(stocked, database, ann):
    silent = asyncio.Event()

    async def taciturn(scope, receive, send):
        body = (await receive())["body"]
        if b"action=add" not in body:
            silent.set()
            await asyncio.sleep(SILENCE_S)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"order": %d}' % int(body.split(b"quantity=")[1][:3])})

    async with (
        open_api(database.app_url) as api,
        sandbox_of(database.app_url) as address,
        served(taciturn) as their_address,
    ):
        provider = await add_panel(stocked, "a key of theirs", url=their_address)
        await route(stocked, DEFAULT, (provider, 7))
        for at in range(5):
            await api.add(ann.key, DEFAULT, link=f"{LINK}/silent/{at}", quantity=100 + at)
        async with working(database.app_url, address, timeout_s=SILENCE_S / 2):
            await asyncio.wait_for(silent.wait(), 10)
            began = time.monotonic()
            for at in range(5):
                await api.add(ann.key, PLAIN, link=f"{LINK}/{at}")

            async def ended():
                found = await fetch(stocked, "select count(*) from orders where state = 'completed'")
                return found == [(5,)]

            await until(ended, SILENCE_S / 2)
    assert time.monotonic() - began < SILENCE_S / 2
