"""The yardstick of sending: ``python -m bench.caller`` posts what a worker would, and keeps nothing of it.

It is the HTTP client of the panel's providers and nothing else: the same session, event loop and form, no database.
"""

import asyncio
import sys

import msgspec
import uvloop
from msgspec import Struct

from opensmm.base.ids import ServiceId
from opensmm.domain.requests import AddOrder
from opensmm.providers.egress import open_session
from opensmm.runtime.processes import stop_event, watch_leash
from opensmm.wire.form import write_form
from opensmm.wire.v2 import V2


class Calls(Struct, frozen=True):
    """``link`` is as long as those of the orders that are sent on the other side."""

    url: str
    key: str
    link: str
    concurrency: int


async def call(calls: Calls) -> None:
    """Posts until it is told to stop, each connection again as soon as it is answered."""
    watch_leash()
    stop = stop_event()
    form = write_form(V2.write_request(calls.key, AddOrder(ServiceId(4711), calls.link, 500)))
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-request-id": "4711-1-1",
        "idempotency-key": "4711-1-1-20260301120000000000",
    }
    async with open_session(calls.concurrency, private=True) as session:

        async def again_and_again() -> None:
            while not stop.is_set():
                async with session.post(calls.url, data=form, headers=headers, allow_redirects=False) as answer:
                    await answer.read()

        await asyncio.gather(*(again_and_again() for _ in range(calls.concurrency)))


if __name__ == "__main__":
    uvloop.run(call(msgspec.json.decode(sys.stdin.buffer.read(), type=Calls)))
