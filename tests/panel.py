"""A panel for tests: real services, customers and keys in a real database, and the API driven as by a server."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from opensmm.actions import clock, customers
from opensmm.actions import money as money_actions
from opensmm.actions.api_facade import ApiOperations
from opensmm.actions.customers import NewKey, make_key
from opensmm.actions.money import Booking
from opensmm.actions.services import save_services
from opensmm.api.endpoint import Endpoint
from opensmm.base.ids import CustomerId, ServiceId
from opensmm.base.money import Money, money
from opensmm.base.pages import Keyset, Page
from opensmm.domain.audit import Actor, ActorKind, By
from opensmm.domain.catalogue import DeliveryMethod, Service, ServiceType
from opensmm.domain.operator_refusals import OperatorRefusal
from opensmm.domain.payments import read_payment
from opensmm.store import catalogue as rows
from opensmm.store import invariants
from opensmm.store.connection import Connection

PEPPER = b"a pepper that is only ever used in tests"
LINK = "https://example.com/me"
Value = TypeVar("Value")
SANDBOX = "Sandbox"


def now() -> datetime:
    return datetime.now(UTC)


def actor(name: str) -> Actor:
    return Actor(ActorKind.COMMAND_LINE, name)


async def or_code(act):
    """What an action returns, or the code with which it is refused."""
    try:
        return await act
    except OperatorRefusal as refused:
        return refused.code


def acting(at: datetime, name: str = "test", reason: str = "") -> By:
    """Somebody at the command line, at a time."""
    return By(actor(name), reason, at)


async def pay(
    connection: Connection, customer: CustomerId, amount: int, external_id: str, gateway: str = "bank"
) -> Booking:
    """Books a payment of a customer."""
    return await money_actions.top_up(
        connection, customer, Money(amount), read_payment(gateway, external_id), acting(now())
    )


async def let_owe(connection: Connection, customer: CustomerId, limit: int) -> None:
    """Gives a customer a credit limit."""
    reference = f"test {customer} {limit}"
    assert await money_actions.set_credit_limit(
        connection, customer, Money(limit), reference, acting(now(), reason="test")
    )


class Clock(clock.DatabaseClock):
    """A database's clock that stands still until it is moved; it starts a little ahead of the wall's."""

    def __init__(self) -> None:
        self.at = now() + timedelta(minutes=1)
        self.own = 0.0
        super().__init__(monotonic=lambda: self.own)

    def __call__(self) -> datetime:
        return self.at

    def overriding_time(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.own += seconds

    def step(self, seconds: float) -> None:
        """Moves the database's clock alone: no time passes."""
        self.at += timedelta(seconds=seconds)


def service(number: int, kind: ServiceType = ServiceType.DEFAULT, **other: Any) -> Service:
    """A service with the ranges and the rate most tests use: 0.90 per 1000, 10 to 10000."""
    fields: dict[str, Any] = {
        "rate": "0.90",
        "min": 10,
        "max": 10_000,
        "category": "First Category",
        "name": f"Service {number}",
        "delivery_method": DeliveryMethod.SOFTWARE_SERVICE,
    } | other
    return Service(**(fields | {"id": ServiceId(number), "type": kind, "rate": Decimal(str(fields["rate"]))}))


DEFAULT, PACKAGE, DRIP, PLAIN, ONE_PER_LINK, FREE, HIDDEN, DEAR = 1, 2, 3, 4, 5, 6, 7, 8
"""Default with refill and cancel; a package; with drip-feed; with neither; one order per link; free; off sale; dear."""
OF_TYPE = {kind: 20 + at for at, kind in enumerate(ServiceType)}
"""One service of every type, which offers cancel and drip-feed."""

