"""The worker's actions stepped by hand, against the real sandbox, or a provider that lies, over real HTTP."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from tests.panel import PEPPER, Clock, fetch

from opensmm.actions.sending import lease
from opensmm.domain.evidence import Patience
from opensmm.providers.registry import ProviderRegistry
from opensmm.providers.sandbox import Sandbox, open_pool, sandbox_key
from opensmm.store import dispatch as dispatch_rows
from opensmm.store.connection import ReconnectingConnection
from opensmm.worker.loops import LOOPS, Duties, Pace

Scope = MutableMapping[str, Any]
Application = Callable[..., Awaitable[None]]

TIMEOUT_S = 20.0
"""A call of the slowest machine is answered by then."""
SILENCE_S = 0.1
"""After so long the sandbox ends a call that it does not answer. That leaves an order as unsure as a time-out does."""
PATIENCE = Patience()
MANY = 1000
STRANGERS = (1, 2)
"""Other customers of the sandbox, by their accounts."""
FIRST = ("chores", "send", "cancels", "watch")
"""In a round these come first, in this order; the others follow in the order of the worker's table."""
LEFT_OUT = ("rollups", "balances", "sync")
"""They add up, or read what a provider tells of itself, and have their turn where a test gives it to them."""
BEYOND_THE_END_S = 9.0
"""The sandbox has ended an ordinary order by then."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(application: Application, *, lifespan: bool = False) -> AsyncIterator[str]:
    """An application behind a port of its own on the loopback; yields its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        interface="asgi3",
        log_level="critical",
        lifespan="on" if lifespan else "off",
        timeout_graceful_shutdown=0,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by a flag alone
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/api/v2"
    finally:
        server.should_exit = True
        await running


def in_turn(names: Iterable[str]) -> list[str]:
    """The duties of a round, in the order in which they are done."""
    wanted = [name for name in names if name not in LEFT_OUT]
    return sorted(wanted, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


class SteppedWorker(Duties):
    """What a worker does in its loops, one step at a call, by a clock that only the test moves."""

    def __init__(
        self,
        url: str,
        provider_url: str,
        clock: Any,
        timeout_s: float = TIMEOUT_S,
        patience: Patience = PATIENCE,
    ) -> None:
        self.clock = clock
        registry = ProviderRegistry(PEPPER, provider_url, timeout_s, private=True)
        super().__init__(
            lambda name: ReconnectingConnection(url, application=f"test worker: {name}"),
            registry,
            timeout_s,
            clock,
            patience,
            Pace(lambda: 0.0),
            beats=False,
        )

    async def send(self, limit: int = MANY) -> int:
        """Claims and sends what is due; returns how many, once all of it is recorded."""
        tasks = await self.sender.step(limit)
        await asyncio.gather(*tasks)
        return len(tasks)

    async def follow(self) -> int:
        return await self.poller.step(MANY)

    async def watch(self) -> int:
        """Asks after subscriptions; returns how many."""
        return await self.subscription_watcher.step(MANY)

    async def settle(self) -> int:
        """Looks into what is unsure; returns how many attempts that were."""
        return await self.unsure_resolver.step(MANY)

    async def round(self, seconds: float = 0.0) -> None:
        """Lets time pass, then does everything once."""
        self.clock.forward(seconds)
        loops = {loop.name: loop for loop in LOOPS}
        for name in in_turn(loops):
            await loops[name].step(self, MANY)

    async def close(self) -> None:
        await self.registry.close()
        await super().close()


@asynccontextmanager
async def open_worker(
    url: str, clock: Clock | None = None, *, timeout_s: float = TIMEOUT_S, accounts: Sequence[int] = STRANGERS
) -> AsyncIterator[SteppedWorker]:
    """A worker before the real sandbox, whose time is the clock's, and which knows these accounts too."""
    clock = clock or Clock()
    strangers = [sandbox_key(PEPPER, account) for account in accounts]
    box = Sandbox(open_pool(url), sandbox_key(PEPPER), 1.0, clock, strangers, SILENCE_S)
    async with served(box, lifespan=True) as address:
        worker = SteppedWorker(url, address, clock, timeout_s)
        await worker.housekeeper.step()
        try:
            yield worker
        finally:
            await worker.close()


class FakeProvider:
    """A provider that answers what it is told to: a body, a status with a body, or a function of the form."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[dict[str, str]] = []
        self.named: list[str] = []
        self.agents: list[str] = []
        self.content_type = b"application/json"

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Scope]], send: Callable[[Scope], Any]
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        self.requests.append(form)
        self.named += [value.decode() for name, value in scope["headers"] if name == b"x-request-id"]
        self.agents += [value.decode() for name, value in scope["headers"] if name == b"user-agent"]
        answer = self.answers[form["action"]]
        answer = answer(form) if callable(answer) else answer
        status, answer = answer if isinstance(answer, tuple) else (200, answer)
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        headers = [(b"content-type", self.content_type), (b"location", b"http://127.0.0.1:9/")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def open_fake_provider(url: str, clock: Clock | None = None) -> AsyncIterator[tuple[SteppedWorker, FakeProvider]]:
    fake = FakeProvider()
    async with served(fake) as address:
        worker = SteppedWorker(url, address, clock or Clock())
        await worker.housekeeper.step()
        try:
            yield worker, fake
        finally:
            await worker.close()


async def state(conn, order, run=1):
    """What a delivery's row says of itself."""
    rows = await fetch(conn, "select state from delivery where order_id = %s and run = %s", order, run)
    return rows[0][0]


async def leave_behind(worker, clock):
    """Claims as a worker that dies before it has sent anything."""
    line = worker.connections["claim"]
    async with (await line.get()).transaction():
        return await dispatch_rows.claim(
            await line.get(),
            clock(),
            clock(),
            lease(TIMEOUT_S),
            10,
            list(worker.registry.claimable_counts()),
        )
