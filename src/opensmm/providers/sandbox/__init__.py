"""The built-in sandbox: a real upstream panel with a book of its own, for trying an integration out.

It speaks both dialects through the same wire as the panel, each on its path. What becomes of an order is chosen by its
link, see ``timeline``.
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
from opensmm.domain.refusals import UNKNOWN_ORDER, Refusal, Refused
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
"""How long a request that is never answered is kept open."""
UNIT_COST: Final = Money(10)
"""What one delivered unit costs the sandbox's customers."""
BALANCE: Final = Money(100_000_000_000)
CONNECTIONS: Final = 4

Message = MutableMapping[str, Any]
Pool = AsyncConnectionPool[Connection]


def open_pool(url: str) -> Pool:
    """Connections for the sandbox, made when its server starts; each statement commits by itself.

    The pool would try again ever more seldom, up to minutes after the database is back: whoever asks next has it try.
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
    """The caller is never to be answered."""


PANEL: Final = 0
"""The panel's own account at the sandbox."""


def sandbox_key(pepper: bytes, account: int = PANEL) -> str:
    """An account's key at the sandbox: derived, so that it is stored nowhere."""
    words = b"sandbox" if account == PANEL else f"sandbox {account}".encode()
    return blake2b(words, key=pepper, digest_size=20).hexdigest()