PRICE_LIST = (
    service(DEFAULT, refill=True, cancel=True),
    service(PACKAGE, ServiceType.PACKAGE, rate="4.75", min=1, max=1, cancel=True),
    service(DRIP, cancel=True, dripfeed=True, refill=True),
    service(PLAIN),
    service(ONE_PER_LINK, cancel=True, one_active_per_link=True),
    service(FREE, rate="0", free=True),
    service(HIDDEN, on_sale=False),
    service(DEAR, rate="1000", cancel=True),
    *(service(number, kind, min=2, max=1000, cancel=True, dripfeed=True) for kind, number in OF_TYPE.items()),
)

LINES = ("first", "second", "third")
SHAPES: Mapping[ServiceType, Mapping[str, str]] = {
    ServiceType.DEFAULT: {"link": LINK, "quantity": "100"},
    ServiceType.PACKAGE: {"link": LINK},
    ServiceType.SEO: {"link": LINK, "quantity": "100", "keywords": "\n".join(LINES)},
    ServiceType.CUSTOM_COMMENTS: {"link": LINK, "comments": "\r\n".join(LINES)},
    ServiceType.CUSTOM_COMMENTS_PACKAGE: {"link": LINK, "comments": "\n".join(LINES)},
    ServiceType.MENTIONS: {"link": LINK, "quantity": "100", "usernames": ",".join(LINES)},
    ServiceType.MENTIONS_WITH_HASHTAGS: {"link": LINK, "quantity": "100", "usernames": "a\nb", "hashtags": "#a\n#b"},
    ServiceType.MENTIONS_CUSTOM_LIST: {"link": LINK, "usernames": "\n".join(LINES)},
    ServiceType.MENTIONS_HASHTAG: {"link": LINK, "quantity": "100", "hashtag": "#a"},
    ServiceType.MENTIONS_USER_FOLLOWERS: {"link": LINK, "quantity": "100", "username": "https://example.com/them"},
    ServiceType.MENTIONS_MEDIA_LIKERS: {"link": LINK, "quantity": "100", "media": "https://example.com/post"},
    ServiceType.COMMENT_LIKES: {"link": LINK, "quantity": "100", "username": "them"},
    ServiceType.COMMENT_REPLIES: {"link": LINK, "username": "them", "comments": "\n".join(LINES)},
    ServiceType.POLL: {"link": LINK, "quantity": "100", "answer_number": "2"},
    ServiceType.INVITES_FROM_GROUPS: {"link": LINK, "quantity": "100", "groups": "\n".join(LINES)},
    ServiceType.SUBSCRIPTIONS: {"username": "them", "min": "10", "max": "20", "delay": "30"},
    ServiceType.WEB_TRAFFIC: {
        "link": LINK, "quantity": "100", "country": "US", "device": "1", "type_of_traffic": "1", "google_keyword": "x",
    },
}  # fmt: skip
"""What ``add`` needs for each type, as wire.md's table has it."""


async def stock(connection: Connection, services: Sequence[Service] = PRICE_LIST) -> None:
    """Puts services on the price list; the sandbox fulfils them all."""
    saved = await save_services(connection, services, by=acting(now()))
    provider = await rows.save_provider(connection, SANDBOX, "sandbox", "sandbox:", "USD")
    await rows.route_all(connection, saved, provider)


_names = itertools.count(1)


@dataclass(frozen=True)
class Buyer:
    id: CustomerId
    key: str


async def buyer(connection: Connection, balance: str = "100.00", key: NewKey | None = None) -> Buyer:
    """A customer with money and a key."""
    key = key or make_key("test")
    customer = await customers.add_customer(
        connection, f"Customer {next(_names)}", money(balance), key, PEPPER, by=acting(now())
    )
    return Buyer(customer, key.text)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


Headers = Mapping[str, str]


