"""Answers that are small on the wire and huge in memory: refused before they are decoded, wherever they come."""

import json
import time
import zlib

import pytest
from tests.stepped_worker import FakeProvider, served

from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import Accepted, Unsure
from opensmm.domain.provider_services import MAX_LISTED_SERVICES
from opensmm.domain.requests import (
    MAX_IDS,
    AddOrder,
    CancelOrders,
    GetBalance,
    GetRefillStatus,
    GetStatus,
    ListServices,
    RequestRefills,
    many_ids,
)
from opensmm.domain.subscriptions import MOST_LISTED
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.client import PanelClient, close_session
from opensmm.providers.egress import open_session
from opensmm.providers.response_limits import ALONE, POSTS, PRICE_LIST, count_values, response_limit
from opensmm.wire import lenient
from opensmm.wire.v2 import V2

ASK = AddOrder(7, "https://example.com/me", 100)
HUNDRED = [str(order) for order in range(1, MAX_IDS + 1)]


def bomb(unit, size):
    return b"[" + unit * (size // len(unit)) + b"0]"


@pytest.fixture
async def panel():
    """A client and the provider that it speaks to."""
    fake = FakeProvider()
    async with served(fake) as address:
        session = open_session(4, private=True)
        yield PanelClient(session, address, "their key", V2, 20), fake
        await close_session(session)


CALLS = {
    "balance": (lambda client: client.balance(), "balance", 60_000),
    "statuses": (lambda client: client.statuses(HUNDRED), "status", 400_000),
    "look_ups": (lambda client: client.look_ups(HUNDRED), "status", 400_000),
    "watch": (lambda client: client.watch(HUNDRED), "status", 4_000_000),
    "refills": (lambda client: client.refills(HUNDRED), "refill", 400_000),
    "refill_statuses": (lambda client: client.refill_statuses(HUNDRED), "refill_status", 400_000),
    "cancels": (lambda client: client.cancels(HUNDRED), "cancel", 400_000),
    "services": (lambda client: client.services(), "services", 20_000_000),
}


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"0,"])
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("call", CALLS)
async def test_what_holds_more_values_than_the_ask_can_need_is_no_answer(panel, monkeypatch, call, status, unit):
    monkeypatch.setattr(lenient, "_decode", None)  # whoever decodes it fails otherwise
    client, fake = panel
    ask, action, size = CALLS[call]
    fake.answers[action] = (status, bomb(unit, size))
    with pytest.raises(NoAnswer, match=f"too_many_values status={status} most=[0-9]+ words="):
        await ask(client)


@pytest.mark.parametrize("body", [bomb(b"[],", 60_000), b'{"order":5}' + b" " * ALONE.size, bomb(b"{},", 4 << 20)])
@pytest.mark.parametrize("status", [200, 400])
async def test_after_an_add_it_is_unsure(panel, monkeypatch, status, body):
    monkeypatch.setattr(lenient, "_decode", None)
    client, fake = panel
    fake.answers["add"] = (status, body)
    outcome = await client.add(ASK)
    assert isinstance(outcome, Unsure)
    assert isinstance(outcome.answer, CallFault)
    assert outcome.answer.code in (CallCode.TOO_MANY_BYTES, CallCode.TOO_MANY_VALUES)
    assert status == outcome.answer.fields["status"]
    assert body[:20].decode() in outcome.answer.words


@pytest.mark.parametrize("call", ["statuses", "refills", "cancels", "balance"])
async def test_a_body_that_is_longer_than_its_ask_can_need_is_no_answer(panel, call):
    client, fake = panel
    ask, action, _ = CALLS[call]
    fake.answers[action] = b" " * (500 << 10)
    with pytest.raises(NoAnswer, match=r"too_many_bytes status=200 most=[0-9]+ "):
        await ask(client)


async def test_a_bomb_of_gzip_costs_next_to_nothing():
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = packed.compress(bomb(b"[],", 4 << 20)) + packed.flush()

    async def sends(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-encoding", b"gzip")]})
        await send({"type": "http.response.body", "body": body})

    assert len(body) < 8 << 10
    async with served(sends) as address:
        session = open_session(4, private=True)
        client = PanelClient(session, address, "their key", V2, 20)
        began = time.process_time()
        assert isinstance(await client.add(ASK), Unsure)
        with pytest.raises(NoAnswer):
            await client.watch(HUNDRED)
        assert time.process_time() - began < 0.5
        await close_session(session)


async def test_answers_as_long_as_they_may_be_are_read(panel):
    client, fake = panel
    line = {"charge": "0.27819", "start_count": "3572", "status": "Partial", "remains": "157", "currency": "USD"}
    watched = {**line, "orders": [str(10**9 + at) for at in range(MOST_LISTED)], "link": "x" * 2000, "quantity": "1"}
    notice = b"<br />\n<b>Notice</b>: a[0], in /x.php, on line 3<br />\n" * 30
    fake.answers["status"] = lambda form: dict.fromkeys(HUNDRED, watched if form.get("extended") else line)
    fake.answers["add"] = notice + b'{"order": 23501}'
    assert all(await client.statuses(HUNDRED))
    assert {MOST_LISTED} == {len(one.orders) for one in await client.watch(HUNDRED)}
    assert isinstance(await client.add(ASK), Accepted)


def test_bounds_fit_the_ask():
    single, all_of_them = many_ids((1,)), many_ids(tuple(range(MAX_IDS)))
    assert ALONE == response_limit(ASK) == response_limit(GetBalance())
    assert (PRICE_LIST, POSTS) == (response_limit(ListServices()), response_limit(GetStatus(single, extended=True)))
    for ask in (GetStatus, RequestRefills, GetRefillStatus, CancelOrders):
        assert ALONE.values < response_limit(ask(single)).values < response_limit(ask(all_of_them)).values < 10_000
        assert ALONE.size < response_limit(ask(single)).size < response_limit(ask(all_of_them)).size <= 500 << 10


def test_a_price_list_of_every_offer_allowed_is_within_its_bound():
    line = {
        "service": 7, "name": "Likes, fast", "type": "Default", "category": "First, best", "rate": "0.90", "min": "10",
        "max": "10000", "refill": True, "cancel": False, "dripfeed": False, "average_time": 5, "desc": "a, b, c",
    }  # fmt: skip
    assert count_values(json.dumps(line).encode()) < PRICE_LIST.values // MAX_LISTED_SERVICES
