"""The panel is put into the state that each published sample shows, and answers with the page's own numbers."""

import json
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from tests.panel import DEFAULT, LINK, PLAIN, Answer, buyer, compact, now, open_api, stock

from opensmm.base.ids import ServiceId
from opensmm.domain.catalogue import DeliveryMethod, Service, ServiceType

SAMPLES = Path(__file__).parents[1] / "wire" / "samples"


def sample(name: str) -> bytes:
    """The sample without its blanks and with its escapes undone; the order of keys is kept."""
    return compact(json.loads((SAMPLES / name).read_bytes()))


def shown(answer: Answer) -> bytes:
    """The answer as the sample is shown; where it is compact already, byte for byte itself."""
    assert 200 == answer.status
    return compact(answer.said)


STATED = DeliveryMethod.SOFTWARE_SERVICE


async def paid(conn, customer, units):
    await conn.execute("update customer set balance = %s where id = %s", [units, customer])


async def placed(conn, customer, order, charge, *, state="open", delivery="queued", **columns):
    """An order as the sample's customer has it."""
    fields = {
        "refunded": 0,
        "earned": 0,
        "start_count": None,
        "remains": None,
        "quantity": 1000,
        "service": DEFAULT,
    } | columns
    ended = now() if state != "open" else None
    await conn.execute(
        """insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, refunded, earned,
                               state, start_count, remains, created, ended)
           values (%s, %s, %s, %s, %s, 1, false, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            order, customer, fields["service"], LINK, fields["quantity"], charge, fields["refunded"], fields["earned"],
            state, fields["start_count"] if ended else None, fields["remains"] if ended else None, now(), ended,
        ],
    )  # fmt: skip
    await conn.execute(
        """insert into delivery (order_id, run, service_id, quantity, state, start_count, remains)
           values (%s, 1, %s, %s, %s, %s, %s)""",
        [order, fields["service"], fields["quantity"], delivery, fields["start_count"], fields["remains"]],
    )


async def refilled(conn, customer, refill, order, state):
    await conn.execute(
        "insert into refill (id, order_id, customer_id, state, created) values (%s, %s, %s, %s, %s)",
        [refill, order, customer, state, now()],
    )


async def partial(conn, customer):
    """Order 1 of both status samples: 0.27819 left of what was paid."""
    await placed(
        conn, customer, 1, 32_000, state="partial", delivery="partial", refunded=4_181, earned=27_819, start_count=3572,
        remains=157,
    )  # fmt: skip


async def completed(conn, customer, order):
    await placed(conn, customer, order, 9_000, state="completed", delivery="completed", earned=9_000, remains=0)
    await conn.execute(
        "insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence, provider_order, "
        "sent) values (%s, 1, 1, 1, '1', 'accepted', 1, %s, %s)",
        [order, order, now()],
    )


async def ask(api, dialect, who, **fields):
    return shown(await api.form(dialect, {"key": who.key, **fields}))


async def test_v2_services(conn, database):
    who = await buyer(conn)
    followers = Service(
        ServiceId(1),
        "Followers",
        ServiceType.DEFAULT,
        "First Category",
        Decimal("0.90"),
        50,
        10000,
        True,
        True,
        delivery_method=STATED,
    )
    comments = Service(
        ServiceId(2),
        "Comments",
        ServiceType.CUSTOM_COMMENTS,
        "Second Category",
        Decimal(8),
        10,
        1500,
        False,
        True,
        delivery_method=STATED,
    )
    await stock(conn, [followers, comments])
    async with open_api(database.app_url) as api:
        assert sample("v2/services.json") == await ask(api, "v2", who, action="services")


async def orders_begin_at(database, order):
    """What a panel that moves in sets, as the database's owner: where its own ids go on."""
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        await owner.execute(f"alter sequence orders_id_seq restart with {order}")


async def test_v2_add(api, ann, database):
    await orders_begin_at(database, 23501)
    answer = await ask(api, "v2", ann, action="add", service=DEFAULT, link=LINK, quantity=100)
    assert sample("v2/add.json") == answer


async def test_v2_status(api, ann, stocked):
    await partial(stocked, ann.id)
    assert sample("v2/status.json") == await ask(api, "v2", ann, action="status", order=1)


async def test_v2_statuses(api, ann, stocked):
    await partial(stocked, ann.id)
    await placed(stocked, ann.id, 100, 144_219, delivery="in_progress", start_count=234, remains=10)
    assert sample("v2/statuses.json") == await ask(api, "v2", ann, action="status", orders="1,10,100")


async def test_v2_refill(api, ann, stocked):
    await completed(stocked, ann.id, 1)
    assert sample("v2/refill.json") == await ask(api, "v2", ann, action="refill", order=1)


async def test_v2_refills(api, ann, stocked):
    await completed(stocked, ann.id, 1)
    await completed(stocked, ann.id, 2)
    assert sample("v2/refills.json") == await ask(api, "v2", ann, action="refill", orders="1,2,3")


@pytest.mark.parametrize("action", [{"action": "refill_status"}, {}], ids=["named", "as old samples leave it out"])
async def test_v2_refill_status(api, ann, stocked, action):
    await completed(stocked, ann.id, 1)
    await refilled(stocked, ann.id, 1, 1, "completed")
    assert sample("v2/refill_status.json") == await ask(api, "v2", ann, **action, refill=1)


@pytest.mark.parametrize("action", [{"action": "refill_status"}, {}], ids=["named", "as old samples leave it out"])
async def test_v2_refill_statuses(api, ann, stocked, action):
    await completed(stocked, ann.id, 1)
    await refilled(stocked, ann.id, 1, 1, "completed")
    await refilled(stocked, ann.id, 2, 1, "rejected")
    assert sample("v2/refill_statuses.json") == await ask(api, "v2", ann, **action, refills="1,2,3")


async def test_v2_cancel(api, ann, stocked):
    await placed(stocked, ann.id, 2, 9_000, delivery="in_progress", remains=10)
    assert sample("v2/cancel.json") == await ask(api, "v2", ann, action="cancel", orders="9,2")


async def test_v2_balance(api, ann, stocked):
    await paid(stocked, ann.id, 10_084_292)
    assert sample("v2/balance.json") == await ask(api, "v2", ann, action="balance")


async def test_v1_add(api, ann, database):
    await orders_begin_at(database, 32)
    answer = await ask(api, "v1", ann, action="add", service=PLAIN, link=LINK, quantity=100)
    assert sample("v1/add.json") == answer


async def test_v1_status(api, ann, stocked):
    await placed(stocked, ann.id, 32, 3_600)
    assert sample("v1/status.json") == await ask(api, "v1", ann, action="status", order=32)


@pytest.mark.parametrize("orders", ["12,2,13", "[12, 2, 13]", '["12","2","13"]'])
async def test_v1_statuses(api, ann, stocked, orders):
    await placed(stocked, ann.id, 12, 126_000, delivery="sending")
    await placed(stocked, ann.id, 13, 63_000)
    assert sample("v1/statuses.json") == await ask(api, "v1", ann, action="status", orders=orders)


async def test_v1_services(conn, database):
    who = await buyer(conn)
    category = "Instagram - Followers [Guaranteed/Refill] - Less Drops ⭐"
    lines = [
        (5, "Instagram Followers [15K] ", "1.02", 500, 10000),
        (9, "Instagram Followers - Max 300k - No refill - 30-40k/Day", "0.04", 500, 300000),
        (10, "Instagram Followers ( 30 days auto refill ) ( Max 350K ) (Indian Majority )", "1.2", 100, 350000),
    ]
    await stock(
        conn,
        [
            Service(
                ServiceId(number), name, ServiceType.DEFAULT, category, Decimal(rate), least, most, dripfeed=True,
                description="usernames", delivery_method=STATED,
            )
            for number, name, rate, least, most in lines
        ],
    )  # fmt: skip
    async with open_api(database.app_url) as api:
        assert sample("v1/services.json") == await ask(api, "v1", who, action="services")


async def test_v1_balance(api, ann, stocked):
    await paid(stocked, ann.id, 3_000)
    assert sample("v1/balance.json") == await ask(api, "v1", ann, action="balance")


def test_every_sample_has_its_test():
    tests = {name.removeprefix("test_") for name in globals() if name.startswith(("test_v1", "test_v2"))}
    assert {f"{path.parent.name}_{path.stem}" for path in SAMPLES.glob("v*/*.json")} == tests


async def test_answers_are_compact_utf8_json_without_a_mark_of_byte_order(api, ann, stocked):
    await partial(stocked, ann.id)
    for dialect in ("v1", "v2"):
        for fields in ({"action": "services"}, {"action": "status", "orders": "1,2"}, {"action": "balance"}):
            body = (await api.form(dialect, {"key": ann.key, **fields})).body
            assert body == compact(json.loads(body.decode()))