@dataclass
class Api:
    """Calls an ASGI application as one that came over HTTP."""

    application: Callable[..., Awaitable[None]]
    address: str = "192.0.2.1"
    panel: ApiOperations | None = None
    paths: Mapping[str, str] = field(default_factory=lambda: {"v1": "/api/v1", "v2": "/api/v2"})

    async def call(
        self,
        path: str = "/api/v2",
        body: bytes = b"",
        *,
        query: str = "",
        method: str = "POST",
        content_type: str | None = "application/x-www-form-urlencoded",
        headers: Headers | None = None,
        pieces: Sequence[bytes] | None = None,
    ) -> Answer:
        """One request; ``pieces`` is a body that arrives bit by bit."""
        sent_headers = {
            **({"content-type": content_type} if content_type is not None and body else {}),
            **(headers or {}),
        }
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent_headers.items()],
            "client": (self.address, 50_000),
            "http_version": "1.1",
            "scheme": "http",
        }
        waiting = list(pieces if pieces is not None else [body])
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not waiting:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.application(scope, receive, send)
        told_back = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], told_back, b"".join(message.get("body", b"") for message in sent[1:]))

    async def form(self, dialect: str, fields: Mapping[str, object], **other: Any) -> Answer:
        return await self.call(self.paths[dialect], urlencode(fields).encode(), **other)

    async def ask(self, dialect: str, key: str, action: str, **fields: object) -> Any:
        """What the API says to a form; every answer of a business kind comes with status 200."""
        answer = await self.form(dialect, {"key": key, "action": action, **fields})
        assert 200 == answer.status, answer.body
        return answer.said

    async def add(self, key: str, service_id: int = DEFAULT, **fields: object) -> int:
        """Places an order that is not refused."""
        answer = await self.ask("v2", key, "add", service=service_id, **({"link": LINK, "quantity": 100} | fields))
        assert ["order"] == list(answer), answer
        return int(answer["order"])


@asynccontextmanager
async def open_api(url: str, clock: clock.DatabaseClock | None = None) -> AsyncIterator[Api]:
    """The real endpoint over the real panel, started as a server starts it."""
    panel = ApiOperations(url, clock)
    endpoint = Endpoint(panel, PEPPER)
    await endpoint.start()
    try:
        yield Api(endpoint, panel=panel)
    finally:
        await endpoint.stop()


async def fetch(connection: Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values or None)).fetchall()


async def walk(read: Callable[[Keyset], Awaitable[Page[Value]]], place: Keyset) -> list[Page[Value]]:
    """All pages of a list from one on, in the direction of that one."""
    pages = [await read(place)]
    while (onward := pages[-1].newer if place.ascends else pages[-1].older) is not None:
        pages.append(await read(onward))
    return pages


async def balance(connection: Connection, customer: CustomerId) -> int:
    return int((await fetch(connection, "select balance from customer where id = %s", customer))[0][0])


async def books(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All that a refusal must leave as it was."""
    fields = {
        "balances": "select id, balance from customer order by id",
        "orders": "select id, state, charge, earned, refunded, remains from orders order by id",
        "deliveries": "select order_id, run, state, due, remains from delivery order by 1, 2",
        "transfers": "select id, debit, credit, amount, kind, order_id, sequence from transfer order by id",
        "keys": "select customer_id, key, order_id from idempotency order by 1, 2",
        "links": "select customer_id, order_id from active_link order by 1, 2",
        "refills": "select id, order_id, state from refill order by id",
    }
    return {name: await fetch(connection, query) for name, query in fields.items()}


async def broken(connection: Connection) -> list[str]:
    """The names of the invariants that do not hold, with examples."""
    return [
        f"{finding.check.name}: {', '.join(finding.examples)}"
        async for finding in invariants.run(connection)
        if finding.count
    ]


HANG_S = 300.0
"""A test that waits this long hangs. The bound ends hangs; it says nothing of how fast a machine is."""


async def until(true: Callable[[], Awaitable[object]]) -> None:
    """Waits for something to become true, however slow the machine; fails where it never does."""
    deadline = asyncio.get_running_loop().time() + HANG_S
    while not await true():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.01)


async def at_last(what: Awaitable[Value]) -> Value:
    """The value of an awaitable that must not hang."""
    return await asyncio.wait_for(what, HANG_S)


def compact(answer: object) -> bytes:
    return msgspec.json.encode(answer)
