"""Providers that fail, are slow, or are changed while the worker runs: what they cost nobody but themselves."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec import structs
from tests.panel import DEFAULT, LINK, PEPPER, PLAIN, acting, broken, fetch, now
from tests.panels import add_panel, route
from tests.stepped_worker import FakeProvider, SteppedWorker, served, state

from opensmm import __version__
from opensmm.actions import providers
from opensmm.actions.routes import route_new_service_in_transaction
from opensmm.base.errors import PanelError
from opensmm.base.ids import ServiceId
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import FAILURES_BEFORE_PAUSE
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.provider_settings import ProviderSettings
from opensmm.domain.providers import IdForm
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import providers as rows

KEY, OTHER_KEY = "the-first-key-of-theirs", "the-second-key-of-theirs"


@pytest.fixture
async def fake(stocked, database, clock):
    """A panel over HTTP that says what it is told to; service 1 is theirs, 7 by their count."""
    fake = FakeProvider()
    async with served(fake) as address:
        provider = await add_panel(stocked, KEY, url=address)
        await route(stocked, DEFAULT, (provider, 7))
        worker = SteppedWorker(database.app_url, "", clock)
        await worker.housekeeper.step()
        yield worker, fake, provider
        await worker.close()


async def row(conn, provider):
    (found_row,) = [one for one in await rows.providers(conn) if one.id == provider]
    return found_row


async def edit(conn, provider, key="", **changes):
    wanted = ProviderSettings(**changes)
    await providers.edit_provider(conn, provider, wanted, key, PEPPER, private=True, by=acting(now()))


async def test_silences_in_a_row_close_a_provider_off_and_one_call_tells_whether_it_is_well(
    api, ann, stocked, fake, clock
):
    worker, fake, provider = fake
    fake.answers["add"] = (502, b"<html>Bad Gateway</html>")
    for at in range(FAILURES_BEFORE_PAUSE):
        await api.add(ann.key, link=f"{LINK}/{at}")
        await worker.send()
    stored = await row(stocked, provider)
    assert (FAILURES_BEFORE_PAUSE, clock() + timedelta(seconds=1)) == (stored.failures, stored.resting_until)
    fields: dict[str, str | int] = {"status": 502, "words": "<html>Bad Gateway</html>"}
    assert CallFault(CallCode.HTTP_STATUS, fields) == stored.fault
    waiting = [await api.add(ann.key, link=f"{LINK}/waiting/{at}") for at in range(3)]
    assert 0 == await worker.send()
    clock.forward(1)
    assert 1 == await worker.send()
    assert (FAILURES_BEFORE_PAUSE + 1, 60) == (
        (stored := await row(stocked, provider)).failures,
        (stored.resting_until - clock()).total_seconds(),
    )
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    clock.forward(60)
    assert 1 == await worker.send()
    assert 1 == await worker.send()
    assert ["unsure", "pending", "pending"] == [await state(stocked, order) for order in waiting]
    assert [] == await broken(stocked)


async def test_only_one_worker_tries_a_provider_that_has_rested(api, ann, stocked, fake, database, clock):
    worker, fake, provider = fake
    await edit(stocked, provider, concurrency=1)
    other = SteppedWorker(database.app_url, "", clock)
    await asyncio.gather(worker.housekeeper.step(), other.housekeeper.step())
    await stocked.execute("update provider set failures = 9, resting_until = %s where kind = 'panel'", [clock()])
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    for at in range(4):
        await api.add(ann.key, link=f"{LINK}/{at}")
    # Without a turn the one call waits: once it is answered the others may go.
    ours, theirs = worker.registry.connection_to(provider), other.registry.connection_to(provider)
    assert ours is not None
    assert theirs is not None
    async with ours.throttle, theirs.throttle:
        first, second = await asyncio.gather(worker.sender.step(100), other.sender.step(100))
        assert 1 == len(first) + len(second)
    await asyncio.gather(*first, *second)
    assert 3 == await other.send()
    await other.close()


async def test_a_provider_with_room_for_few_takes_no_places_of_the_others(api, ann, stocked, fake, worker):
    _, fake, provider = fake
    await edit(stocked, provider, concurrency=1)
    await worker.housekeeper.step()
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    for at in range(30):
        await api.add(ann.key, DEFAULT, link=f"{LINK}/theirs/{at}")
    for at in range(5):
        await api.add(ann.key, PLAIN, link=f"{LINK}/ours/{at}")
    assert 4 + 5 == await worker.send()
    sent = await fetch(
        stocked, "select service_id, count(*) from delivery where state = 'pending' group by 1 order by 1"
    )
    assert [(DEFAULT, 4), (PLAIN, 5)] == sent


async def test_what_waits_for_one_provider_takes_no_turns_of_the_others(api, ann, stocked, fake, worker):
    _, fake, provider = fake
    await edit(stocked, provider, concurrency=1)
    await worker.housekeeper.step()
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    for at in range(9):
        await api.add(ann.key, DEFAULT, link=f"{LINK}/theirs/{at}")
    for at in range(9):
        await api.add(ann.key, PLAIN, link=f"{LINK}/ours/{at}")
    assert 6 == await worker.send(6)
    sent = "select service_id, count(*) from delivery where state = 'pending' group by 1 order by 1"
    assert [(DEFAULT, 3), (PLAIN, 3)] == await fetch(stocked, sent)
    await edit(stocked, provider, enabled=False)
    assert 6 == await worker.send(10)
    await worker.housekeeper.step()
    await api.add(ann.key, PLAIN, link=f"{LINK}/ours/9")
    assert 1 == await worker.send(10)
    assert [(DEFAULT, 3), (PLAIN, 10)] == await fetch(stocked, sent)


async def test_another_address_key_or_limit_is_taken_over_without_a_restart(api, ann, stocked, fake):
    worker, fake, provider = fake
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    await api.add(ann.key)
    await worker.send()
    other = FakeProvider()
    other.answers["add"] = {"order": 99}
    async with served(other) as address:
        await edit(stocked, provider, OTHER_KEY, url=address)
        await worker.housekeeper.step()
        await api.add(ann.key, link=f"{LINK}/2")
        await worker.send()
        assert ([KEY], [OTHER_KEY]) == ([one["key"] for one in fake.requests], [one["key"] for one in other.requests])
    client = worker.registry.connection_to(provider).provider
    await worker.housekeeper.step()
    assert client is worker.registry.connection_to(provider).provider


async def test_a_provider_that_is_switched_off_is_sent_nothing_and_still_followed(api, ann, stocked, fake, clock):
    worker, fake, provider = fake
    fake.answers |= {
        "add": lambda form: {"order": len(fake.requests)},
        "status": {"1": {"status": "Completed", "remains": "0", "charge": "0.05", "currency": "USD"}},
    }
    first = await api.add(ann.key)
    await worker.send()
    await edit(stocked, provider, enabled=False)
    second = await api.add(ann.key, link=f"{LINK}/2")
    await worker.round(2)
    assert ("completed", "queued") == (await state(stocked, first), await state(stocked, second))


async def test_without_a_key_that_opens_nothing_is_sent(api, ann, stocked, fake, database, clock):
    worker, fake, provider = fake
    await stocked.execute("update provider set url = 'http://127.0.0.2:1/api' where id = %s", [provider])
    await worker.housekeeper.step()
    moved = await api.add(ann.key)
    assert worker.registry.connection_to(provider) is None
    assert (0, []) == (await worker.send(), fake.requests)
    assert "queued" == await state(stocked, moved)
    with pytest.raises(PanelError):
        await edit(stocked, provider, url="https://elsewhere.example/")


async def test_polls_leave_a_provider_alone_that_does_not_answer(api, ann, stocked, fake, clock):
    worker, fake, provider = fake
    fake.answers |= {"add": lambda form: {"order": len(fake.requests)}, "status": (500, b"")}
    await api.add(ann.key)
    await worker.send()
    for _ in range(FAILURES_BEFORE_PAUSE + 3):
        clock.forward(60)
        await worker.follow()
    assert FAILURES_BEFORE_PAUSE == sum(one["action"] == "status" for one in fake.requests)
    assert {provider: 0} == {one: room for one, room in worker.registry.claimable_counts().items() if one == provider}


@pytest.mark.parametrize(
    ("reports", "stored", "booked"),
    [
        ([{"charge": "0.05", "currency": "USD"}], (Decimal("0.05"), "USD", Decimal(1)), [(5000,)]),
        ([{"charge": 0.05}, {"charge": None}], (Decimal("0.05"), "USD", Decimal(1)), [(5000,)]),
        ([{"charge": "0.05"}, {"charge": "0.07"}], (Decimal("0.07"), "USD", Decimal(1)), [(7000,)]),
        ([{"charge": "0.0000001"}], (Decimal("0.0000001"), "USD", Decimal(1)), [(1,)]),
        ([{"charge": "0"}], (Decimal(0), "USD", Decimal(1)), []),
        ([{"charge": "5", "currency": "EUR"}], (Decimal(5), "EUR", None), []),
        ([{"charge": "-1"}], (None, None, None), []),
    ],
)
async def test_what_a_delivery_cost_is_booked_when_it_ends_as_it_was_last_told(
    api, ann, stocked, fake, reports, stored, booked
):
    worker, fake, _ = fake
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    for at, report in enumerate(reports, 1):
        word = "Completed" if at == len(reports) else "In progress"
        fake.answers["status"] = {"7": {"status": word, "remains": "0" if word == "Completed" else "10", **report}}
        worker.clock.forward(5)
        await worker.follow()
    assert [stored] == await fetch(stocked, "select cost, currency, exchange_rate from attempt")
    assert booked == await fetch(stocked, "select amount from transfer where kind = 'cost'")
    assert [] == await broken(stocked)


HOSTILE = [
    b"\xef\xbb\xbf<html>\x00",
    b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    b'{"order": NaN, "status": Infinity, "7": {"status": NaN, "remains": -Infinity}}',
    b'{"7": {"status": "Completed"}, "7": {"status": "Canceled"}}',
    b'{"7": {"status": "Completed", "status": "Canceled"}}',
    b'{"8": {"status": "Completed", "remains": "0"}}',
    b'{"7": {"status": "Completed", "remains": "0"',
    b'{"7": {"status": "Teapot", "remains": "100"}}',
    b"\x1f\x8b\x08garbage",
    b"x" * (5 << 20),
    json.dumps({"7": {"status": ["Completed"], "remains": {"a": 1}}}).encode(),
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_answers_change_nothing_and_end_nothing(api, ann, stocked, fake, body):
    worker, fake, _ = fake
    fake.answers |= {"add": {"order": 7}, "status": body, "cancel": body, "balance": body}
    order = await api.add(ann.key)
    await worker.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    await worker.round(5)
    await worker.balances.step()
    assert ("pending", []) == (await state(stocked, order), await fetch(stocked, "select * from balance_reading"))
    assert [(9000,)] == await fetch(stocked, "select amount from transfer where order_id = %s", order)
    assert [] == await broken(stocked)


async def test_a_key_that_is_echoed_stands_in_no_log_and_nowhere_in_the_database(api, ann, stocked, fake, capfd):
    worker, fake, _ = fake
    echo = f"unknown key {KEY}".encode()
    fake.answers |= {"status": (500, echo), "cancel": echo, "balance": {"error": echo.decode()}}
    answers = iter([{"order": 7}, (502, echo), {"error": f"Invalid key {KEY}"}])
    fake.answers["add"] = lambda form: next(answers)
    for at in range(3):
        await api.add(ann.key, link=f"{LINK}/{at}")
        await worker.send()
    await worker.round(5)
    await worker.balances.step()
    outcomes = await fetch(stocked, "select outcome from attempt order by order_id")
    assert [("accepted",), ("unsure",), ("declined",)] == outcomes
    public = "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    tables = await fetch(stocked, public)
    for (table,) in tables:
        assert KEY not in str(await fetch(stocked, f"select t::text from {table} t")), table
    printed = capfd.readouterr()
    assert "a provider did not answer" in printed.out + printed.err
    assert KEY not in printed.out + printed.err


async def test_an_address_that_the_setting_no_longer_allows_is_not_called(stocked, fake):
    _, _, provider = fake
    registry = ProviderRegistry(PEPPER, "", 1.0)
    await registry.update(await rows.providers(stocked))
    assert registry.connection_to(provider) is None
    await registry.close()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Upp", RefusalCode.UNKNOWN_PROVIDER),
        ("Upstream", RefusalCode.ROUTE_NEEDS_NUMBER),
    ],
)
async def test_a_new_service_goes_to_no_panel_by_a_guess(stocked, name, why):
    await add_panel(stocked, KEY)
    before = await fetch(stocked, "select * from route order by 1, 2")
    with pytest.raises(OperatorRefusal) as refused:
        await route_new_service_in_transaction(stocked, ServiceId(DEFAULT), name, None, by=acting(now()))
    assert why is refused.value.code
    assert before == await fetch(stocked, "select * from route order by 1, 2")


def knows_no_lists(form):
    return {"status": "In progress", "remains": "5"} if "order" in form else {"error": "Incorrect order ID"}


async def test_how_a_provider_is_asked_after_ids_outlives_the_process_and_ends_with_its_address(
    api, ann, stocked, fake, clock, database
):
    worker, fake, provider = fake
    numbers = iter(range(7, 99))
    fake.answers |= {"add": lambda form: {"order": next(numbers)}, "status": knows_no_lists}
    for at in range(2):
        await api.add(ann.key, link=f"{LINK}/{at}")
    await worker.send()
    clock.forward(2)
    await worker.follow()
    assert {} == (await row(stocked, provider)).forms
    await worker.housekeeper.step()
    forms = await fetch(stocked, "select forms, xmin::text from provider where id = %s", provider)
    assert {"status": "one_by_one"} == forms[0][0]
    clock.forward(2)
    await worker.follow()
    await worker.housekeeper.step()
    assert forms == await fetch(stocked, "select forms, xmin::text from provider where id = %s", provider)
    another, count = SteppedWorker(database.app_url, "", clock), len(fake.requests)
    await another.housekeeper.step()
    clock.forward(2)
    assert 2 == await another.follow()
    assert [False, False] == ["orders" in form for form in fake.requests[count:]]
    await another.close()
    await edit(stocked, provider, concurrency=3)
    assert {"status": IdForm.ONE_BY_ONE} == (await row(stocked, provider)).forms
    await edit(stocked, provider, dialect="v1")
    assert {} == (await row(stocked, provider)).forms
    # What was learned before the change is not kept after it.
    was = structs.replace(await row(stocked, provider), dialect="v2")
    await rows.keep_forms(stocked, was, {"status": IdForm.ONE_BY_ONE})
    assert {} == (await row(stocked, provider)).forms


async def test_calls_name_this_panel_or_what_the_operator_says(stocked, fake):
    worker, fake, provider = fake
    fake.answers["balance"] = {"balance": "1", "currency": "USD"}
    await worker.balances.step()
    await edit(stocked, provider, user_agent="acme-panel (ops@acme.example)")
    await worker.housekeeper.step()
    worker.clock.forward(600)
    await worker.balances.step()
    assert [f"OpenSMM/{__version__}", "acme-panel (ops@acme.example)"] == fake.agents
    ((detail,),) = await fetch(stocked, "select detail from audit where action = 'provider.edit'")
    assert {"user_agent": ["", "acme-panel (ops@acme.example)"]} == detail["changes"]


@pytest.mark.parametrize("text", ["a\r\nx-other: 1", "a\nb", "a\tb", "caf\u00e9", "x" * 201, "a\x00"])
async def test_a_name_that_calls_cannot_bear_is_refused(stocked, fake, text):
    _, _, provider = fake
    with pytest.raises(OperatorRefusal) as refused:
        await edit(stocked, provider, user_agent=text)
    assert RefusalCode.BAD_USER_AGENT is refused.value.code
    with pytest.raises(OperatorRefusal):
        await add_panel(stocked, KEY, name="Other", user_agent=text)
