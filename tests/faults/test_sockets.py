"""Clients that misuse their sockets: slow heads, slow bodies, silence and floods cost bounded time, and nobody else."""

import asyncio
import json
import os
import signal
import socket
from contextlib import suppress
from itertools import chain, repeat, tee

import pytest
from tests.panel import HANG_S, at_last, books, broken, fetch, until
from tests.raw_http import SERVERS, heard, request, said_to, serving

from opensmm.actions import batcher
from opensmm.api import server
from opensmm.store import prepared

PATIENCE_S = 1


@pytest.fixture
async def port(api, monkeypatch):
    monkeypatch.setattr(server, "REQUEST_WITHIN_S", PATIENCE_S)
    async with serving(api.application) as address:
        yield address


BALANCE = (200, {"balance": "100.00", "currency": "USD"})


async def shown_out(port, pieces, pause_s):
    """Sends pieces with pauses, until the server ends the connection; returns how many it has taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = 0

    async def send():
        nonlocal taken
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            taken += 1
            await asyncio.sleep(pause_s)

    sending = asyncio.create_task(send())
    with suppress(ConnectionError):
        await at_last(reader.read())
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    writer.close()
    return taken


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"POST /api/v2 HT"],
        chain([b"POST /api/v2 HTTP/1.1\r\nx: "], repeat(b"x")),
        [request(b"action=", length=100)],
        chain([request(b"action=", length=1 << 20)], repeat(b"x")),
    ],
    ids=["silent", "half a line", "a head bit by bit without end", "half a body", "a body bit by bit without end"],
)
async def test_who_takes_for_ever_is_shown_out_and_nobody_else_notices(port, ann, stocked, pieces):
    before = await books(stocked)
    crowd = [asyncio.create_task(shown_out(port, copy, 0.3)) for copy in tee(pieces, 50)]
    for _ in range(20):
        assert BALANCE == await said_to(port, request(f"key={ann.key}&action=balance".encode()))
        await asyncio.sleep(0.01)
    await asyncio.gather(*crowd)
    assert before == await books(stocked)


async def test_a_flood_is_refused_in_words_and_read_no_further_than_its_bound(port, ann):
    flood = b"x" * (2 << 20)
    assert (413, {"error": "Request too large"}) == await said_to(port, request(flood))
    mib = chain([request(b"", length=10**9)], repeat(b"x" * (1 << 20), 900))
    assert await shown_out(port, mib, 0) < 64
    assert BALANCE == await said_to(port, request(f"key={ann.key}&action=balance".encode()))


async def test_a_million_fields_are_refused(port, ann):
    body = f"key={ann.key}&action=balance".encode() + b"&a=" * 300_000
    assert (200, {"error": "Incorrect request"}) == await said_to(port, request(body[: 1 << 20]))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v2 HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v2 HTTP/1.1\r\nhost: x\r\nidempotency-key: a\x00b\r\n\r\n",
        b"POST /api/v2 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\r\n" * 1000,
        b"GET /api/v2?" + b"x" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_never_answered_with_a_5xx(port, raw):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    writer.write_eof()
    response = await at_last(reader.read())
    writer.close()
    assert not response.startswith(b"HTTP/1.1 5"), response[:100]


async def test_many_requests_on_one_connection_are_answered_in_their_order(port, ann):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    call = request(f"key={ann.key}&action=balance".encode())
    other = request(f"key={ann.key}&action=nonsense".encode())
    writer.write((call + other) * 20)
    answers = [(await heard(reader))[1] for _ in range(40)]
    writer.close()
    assert [BALANCE[1], {"error": "Incorrect request"}] * 20 == answers


async def test_a_connection_is_kept_and_ended_as_its_client_wishes(port, ann):
    """Whole answers go past uvicorn's own way of sending: the connection must not notice."""
    call = request(f"key={ann.key}&action=balance".encode())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(call)
        head, body = await heard(reader)
        assert BALANCE == (200, body)
        assert head.startswith("http/1.1 200 ok\r\n")
        assert "connection: close" not in head
    writer.write(call.replace(b"host: x", b"host: x\r\nexpect: 100-continue"))
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == await at_last(reader.readuntil(b"\r\n\r\n"))
    assert BALANCE[1] == (await heard(reader))[1]
    writer.write(call.replace(b"POST", b"HEAD"))
    assert b"HTTP/1.1 200 OK" in await at_last(reader.readuntil(b"\r\n\r\n"))
    writer.write(call.replace(b"host: x", b"host: x\r\nconnection: close"))
    head, body = await heard(reader)
    assert BALANCE == (200, body)
    assert "connection: close" in head
    assert b"" == await at_last(reader.read())
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(call.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert BALANCE[1] == (await heard(reader))[1]
    assert b"" == await at_last(reader.read())
    writer.close()


async def test_answers_nobody_reads_yet_wait_and_arrive_whole(port, ann):
    """More than the sockets hold: the server stops writing, and goes on when the client reads at last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 12)
    count = 4_000
    writer.write(request(f"key={ann.key}&action=services".encode()) * count)
    lengths = {len(json.dumps((await heard(reader))[1])) for _ in range(count)}
    writer.close()
    assert 1 == len(lengths)


async def test_a_client_that_leaves_before_its_answer_leaves_its_order_and_no_harm(port, ann, api, stocked):
    order = request(f"key={ann.key}&action=add&service=1&quantity=100&link=https://example.com/x".encode())
    for _ in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(order)
        await writer.drain()
        writer.transport.abort()

    async def agreed():
        """Some orders may still be on their way when the first is looked for."""
        _, body = await said_to(port, request(f"key={ann.key}&action=orders".encode()))
        _, left = await said_to(port, request(f"key={ann.key}&action=balance".encode()))
        return f"{100 - 0.09 * len(body):.2f}" == left["balance"]

    await until(agreed)
    assert [] == await broken(stocked)


UPGRADES = [
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n",
    "Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n",
    "connection: upgrade\r\nupgrade: x\r\n",
]


@pytest.mark.parametrize("cut", [None, 40, -5], ids=["whole", "in its head", "in its body"])
@pytest.mark.parametrize("head", UPGRADES, ids=["h2c", "websocket", "x"])
async def test_who_offers_another_protocol_is_answered_in_this_one(port, ann, head, cut):
    """Java's own client offers HTTP/2 with every request. A body is never taken for a request."""
    upgrade = request(f"key={ann.key}&action=balance".encode(), head=head)
    inner = f"POST /api/v2?key={ann.key}&action=balance HTTP/1.1\r\nhost: x\r\nx-ignored: ".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for call, answer in (
        (upgrade, BALANCE[1]),
        (request(inner, head=head), {"error": "Invalid API key"}),
        (upgrade, BALANCE[1]),
    ):
        at = len(call) if cut is None else cut
        writer.write(call[:at])
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(call[at:])
        assert answer == (await heard(reader))[1]
    writer.close()


@pytest.mark.parametrize(
    "raw",
    [
        "GET /api/v2?action=balance&link=é HTTP/1.1\r\nhost: x\r\n\r\n".encode(),
        b"GET /api/v2?action=balance&link=a b HTTP/1.1\r\nhost: x\r\n\r\n",
        b"BUY /api/v2 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT /api/v2 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /api/v2?action=balance HTTP/1.1\r\n\r\n",
        b"GET /api/v2?action=balance HTTP/1.1\r\nhost: x\r\nHost: y\r\n\r\n",
        b"GET /api/v2?action=balance HTTP/1.1\r\nhost: x\r\nHost: x\r\nA: b\r\nA: c\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\nhost: x\r\nHost: x\r\n\r\n",
        b"GET /api/v2?action=balance HTTP/1.1\r\nhost: x, y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x y\r\n\r\n",
        b"GET /api/v2?action=balance HTTP/1.1\r\nhost: x/../y\r\n\r\n",
        b"GET /api/v2?action=balance HTTP/1.1\r\nhost: a@x\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_in_words(port, raw):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    head, body = await heard(reader)
    assert (True, {"error": "Incorrect request"}) == ("400 bad request" in head, body)
    assert {"application/json", "no-store", "close"} <= {line.partition(": ")[2] for line in head.split("\r\n")}
    assert b"" == await reader.read()
    writer.close()


async def test_a_body_longer_than_it_was_said_to_be_gets_its_answer_and_an_end(port, ann, stocked):
    """Clients that count letters instead of bytes: what their order came to must not be hidden by a refusal."""
    form = f"key={ann.key}&action=add&service=1&quantity=100&link=https://example.com/é&x=".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(form + b"yy", length=len(form)))
    head, body = await heard(reader)
    assert ({"order": 1}, True) == (body, "connection: close" in head)
    assert b"" == await reader.read()
    writer.close()
    assert [] == await broken(stocked)


async def test_half_a_head_behind_a_request_is_not_waited_for_as_long_as_the_next_one(port, api, ann):
    call = request(f"key={ann.key}&action=balance".encode())
    async with serving(api.application, timeout_keep_alive=10 * HANG_S) as patient:
        reader, writer = await asyncio.open_connection("127.0.0.1", patient)
        writer.write(call + call[:30])
        assert BALANCE[1] == (await heard(reader))[1]
        assert b"" == await at_last(reader.read())
        writer.close()


async def test_who_asks_and_never_reads_is_shown_out_in_the_end(port, ann):
    call = request(f"key={ann.key}&action=services".encode())
    with socket.create_connection(("127.0.0.1", port)) as talk:
        talk.setblocking(False)

        async def ask_on_and_on():
            while True:
                await asyncio.get_running_loop().sock_sendall(talk, call)

        with pytest.raises(ConnectionError):
            await at_last(ask_on_and_on())


async def test_many_who_offer_another_protocol_in_one_breath_are_all_answered(port, ann):
    call = request(f"key={ann.key}&action=balance".encode(), head=UPGRADES[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(call * 2_000)
    assert [BALANCE[1]] * 2_000 == [(await heard(reader))[1] for _ in range(2_000)]
    writer.close()


async def test_a_request_of_http_1_0_needs_no_host(port, ann):
    call = f"GET /api/v2?key={ann.key}&action=balance HTTP/1.0\r\n\r\n".encode()
    assert BALANCE == await said_to(port, call)


async def refusals(port, data):
    """(status, what was said) of every answer on a connection, until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send():
        with suppress(ConnectionError):
            for at in range(0, len(data), 1 << 16):
                writer.write(data[at : at + (1 << 16)])
                await writer.drain()

    sending, statuses = asyncio.create_task(send()), []
    with suppress(asyncio.IncompleteReadError):
        while True:
            head, body = await heard(reader)
            statuses.append((int(head.split()[1]), body))
    sending.cancel()
    writer.close()
    return statuses


TOO_LARGE = {"error": "Request too large"}
HEADS = {
    "lines without end": (b"x-%d: y\r\n", 100_000, 431),
    "one line without end": (b"x" * 100, 20_000, 431),
    "a value without end": (b"x: " + b"y" * 100, 20_000, 431),
    "lines that are long together": (b"x-%d: " + b"y" * 2_000 + b"\r\n", 40, 431),
}


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "without an end"])
@pytest.mark.parametrize("name", HEADS)
async def test_a_head_has_a_bound_and_its_sender_reads_the_refusal(port, ann, name, ended):
    piece, count, status = HEADS[name]
    lines = b"".join(piece % at if b"%" in piece else piece for at in range(count))
    if not ended and len(lines) < 200_000:
        lines *= 10
    head = b"POST /api/v2 HTTP/1.1\r\nhost: x\r\n" + lines + (b"\r\n\r\n" if ended else b"")
    assert [(status, TOO_LARGE)] == await refusals(port, head)
    assert BALANCE == await said_to(port, request(f"key={ann.key}&action=balance".encode()))


@pytest.mark.parametrize("direct", [True, False])
async def test_what_is_within_the_bounds_of_a_head_is_answered(api, ann, direct):
    call = request(f"key={ann.key}&action=balance".encode(), head="".join(f"x-{n}: y\r\n" for n in range(97)))
    long = request(f"key={ann.key}&action=balance".encode(), head="x-long: " + "y" * 65_000 + "\r\n")
    comments = "%61" * 21_800
    get = f"GET /api/v2?key={ann.key}&action=balance&comments={comments} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    async with serving(api.application, direct=direct) as port:
        for data in (call, long, get):
            assert BALANCE == await said_to(port, data)
        over = call.replace(b"x-0: y", b"x-0: y\r\nx-00: y")
        for data, status in ((over, 431), (get.replace(b"%61", b"%61x"), 414)):
            assert [(status, TOO_LARGE)] == await refusals(port, data)


async def test_a_target_without_an_end_is_refused_before_it_ends(port):
    assert [(414, TOO_LARGE)] == await refusals(port, b"GET /api/v2?x=" + b"y" * 500_000)


TRAILERS = {
    "many": b"0\r\n" + b"x: y\r\n" * 101 + b"\r\n",
    "long": b"0\r\n" + (b"x: " + b"y" * 3_000 + b"\r\n") * 50,
    "a line without end": b"0\r\nx: " + b"y" * 900_000,
    "an extension without end": b"5;" + b"y" * 900_000,
}


@pytest.mark.parametrize("name", TRAILERS)
async def test_trailers_have_the_bounds_of_a_head(port, ann, name):
    head = b"POST /api/v2 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    assert [(431, TOO_LARGE)] == await refusals(port, head + TRAILERS[name])
    assert BALANCE == await said_to(port, request(f"key={ann.key}&action=balance".encode()))


@pytest.mark.parametrize("before", [1, 3])
@pytest.mark.parametrize(
    "broken_part",
    [
        b"POST /api/v2 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v2 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        b"POST /api/v2 HTTP/1.1\r\n\r\n",
    ],
)
async def test_an_order_is_answered_before_what_is_broken_behind_it_is_refused(port, ann, stocked, before, broken_part):
    form = f"key={ann.key}&action=add&service=1&quantity=100&link=https://example.com/x".encode()
    statuses = await refusals(port, request(form) * before + broken_part)
    assert [*((200, {"order": at + 1}) for at in range(before)), (400, {"error": "Incorrect request"})] == statuses
    assert [] == await broken(stocked)


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize(
    "rest", [b"", b"POST /api/v2 HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc", b"POST /api"]
)
@pytest.mark.parametrize("count", [1, 3])
async def test_who_has_sent_all_that_it_will_is_answered_before_the_end(api, ann, stocked, direct, rest, count):
    """A client that shuts its sending side down still reads."""
    form = f"key={ann.key}&action=add&service=1&quantity=100&link=https://example.com/x".encode()
    async with serving(api.application, direct=direct) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(form) * count + rest)
        writer.write_eof()
        for at in range(count):
            assert {"order": at + 1} == (await heard(reader))[1]
        assert b"" == await at_last(reader.read())
        writer.close()
    assert [] == await broken(stocked)


async def test_a_stop_waits_for_what_the_database_may_keep(api, ann, stocked, monkeypatch):
    """The database stands still, the server is told to stop: no 503 for an order that is kept."""
    monkeypatch.setattr(server, "GRACE_S", 0)
    monkeypatch.setattr(batcher, "BATCH_WITHIN_S", HANG_S)
    monkeypatch.setattr(prepared, "WITHIN_S", HANG_S)
    order = request(f"key={ann.key}&action=add&service=1&quantity=100&link=https://example.com/x".encode())
    async with serving(api.application, timeout_graceful_shutdown=HANG_S) as port:
        assert (200, {"order": 1}) == await said_to(port, order)
        query = (
            "select pid from pg_stat_activity where application_name like '%: keep' and datname = current_database()"
        )
        ((keeping,),) = await fetch(stocked, query)
        os.kill(keeping, signal.SIGSTOP)
        try:
            asking = asyncio.create_task(said_to(port, order))

            async def under_way():
                return batcher.are_under_way()

            await until(under_way)
            for running in SERVERS:
                running.should_exit = True

            async def stopping():
                return not accepts(port)

            await until(stopping)
            assert not (await asyncio.wait([asking], timeout=0.5))[0]
        finally:
            os.kill(keeping, signal.SIGCONT)
        assert (200, {"order": 2}) == await asking
    assert [(2,)] == await fetch(stocked, "select count(*) from orders")
    assert [] == await broken(stocked)


def accepts(port):
    with socket.socket() as talk:
        return talk.connect_ex(("127.0.0.1", port)) == 0


async def test_a_stop_ends_a_client_that_hangs_once_no_batch_is_under_way(api, ann, monkeypatch):
    monkeypatch.setattr(server, "GRACE_S", 0)
    call = request(f"key={ann.key}&action=balance".encode())
    async with serving(api.application, timeout_graceful_shutdown=HANG_S) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(call[:-3])
        await writer.drain()
    writer.close()