def account_of(url: str) -> int:
    """The account that a provider's URL names, as in ``sandbox:2``; the panel's own where it names none."""
    number = url.removeprefix("sandbox:")
    return int(number) if number.isdigit() else PANEL


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """An ASGI application. ``speed`` makes its time run faster than the clock on the wall.

    ``strangers`` are keys of other customers, whose orders lie between the panel's and are unknown to it.
    After ``silence_s`` seconds of silence the connection ends.
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
            await self._live(receive, send)
            return
        body = await _body(receive)
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

    async def _live(
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
        account = self._account(str(fields.pop("key", "")))
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
                        request.orders, await self._statuses(connection, account, request, now)
                    )
                case requests.RequestRefills(orders=ids):
                    return dialect.write_refills(ids, await self._refill(connection, account, ids, now))
                case requests.GetRefillStatus():
                    return dialect.write_refill_statuses(
                        request.refills, await self._refills(connection, account, request.refills, now)
                    )
                case requests.CancelOrders(orders=ids):
                    return dialect.write_cancels(ids, await self._cancel(connection, account, ids, now))
                case requests.GetBalance():
                    return dialect.write_balance(BalanceView(BALANCE, "USD"))
                case Refused():
                    return dialect.write_refusal(request)
                case _:
                    return dialect.write_refusal(Refused(Refusal.UNKNOWN_ACTION))

    def _account(self, key: str) -> int | None:
        known = (at for at, own in enumerate(self._keys) if hmac.compare_digest(key.encode(), own.encode()))
        return next(known, None)

    async def _add(
        self, connection: Connection, account: int, request: requests.AddOrder, now: datetime, dialect: Dialect
    ) -> bytes | None:
        subscribes = request.details.delay is not None
        link = request.details.username if subscribes else request.link
        acts = behaviour.plan(link).behaviour
        if acts is Behaviour.LOST or (acts is Behaviour.LOST_ONCE and link not in self._lost):
            self._lost.add(link)
            raise Silence
        if acts is Behaviour.REFUSE:
            return dialect.write_refusal(Refused(Refusal.LINK))
        quantity = request.quantity or len(request.details.comments) or len(request.details.usernames) or 1
        order = await sandbox.add(
            connection, account, str(request.service), link, 0 if subscribes else quantity, _number(link), now,
            request.details if subscribes else None,
        )  # fmt: skip
        if acts is Behaviour.TIMEOUT:
            raise Silence
        return None if acts is Behaviour.GARBAGE else dialect.write_order(OrderId(order))

    def _age_s(self, since: datetime, now: datetime) -> float:
        return (now - since).total_seconds() * self._speed

    async def _statuses(
        self, connection: Connection, account: int, request: requests.GetStatus, now: datetime
    ) -> list[OrderView | Refused]:
        book = await sandbox.find(connection, account, list(request.orders.numbers))
        views = {n: self._view(order, now) for n, order in book.items()}
        for n, order in book.items():
            if request.extended:
                made = None if order.subscription is None else await self._posts(connection, account, order, now)
                views[n] = structs.replace(views[n], more=ExtendedStatus(order.quantity, order.link, made))
        return [views.get(n, UNKNOWN_ORDER) for n in request.orders.numbers]

    async def _posts(
        self, connection: Connection, account: int, order: sandbox.BookOrder, now: datetime
    ) -> tuple[OrderId, ...]:
        """The orders made for a subscription's posts; those that are due are written down now."""
        known = await sandbox.posts(connection, order.id)
        count, _ = self._made(order, now)
        if count > len(known):
            new = [_post(order, number, now) for number in range(len(known) + 1, count + 1)]
            await sandbox.add_posts(connection, account, order, new)
            known = await sandbox.posts(connection, order.id)
        return tuple(map(OrderId, known))

    def _made(self, order: sandbox.BookOrder, now: datetime) -> tuple[int, bool]:
        """How many posts a subscription has found by now, or had when it was cancelled, and whether it is done."""
        asked = order.subscription
        assert asked is not None
        age_s = self._age_s(order.placed, order.canceled or now)
        return behaviour.posts_at(behaviour.plan(order.link), asked.posts, asked.old_posts or 0, age_s)

    def _view(self, order: sandbox.BookOrder, now: datetime) -> OrderView:
        if order.subscription is not None:
            return OrderView(OrderId(order.id), self._standing(order, now), Money(0), 0, 0, "USD")
        moment = self._moment(order, now)
        start = 0 if moment.status is OrderStatus.PENDING else order.start_count
        charge = Money((order.quantity - moment.remains) * UNIT_COST)
        if moment.status in (OrderStatus.PENDING, OrderStatus.IN_PROGRESS):
            charge = Money(order.quantity * UNIT_COST)
        return OrderView(OrderId(order.id), moment.status, charge, start, moment.remains, "USD")

    def _standing(self, order: sandbox.BookOrder, now: datetime) -> OrderStatus:
        """A subscription's own word; its posts' orders go their own ways."""
        asked = order.subscription
        over = asked is not None and asked.expiry is not None and asked.expiry < now.date()
        if over or self._made(order, now)[1]:
            return OrderStatus.COMPLETED
        return OrderStatus.IN_PROGRESS if order.canceled is None else OrderStatus.CANCELED

    def _moment(self, order: sandbox.BookOrder, now: datetime) -> behaviour.SandboxState:
        stopped = None if order.canceled is None else self._age_s(order.placed, order.canceled)
        return behaviour.at(behaviour.plan(order.link), order.quantity, self._age_s(order.placed, now), stopped)

    async def _refill(
        self, connection: Connection, account: int, ids: RequestedIds, now: datetime
    ) -> list[RefillId | Refused]:
        book = await sandbox.find(connection, account, list(ids.numbers))
        whole = [n for n, one in book.items() if self._view(one, now).status is OrderStatus.COMPLETED and one.quantity]
        made = await sandbox.add_refills(connection, whole, now)
        return [self._refill_answer(n, book, made) for n in ids.numbers]

    @staticmethod
    def _refill_answer(number: int, book: dict[int, sandbox.BookOrder], made: dict[int, int]) -> RefillId | Refused:
        if number in made:
            return RefillId(made[number])
        return Refused(Refusal.REFILL_NOT_COMPLETED) if number in book else UNKNOWN_ORDER

    async def _refills(
        self, connection: Connection, account: int, ids: RequestedIds, now: datetime
    ) -> list[Refill | Refused]:
        made = await sandbox.refills(connection, list(ids.numbers))
        book = await sandbox.find(connection, account, [refill.order for refill in made.values()])
        answers: list[Refill | Refused] = []
        for number in ids.numbers:
            refill = made.get(number)
            if refill is None or refill.order not in book:
                answers.append(Refused(Refusal.REFILL_UNKNOWN))
                continue
            plan = behaviour.plan(book[refill.order].link)
            answers.append(Refill(RefillId(number), behaviour.refill_at(plan, self._age_s(refill.asked, now))))
        return answers

    async def _cancel(
        self, connection: Connection, account: int, ids: RequestedIds, now: datetime
    ) -> list[Refused | None]:
        book = await sandbox.find(connection, account, list(ids.numbers))
        moving = (OrderStatus.PENDING, OrderStatus.IN_PROGRESS)
        open_orders = [n for n in book if self._view(book[n], now).status in moving]
        await sandbox.cancel(connection, open_orders, now)
        refusal = Refused(Refusal.NOT_CANCELABLE)
        return [None if n in open_orders else refusal if n in book else UNKNOWN_ORDER for n in ids.numbers]


def _number(text: str) -> int:
    """A number that looks counted, and is the same for the same text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=2).digest())


def _post(order: sandbox.BookOrder, number: int, now: datetime) -> sandbox.BookPost:
    """A post's order: it goes as the account's name says, and is for as much as the subscription allows."""
    asked = order.subscription
    assert asked is not None
    least, most = asked.min or 0, asked.max or 0
    link = f"https://sandbox.example/{order.id}/{number}/{quote(behaviour.last_segment(order.link), safe='@')}"
    return sandbox.BookPost(number, link, least + _number(link) % (most - least + 1), _number(link), now)


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
