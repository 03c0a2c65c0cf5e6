"""The built-in sandbox: an upstream panel with orders of its own, for trying an integration out.

It has both dialects, each on its path, by the panel's own ``wire``. The link of an order chooses its fate, see
``behaviour``.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

from msgspec import structs
from psycopg_pool import AsyncConnectionPool

from opensmm.base.ids import OrderId, RefillId
from opensmm.base.money import Money
from opensmm.domain import requests
from opensmm.domain.ledger import BalanceView
from opensmm.domain.order_views import ExtendedStatus, OrderView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import Refill
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refusal, Refused
from opensmm.domain.requests import RequestedIds
from opensmm.providers.sandbox import behaviour
from opensmm.providers.sandbox.behaviour import Behaviour
from opensmm.store import sandbox
from opensmm.store.connection import Connection
from opensmm.wire.dialect import Dialect
from opensmm.wire.form import read_form
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

SILENCE_S: Final = 120.0
"""Seconds that a request without a response is kept open."""
UNIT_COST: Final = Money(10)
"""The price of one delivered unit."""
BALANCE: Final = Money(100_000_000_000)
CONNECTIONS: Final = 4

Message = MutableMapping[str, Any]
Pool = AsyncConnectionPool[Connection]


def open_pool(url: str) -> Pool:
    """Returns the sandbox's pool of connections, not opened yet. Each statement commits by itself.

    ``reconnect_timeout`` is short, because the pool backs off for minutes otherwise. The next request has it try again.
    """
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=CONNECTIONS,
        open=False,
        kwargs={"autocommit": True},
        timeout=5.0,
        reconnect_timeout=1.0,
    )


class Silence(Exception):
    """The request is to get no response."""


PANEL: Final = 0
"""The panel's own account at the sandbox."""


def sandbox_key(pepper: bytes, account: int = PANEL) -> str:
    """Derives an account's key at the sandbox from the pepper, so that it is stored nowhere."""
    words = b"sandbox" if account == PANEL else f"sandbox {account}".encode()
    return blake2b(words, key=pepper, digest_size=20).hexdigest()


