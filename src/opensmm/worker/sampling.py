"""Sampling the whole panel at intervals, for the gauges of the metrics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.monitoring import MetricsSampler
from opensmm.store.connection import ReconnectingConnection
from opensmm.worker.running import repeat

SAMPLE_EVERY_S: Final = 15.0
FIRST_AFTER_S: Final = 3.0
"""Seconds before the first sample. By then this worker's own heartbeat is there."""


@contextlib.asynccontextmanager
async def sampled(url: str, pepper: bytes, *, private: bool) -> AsyncIterator[MetricsSampler]:
    """Takes a sample every ``SAMPLE_EVERY_S`` seconds until the block ends, over a connection of its own."""
    connection = ReconnectingConnection(url, application="opensmm worker: health")
    sampler = MetricsSampler(connection, pepper, DatabaseClock(), private=private)
    task = asyncio.create_task(_sample_regularly(sampler))
    try:
        yield sampler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.drop()


async def _sample_regularly(sampler: MetricsSampler) -> None:
    await asyncio.sleep(FIRST_AFTER_S)
    await repeat(SAMPLE_EVERY_S, sampler.step, name="health")
