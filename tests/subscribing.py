"""Subscriptions for tests: one that a provider has taken, what it tells of its posts, and what became of them."""

from tests.panel import OF_TYPE, SHAPES, fetch

from opensmm.domain.catalogue import ServiceType
from opensmm.store import order_events
from opensmm.texts.speech import ENGLISH

SUBSCRIPTIONS = OF_TYPE[ServiceType.SUBSCRIPTIONS]
FIELDS = {"service": SUBSCRIPTIONS, **SHAPES[ServiceType.SUBSCRIPTIONS]}
UNIT = 90
"""What one unit costs at 0.90 per 1000."""


async def subscribe(api, who, **changes):
    answer = await api.ask("v2", who.key, "add", **(FIELDS | changes))
    return answer["order"]


async def subscribed(api, who, worker, fake, **changes):
    """A subscription that the provider has taken as its order 500."""
    fake.answers["add"] = {"order": 500}
    number = await subscribe(api, who, **changes)
    await worker.send()
    fake.requests.clear()
    return number


def telling(book, **subscription):
    """A provider's ``status``: of subscription 500 and of the posts' orders in a book."""
    fields = {"500": {"status": "Active", "posts": "9", "expiry": "", "orders": list(book)} | subscription, **book}

    def answer(form):
        wanted = (form.get("orders") or form["order"]).split(",")
        return {one: fields.get(one, {"error": "Incorrect order ID"}) for one in wanted}

    return answer


async def look(worker, fake, book, seconds=61, **subscription):
    fake.answers["status"] = telling(book, **subscription)
    worker.clock.forward(seconds)
    await worker.watch()


def post(remains, status="Pending", **changes):
    return {
        "status": status,
        "remains": str(remains),
        "charge": "0.001",
        "start_count": "0",
        "currency": "USD",
    } | changes


async def children(conn):
    return await fetch(
        conn,
        "select p.provider_order, o.id, o.quantity, o.charge, o.state from post p join orders o on o.id = p.child_id "
        "order by o.id",
    )


async def posts(conn):
    return await fetch(conn, "select provider_order, state, missing is not null from post order by provider_order")


async def state_of(conn, number):
    return (await fetch(conn, "select state from orders where id = %s", number))[0][0]


async def events(conn, number):
    story = await order_events.read_history(conn, number)
    assert story is not None
    assert all(ENGLISH.event_with_run(story.runs, event.kind, event.fields) for event in story.events)
    return [(event.kind, event.fields.get("provider_order")) for event in story.events]
