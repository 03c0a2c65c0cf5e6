"""The client of other panels: what it writes, how it is bounded, and what it takes for no answer."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import pytest
from tests.panel import at_last
from tests.stepped_worker import TIMEOUT_S, FakeProvider, served

from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import Accepted, AccountFault, Declined, Deferred, TurnedAway, Unsure
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import UnreadAnswer
from opensmm.domain.refills import RefillStatus
from opensmm.domain.requests import AddOrder, TypeDetails
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.client import PanelClient, close_session
from opensmm.providers.egress import open_session
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

UNTOLD = '[{"order": 1, "refill": 5}, {"order": 2, "refill": {"error": "Incorrect order ID"}}]'
ASK = AddOrder(7, "https://example.com/me", 100)


class Called(FakeProvider):
    client: PanelClient


@pytest.fixture
async def fake():
    fake = Called()
    async with served(fake) as address:
        session = open_session(4, private=True)
        fake.client = PanelClient(session, address, "their key", V2, TIMEOUT_S)
        yield fake
        await close_session(session)


@pytest.mark.parametrize("theirs", ["7", "007", "12a", "ig-likes.hq"])
async def test_a_provider_hears_its_own_name_of_a_service_as_it_is(fake, theirs):
    fake.answers["add"] = {"order": 1}
    await fake.client.add(AddOrder(None, "https://example.com/me", 100, their_service=theirs))
    assert [theirs] == [form["service"] for form in fake.requests]


@pytest.mark.parametrize(
    "spelt", ["AbC/dEf+1234567", "AbC\\/dEf+1234567", "AbC%2FdEf%2B1234567", "AbC%2fdEf%2b1234567"]
)
async def test_a_key_is_blotted_out_however_it_is_echoed(spelt):
    fake = Called()
    async with served(fake) as address:
        session = open_session(4, private=True)
        client = PanelClient(session, address, "AbC/dEf+1234567", V2, 0.5)
        fake.answers["add"] = b'{"error": "Invalid API key: %b"}' % spelt.encode()
        outcome = await client.add(AddOrder(7, "https://example.com/me", 100))
        await close_session(session)
    assert TurnedAway("Invalid API key: [key]", AccountFault.KEY) == outcome


async def test_an_order_is_written_in_the_words_of_the_page(fake):
    fake.answers["add"] = {"order": 23501}
    request = AddOrder(7, "https://example.com/me", details=TypeDetails(comments=("first", "second & third")))
    assert Accepted("23501", '{"order": 23501}') == await fake.client.add(request)
    assert [
        {
            "key": "their key", "action": "add", "service": "7", "link": "https://example.com/me",
            "comments": "first\nsecond & third",
        }
    ] == fake.requests  # fmt: skip


async def test_a_panel_of_the_v1_family_is_spoken_to_as_well(fake):
    fake.client = PanelClient(fake.client._session, fake.client._url, "their key", V1, 0.5)
    fake.answers |= {
        "add": {"status": "success", "order": 32},
        "status": {
            "32": {"order": "32", "status": "inprogress", "charge": "0.036", "start_count": "5", "remains": "9"}
        },
    }
    assert "32" == (await fake.client.add(ASK)).provider_order
    (report,) = await fake.client.statuses(["32"])
    assert (OrderStatus.IN_PROGRESS, 5, 9) == (report.status, report.start_count, report.remains)


async def test_refills_and_cancels_are_asked_for_and_after(fake):
    fake.answers |= {
        "refill": [{"order": 1, "refill": 5}, {"order": 2, "refill": {"error": "Incorrect order ID"}}],
        "refill_status": [{"refill": 5, "status": "In progress"}, {"refill": 6, "status": "Odd"}],
        "cancel": [{"order": 1, "cancel": 1}, {"order": 2, "cancel": {"error": "Order cannot be canceled"}}],
    }
    assert ["5", Declined("Incorrect order ID"), UnreadAnswer(UNTOLD)] == await fake.client.refills(["1", "2", "3"])
    assert [RefillStatus.IN_PROGRESS, UnreadAnswer("Odd")] == await fake.client.refill_statuses(["5", "6"])
    assert [True, Declined("Order cannot be canceled")] == await fake.client.cancels(["1", "2"])


async def test_a_redirect_is_not_followed_and_a_post_never_becomes_a_get(fake):
    fake.answers |= {"add": (302, b""), "status": (301, b"")}
    assert isinstance(await fake.client.add(ASK), Unsure)
    with pytest.raises(NoAnswer):
        await fake.client.statuses(["1"])
    assert 2 == len(fake.requests)


@pytest.mark.parametrize("answer", [(500, b""), (404, b"<html>"), b"x" * (1 << 20)])
async def test_what_is_no_answer_is_an_exception_for_reads_and_unsure_for_an_order(fake, answer):
    fake.answers |= dict.fromkeys(("add", "status"), answer)
    assert isinstance(await fake.client.add(ASK), Unsure)
    with pytest.raises(NoAnswer):
        await fake.client.statuses(["1"])


async def test_an_answer_of_a_gigabyte_is_read_no_further_than_the_bound(fake):
    sent_mib: asyncio.Queue[int] = asyncio.Queue()

    async def endless(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
        sent = 0
        with suppress(ConnectionError):
            while sent < 1024:
                writer.write(b"x" * (1 << 20))
                await writer.drain()
                sent += 1
        sent_mib.put_nowait(sent)
        writer.transport.abort()

    async with listening(endless) as url:
        assert isinstance(await PanelClient(fake.client._session, url, "k", V2, TIMEOUT_S).add(ASK), Unsure)
        assert await at_last(sent_mib.get()) < 64


@asynccontextmanager
async def listening(talk):
    """A server of bare sockets; yields its address."""
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def silent(scope, receive, send):
    await asyncio.Event().wait()


async def dripping(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("provider", [silent, dripping])
async def test_a_silent_or_dripping_provider_is_given_up_in_time(fake, provider):
    async with served(provider) as address:
        client = PanelClient(fake.client._session, address, "k", V2, 0.3)
        assert Unsure(CallFault(CallCode.NO_ANSWER_IN_TIME, {"within_s": "0.3"})) == await at_last(client.add(ASK))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/api/v2", CallFault(CallCode.NOBODY_LISTENS, {"at": "127.0.0.1:9"})),
        (
            "http://no-such.invalid/api/v2",
            CallFault(CallCode.NAME_WITHOUT_ADDRESS, {"host": "no-such.invalid"}),
        ),
    ],
)
async def test_only_a_connection_never_made_proves_that_nothing_was_written(fake, url, why):
    client = PanelClient(fake.client._session, url, "k", V2, TIMEOUT_S)
    assert Deferred(why) == await client.add(ASK)
    with pytest.raises(NoAnswer) as error:
        await client.balance()
    assert why == error.value.fault


async def test_a_connection_that_ends_before_the_answer_is_unsure(fake):
    async def hang_up(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with listening(hang_up) as url:
        ended = await PanelClient(fake.client._session, url, "k", V2, TIMEOUT_S).add(ASK)
        assert Unsure(CallFault(CallCode.CLOSED)) == ended


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("windows-1254", "cp1254"), ("utf-16", "utf-16"), ("iso-8859-9", "utf-8"), ("hex", "utf-8")],
)
async def test_a_price_list_is_decoded_by_the_charset_that_is_told(fake, charset, encoding):
    line = {"service": 1, "name": "Beğeni İçin Şans", "type": "Default", "rate": "0.90", "min": 1, "max": 10}
    fake.content_type = f"text/html; charset={charset}".encode()
    fake.answers["services"] = json.dumps([line], ensure_ascii=False).encode(encoding)
    assert ["Beğeni İçin Şans"] == [offer.name for offer in (await fake.client.services()).services]