def account_of(url: str) -> int:
    """Returns the account in a provider's URL, such as ``sandbox:2``; the panel's own if there is none."""
    number = url.removeprefix("sandbox:")
    return int(number) if number.isdigit() else PANEL


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """The sandbox as an ASGI application. Its time runs ``speed`` times as fast as ``clock``.

    ``strangers`` are keys of other customers. The ids of their orders lie between those of the panel, which cannot read
    them. ``silence_s``: seconds until a request without a response is closed.
    """

    def __init__(
        self,
        pool: Pool,
        key: str,
        speed: float,
        clock: Callable[[], datetime] = _utc_now,
        strangers: Sequence[str] = (),
        silence_s: float = SILENCE_S,
    ) -> None:
        self._pool = pool
        self._keys = (key, *strangers)
        self._speed = speed
        self._silence_s = silence_s
        self._clock = clock
        self._lost: set[str] = set()

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        body = await _read_body(receive)
        try:
            answer, content_type = await self._answer(body, scope), b"application/json"
        except Silence:
            await asyncio.sleep(self._silence_s)
            return
        if answer is None:
            answer, content_type = b"<html><body>Welcome! Please log in.</body></html>", b"text/html"
        headers = [(b"content-type", content_type), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _run_lifespan(
        self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        await receive()
        await self._pool.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, body: bytes, scope: Message) -> bytes | None:
        dialect = V1 if scope["path"].startswith("/api/v1") else V2
        fields = read_form(dict(scope["headers"]).get(b"content-type", b""), scope["query_string"], body)
        if fields is None:
            return dialect.write_refusal(Refused(Refusal.MALFORMED_REQUEST))
        account = self._find_account(str(fields.pop("key", "")))
        if account is None:
            return dialect.write_refusal(Refused(Refusal.UNKNOWN_KEY))
        request = dialect.read_request(fields)
        now = self._clock()
        async with self._pool.connection() as connection:
            match request:
                case requests.AddOrder():
                    return await self._add(connection, account, request, now, dialect)
                case requests.GetStatus():
                    return dialect.write_statuses(
                        request.orders, await self._read_statuses(connection, account, request, now)
                    )
                case requests.RequestRefills(orders=ids):
                    return dialect.write_refills(ids, await self._refill(connection, account, ids, now))
                case requests.GetRefillStatus():
                    return dialect.write_refill_statuses(
                        request.refills, await self._read_refills(connection, account, request.refills, now)
                    )
                case requests.CancelOrders(orders=ids):
                    return dialect.write_cancels(ids, await self._cancel(connection, account, ids, now))
                case requests.GetBalance():
                    return dialect.write_balance(BalanceView(BALANCE, "USD"))
                case Refused():
                    return dialect.write_refusal(request)
                case _:
                    return dialect.write_refusal(Refused(Refusal.UNKNOWN_ACTION))

    def _find_account(self, key: str) -> int | None:
        """Returns the number of the account with the key."""
        accounts = (at for at, own in enumerate(self._keys) if hmac.compare_digest(key.encode(), own.encode()))
        return next(accounts, None)

    async def _add(
        self, connection: Connection, account: int, request: requests.AddOrder, now: datetime, dialect: Dialect
    ) -> bytes | None:
        subscribes = request.details.delay is not None
        link = request.details.username if subscribes else request.link
        fate = behaviour.plan(link).behaviour
        if fate is Behaviour.LOST or (fate is Behaviour.LOST_ONCE and link not in self._lost):
            self._lost.add(link)
            raise Silence
        if fate is Behaviour.REFUSE:
            return dialect.write_refusal(Refused(Refusal.LINK))
        quantity = request.quantity or len(request.details.comments) or len(request.details.usernames) or 1
        order = await sandbox.add(
            connection, account, str(request.service), link, 0 if subscribes else quantity, _plausible_count(link), now,
            request.details if subscribes else None,
        )  # fmt: skip
        if fate is Behaviour.TIMEOUT:
            raise Silence
        return None if fate is Behaviour.GARBAGE else dialect.write_order(OrderId(order))

    def _age_s(self, since: datetime, now: datetime) -> float:
        return (now - since).total_seconds() * self._speed

    async def _read_statuses(
        self, connection: Connection, account: int, request: requests.GetStatus, now: datetime
    ) -> list[OrderView | Refused]:
        orders = await sandbox.find(connection, account, list(request.orders.numbers))
        views = {number: self._view(order, now) for number, order in orders.items()}
        for number, order in orders.items() if request.extended else ():
            posts = None if order.subscription is None else await self._make_due_posts(connection, account, order, now)
            views[number] = structs.replace(views[number], more=ExtendedStatus(order.quantity, order.link, posts))
        return [views.get(number, UNKNOWN_ORDER) for number in request.orders.numbers]

    async def _make_due_posts(
        self, connection: Connection, account: int, order: sandbox.BookOrder, now: datetime
    ) -> tuple[OrderId, ...]:
        """Returns the orders made for a subscription's posts, after adding those that are due."""
        posts = await sandbox.posts(connection, order.id)
        count, _ = self._count_due_posts(order, now)
        if count > len(posts):
            new = [_make_post(order, number, now) for number in range(len(posts) + 1, count + 1)]
            await sandbox.add_posts(connection, account, order, new)
            posts = await sandbox.posts(connection, order.id)
        return tuple(map(OrderId, posts))

    def _count_due_posts(self, order: sandbox.BookOrder, now: datetime) -> tuple[int, bool]:
        """Returns how many posts are due by now, or by the cancel, and True if the subscription has all it may have."""
        details = order.subscription
        assert details is not None
        age_s = self._age_s(order.placed, order.canceled or now)
        return behaviour.posts_at(behaviour.plan(order.link), details.posts, details.old_posts or 0, age_s)

    def _view(self, order: sandbox.BookOrder, now: datetime) -> OrderView:
        if order.subscription is not None:
            return OrderView(OrderId(order.id), self._subscription_status(order, now), Money(0), 0, 0, "USD")
        state = self._state(order, now)
        start = 0 if state.status is OrderStatus.PENDING else order.start_count
        charge = Money((order.quantity - state.remains) * UNIT_COST)
        if state.status in (OrderStatus.PENDING, OrderStatus.IN_PROGRESS):
            charge = Money(order.quantity * UNIT_COST)
        return OrderView(OrderId(order.id), state.status, charge, start, state.remains, "USD")

    def _subscription_status(self, order: sandbox.BookOrder, now: datetime) -> OrderStatus:
        """Returns the status of a subscription itself, which does not depend on its posts' orders."""
        details = order.subscription
        over = details is not None and details.expiry is not None and details.expiry < now.date()
        if over or self._count_due_posts(order, now)[1]:
            return OrderStatus.COMPLETED
        return OrderStatus.IN_PROGRESS if order.canceled is None else OrderStatus.CANCELED

    def _state(self, order: sandbox.BookOrder, now: datetime) -> behaviour.SandboxState:
        stopped = None if order.canceled is None else self._age_s(order.placed, order.canceled)
        return behaviour.state_at(behaviour.plan(order.link), order.quantity, self._age_s(order.placed, now), stopped)

    async def _refill(
        self, connection: Connection, account: int, ids: RequestedIds, now: datetime
    ) -> list[RefillId | Refused]:
        orders = await sandbox.find(connection, account, list(ids.numbers))
        completed = [
            number
            for number, order in orders.items()
            if self._view(order, now).status is OrderStatus.COMPLETED and order.quantity
        ]
        refills = await sandbox.add_refills(connection, completed, now)
        return [self._refill_answer(number, orders, refills) for number in ids.numbers]

    @staticmethod
    def _refill_answer(
        number: int, orders: dict[int, sandbox.BookOrder], refills: dict[int, int]
    ) -> RefillId | Refused:
        if number in refills:
            return RefillId(refills[number])
        return Refused(Refusal.REFILL_NOT_COMPLETED) if number in orders else UNKNOWN_ORDER

    async def _read_refills(
        self, connection: Connection, account: int, ids: RequestedIds, now: datetime
    ) -> list[Refill | Refused]:
        refills = await sandbox.refills(connection, list(ids.numbers))
        orders = await sandbox.find(connection, account, [refill.order for refill in refills.values()])
        answers: list[Refill | Refused] = []
        for number in ids.numbers:
            refill = refills.get(number)
            if refill is None or refill.order not in orders:
                answers.append(Refused(Refusal.REFILL_UNKNOWN))
                continue
            plan = behaviour.plan(orders[refill.order].link)
            answers.append(Refill(RefillId(number), behaviour.refill_at(plan, self._age_s(refill.requested, now))))
        return answers

    async def _cancel(
        self, connection: Connection, account: int, ids: RequestedIds, now: datetime
    ) -> list[Refused | None]:
        orders = await sandbox.find(connection, account, list(ids.numbers))
        open_states = (OrderStatus.PENDING, OrderStatus.IN_PROGRESS)
        open_orders = [number for number in orders if self._view(orders[number], now).status in open_states]
        await sandbox.cancel(connection, open_orders, now)
        outcomes: dict[int, Refused | None] = dict.fromkeys(orders, Refused(Refusal.NOT_CANCELABLE))
        outcomes |= dict.fromkeys(open_orders)
        return [outcomes.get(number, UNKNOWN_ORDER) for number in ids.numbers]


def _plausible_count(text: str) -> int:
    """Returns a plausible count, always the same for one text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=2).digest())


def _make_post(order: sandbox.BookOrder, number: int, now: datetime) -> sandbox.BookPost:
    """Makes the order of a post, with the behaviour of the account's name and a quantity within the subscription's."""
    details = order.subscription
    assert details is not None
    least, most = details.min or 0, details.max or 0
    link = f"https://sandbox.example/{order.id}/{number}/{quote(behaviour.last_segment(order.link), safe='@')}"
    count = _plausible_count(link)
    return sandbox.BookPost(number, link, least + count % (most - least + 1), count, now)


async def _read_body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
