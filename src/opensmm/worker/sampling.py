"""Looking at the whole panel now and then, for the gauges of the metrics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.monitoring import MetricsSampler
from opensmm.store.connection import ReconnectingConnection
from opensmm.worker.running import every

SAMPLE_EVERY_S: Final = 15.0
FIRST_AFTER_S: Final = 3.0
"""By then this very worker has been heard of."""


@contextlib.asynccontextmanager
async def sampled(url: str, pepper: bytes, *, private: bool) -> AsyncIterator[MetricsSampler]:
    """Looks every ``SAMPLE_EVERY_S`` until the block ends, over a connection of its own."""
    line = ReconnectingConnection(url, application="opensmm worker: health")
    sampling = MetricsSampler(line, pepper, DatabaseClock(), private=private)
    looking = asyncio.create_task(_look(sampling))
    try:
        yield sampling
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await line.drop()


async def _look(sampling: MetricsSampler) -> None:
    await asyncio.sleep(FIRST_AFTER_S)
    await every(SAMPLE_EVERY_S, sampling.step, name="health")
