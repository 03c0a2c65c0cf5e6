"""A process that dies, or stands still, at a labelled point: ``python -m tests.faults.victim`` reads a plan and says
``survived`` if it lives to its end."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct
from tests.panel import Clock, open_api
from tests.stepped_worker import SteppedWorker

from opensmm.actions import sending as dispatching
from opensmm.actions.order_placing import LockedPlacer, QuickPlacer
from opensmm.actions.poller import StatusPoller
from opensmm.actions.transactions import StatementRejected
from opensmm.base.errors import Unavailable
from opensmm.providers.client import PanelClient
from opensmm.store import connection as db
from opensmm.store import dispatch, placing, polling, refill_tasks, settlement, subscriptions


class Plan(Struct, frozen=True):
    """``provider``: its address, for a worker; empty: an API that is to answer ``form``.

    ``frozen_s``: it stands still at its point until it is sent SIGCONT, and sees then that so much time has passed; 0:
    it dies there.
    """

    point: str
    database: str
    at: datetime
    provider: str = ""
    form: dict[str, str] = {}
    frozen_s: int = 0


class Victim:
    """What becomes of this process at its point, the first time it gets there."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.frozen_s = 0
        self.met = False

    def halt(self) -> None:
        if not self.frozen_s:
            os.kill(os.getpid(), signal.SIGKILL)
        elif not self.met:
            self.met = True
            os.kill(os.getpid(), signal.SIGSTOP)
            self.clock.forward(self.frozen_s)


VICTIM: Final = Victim()


def _before(owner: Any, name: str) -> None:
    whole = getattr(owner, name)

    async def halting(*values: Any, **named: Any) -> Any:
        VICTIM.halt()
        return await whole(*values, **named)

    setattr(owner, name, halting)


def _after(owner: Any, name: str) -> None:
    whole = getattr(owner, name)

    async def halting(*values: Any, **named: Any) -> Any:
        result = await whole(*values, **named)
        VICTIM.halt()
        return result

    setattr(owner, name, halting)


Point = tuple[Callable[[Any, str], None], Any, str]
WORKER: Final[dict[str, Point]] = {
    "claimed, not committed": (_after, dispatch, "claim"),
    "sending committed": (_before, dispatching.DeliverySender, "_send"),
    "before the first byte": (_before, PanelClient, "add"),
    "answered, not recorded": (_after, PanelClient, "add"),
    "recorded, not committed": (_after, dispatching, "record_outcomes"),
    "recorded": (_after, dispatching.DeliverySender, "_record_batch"),
    "money given back, not committed": (_after, settlement, "end"),
    "polled, not recorded": (_after, PanelClient, "statuses"),
    "progress written, not committed": (_after, polling, "record"),
    "followed": (_after, StatusPoller, "_record"),
    "cancel passed on, not recorded": (_after, PanelClient, "cancels"),
    "cancel recorded, not committed": (_after, polling, "record_cancels"),
    "subscription heard, not recorded": (_after, PanelClient, "watch"),
    "post made, not committed": (_after, subscriptions, "make"),
    "refill asked for, not recorded": (_after, PanelClient, "refills"),
    "refill recorded, not committed": (_after, refill_tasks, "record"),
}
AT_THE_PROVIDER: Final = ("asked, not taken in", "taken in, not answered")
"""Points that the provider's side of the test chooses: it kills whoever asks it to add."""
API: Final[dict[str, Point]] = {
    "nothing kept": (_before, placing, "keep"),
    "kept": (_after, placing, "keep"),
    "kept with its name, not committed": (_after, placing, "remember"),
    "before the commit": (_before, db, "commit"),
    "committed": (_after, db, "commit"),
    "committed, not answered": (_after, LockedPlacer, "__call__"),
    "kept at once, not answered": (_after, QuickPlacer, "__call__"),
}


async def work(plan: Plan) -> None:
    """A worker's life until everything that can happen has happened."""
    VICTIM.clock.at, VICTIM.frozen_s = plan.at, plan.frozen_s
    worker = SteppedWorker(plan.database, plan.provider, VICTIM.clock)
    try:
        for seconds in (0, 1, 9, 60, 60, 600):
            with contextlib.suppress(
                StatementRejected, Unavailable
            ):  # the next round begins anew, as the worker's loops do
                await worker.round(seconds)
    finally:
        await worker.close()


async def answer(plan: Plan) -> None:
    async with open_api(plan.database) as api:
        _arm(API[plan.point])
        await api.form("v2", plan.form)


def _arm(point: Point) -> None:
    how, owner, name = point
    how(owner, name)


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    if plan.provider:
        if plan.point in WORKER:
            _arm(WORKER[plan.point])
        asyncio.run(work(plan))
    else:
        asyncio.run(answer(plan))
    sys.stdout.write("survived")


if __name__ == "__main__":
    main()
