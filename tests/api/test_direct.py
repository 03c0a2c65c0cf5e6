"""The direct way past ASGI: the same answers to the same bytes, on connections that live and end the same."""

import asyncio
import socket
import time
from contextlib import suppress
from itertools import pairwise
from urllib.parse import urlencode

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.panel import (
    DEFAULT,
    LINK,
    OF_TYPE,
    PEPPER,
    acting,
    at_last,
    broken,
    buyer,
    fetch,
    now,
    open_api,
    stock,
    until,
)
from tests.raw_http import heard, request, said_to, serving

from opensmm.actions import customers
from opensmm.actions.customers import make_key
from opensmm.domain.catalogue import ServiceType
from opensmm.store.api_keys import KeySettings
from opensmm.store.connection import connect

FORM = "application/x-www-form-urlencoded"
METHODS = st.sampled_from(["POST", "POST", "POST", "GET", "GET", "HEAD", "OPTIONS", "PUT"])
"""What is no HTTP ends the connection at once, whatever was still to be answered on it: see ``faults/test_sockets``."""
TARGETS = st.sampled_from(
    ["/api/v2", "/api/v1", "/api/v2/", "/api/v1/", "/api/v2#x", "/api/v2?action=balance#&action=x", "/api/v2?", "/api",
     "/healthz", "/api/v2?action=services&extended=1", "/%61pi/v2", "http://x/api/v2", "/api/v2?order=1&x=%zz"]
)  # fmt: skip
HEADERS = st.lists(
    st.sampled_from(
        ["Connection: keep-alive", "Expect: 100-continue", "Accept-Encoding: gzip",
         "X-Request-Id: a", "Authorization: Bearer KEY", "AUTHORIZATION: Bearer KEY", "Idempotency-Key: 7",
         "Upgrade: h2c", "Cookie: a=b", "Connection: Upgrade", "If-None-Match: x", "X-Forwarded-For: 192.0.2.9"]
    ),
    max_size=3,
)  # fmt: skip
BODIES = st.sampled_from(
    [b"", b"key=KEY&action=balance", b"key=KEY&action=services", b"key=KEY&action=status&order=1", b"action=balance",
     b'{"key": "KEY", "action": "balance"}', b"\xff\x00",
     b"key=KEY&action=add&service=7000&quantity=1", b"a=" * 100_000,
     b"key=KEY&action=add&service=1&link=x&comments=" + b"a%0A" * 20_000]
)  # fmt: skip


@st.composite
def requests(draw, key, *, last=False):
    """One request; only the last one of a connection may wish it ended: whatever comes behind that is cut off at some
    moment."""
    method, version = draw(METHODS), draw(st.sampled_from(["1.1", "1.0"] if last else ["1.1"]))
    target = draw(TARGETS)
    body = draw(BODIES).replace(b"KEY", key.encode())
    headers = [header.replace("KEY", key) for header in draw(HEADERS)] + ["Connection: close"] * last
    kind = draw(st.sampled_from([FORM, FORM, "application/json", "text/plain"]))
    lines = [f"{method} {target} HTTP/{version}", "Host: x", f"Content-Type: {kind}", *headers]
    if draw(st.integers(0, 3)):
        lines.append(f"Content-Length: {len(body)}")
    else:
        lines.append("Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5], body[5:]) if part)
        trailers = draw(HEADERS)
        body += "\r\n".join(["0", *trailers, "", ""]).encode()
    return "\r\n".join([*lines, "", ""]).encode() + body


async def all_said(port, data, cuts):
    """All that the server says to the bytes, sent in pieces, until it ends the connection; and whether by force, as
    where it has not read everything: then the end of what it said may be lost on the way."""
    loop, received = asyncio.get_running_loop(), b""
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    with socket.create_connection(("127.0.0.1", port)) as talk:
        talk.setblocking(False)

        async def send():
            with suppress(ConnectionError):
                for at, end in pairwise(edges):
                    await loop.sock_sendall(talk, data[at:end])
                    await asyncio.sleep(0.001)

        sending = asyncio.create_task(send())
        forced = False
        try:
            while part := await at_last(loop.sock_recv(talk, 1 << 16)):
                received += part
        except ConnectionError:
            forced = True
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return received, forced


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_any_bytes_get_the_answers_that_asgi_would_give(server, database, loop):
    """In any pieces, behind one another on one connection, with whatever heads."""

    async def panel():
        conn = await connect(database.app_url)
        await stock(conn)
        return conn, (await buyer(conn)).key

    with asyncio.Runner(loop_factory=loop) as runner:
        conn, key = runner.run(panel())
        opened = open_api(database.app_url)
        endpoint = runner.run(opened.__aenter__()).application
        direct, plain = serving(endpoint), serving(endpoint, direct=False)
        ports = [runner.run(one.__aenter__()) for one in (direct, plain)]

        @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(
            st.lists(requests(key), max_size=4), requests(key, last=True), st.lists(st.integers(0, 1 << 30), max_size=4)
        )
        def run(calls, last, cuts):
            data = b"".join([*calls, last])
            (ours, cut_short), (theirs, theirs_cut_short) = (runner.run(all_said(port, data, cuts)) for port in ports)
            if cut_short or theirs_cut_short:
                length = min(len(ours), len(theirs))
                ours, theirs = ours[:length], theirs[:length]
            assert theirs == ours

        run()
        for one in (direct, plain, opened):
            runner.run(one.__aexit__(None, None, None))
        assert [] == runner.run(broken(conn))
        runner.run(conn.close())


async def pieces_said(port, *pieces):
    """What is said to one request that arrives in these pieces, each read by the server before the next is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.02)
    answers = await heard(reader)
    writer.close()
    return answers


@pytest.mark.parametrize("lines", [3, 40_000], ids=["short", "long"])
@pytest.mark.parametrize("cuts", [[20], [-1], [200, 201, -5], [300, 40_000, 80_000]], ids=str)
async def test_a_request_in_pieces_is_one_request(api, ann, lines, cuts):
    """Its head and its body are often two segments; a long body goes on by ASGI in the middle."""
    form = urlencode({"key": ann.key, "action": "add", "service": OF_TYPE[ServiceType.CUSTOM_COMMENTS], "link": LINK})
    whole = request(f"{form}&comments={'%0A'.join(['ab'] * lines)}".encode())
    edges = sorted({0, len(whole), *(cut if cut >= 0 else len(whole) + cut for cut in cuts if cut < len(whole))})
    async with serving(api.application) as port:
        _, body = await pieces_said(port, *(whole[at:end] for at, end in pairwise(edges)))
    assert ({"order": 1} if lines == 3 else {"error": "Quantity more than maximum 1000"}) == body


async def test_an_address_without_end_is_refused_by_both_ways(api, ann):
    endless = request(f"key={ann.key}&action=balance".encode()).replace(b"/api/v2", b"/api/v2?x=" + b"%61" * 30_000)
    for direct in (True, False):
        async with serving(api.application, direct=direct) as port:
            head, body = await pieces_said(port, endless)
            assert ("http/1.1 414", {"error": "Request too large"}) == (head[:12], body)
            assert "connection: close" in head


async def test_behind_a_proxy_that_is_trusted_the_client_is_whom_it_names(api, ann, stocked):
    """By both ways. Of what several proxies say, the last address that is no proxy of ours counts."""
    key = make_key("far away", KeySettings(addresses=("192.0.2.9",)))
    await customers.add_key(stocked, ann.id, key, PEPPER, by=acting(now()))
    body = f"key={key.text}&action=balance".encode()
    cases = [
        ("", "IP not allowed"),
        ("X-Forwarded-For: 192.0.2.9\r\n", None),
        ("X-Forwarded-For: 192.0.2.8\r\n", "IP not allowed"),
        ("X-Forwarded-For: 192.0.2.8, 192.0.2.9\r\n", None),
        ("X-Forwarded-For: 192.0.2.9, 192.0.2.8\r\n", "IP not allowed"),
        ("X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For: 127.0.0.1\r\n", None),
        ("X-Forwarded-For: 127.0.0.1, 192.0.2.9\r\nX-Forwarded-For: 192.0.2.8\r\n", "IP not allowed"),
    ]
    trailing = request(b"", head="Transfer-Encoding: chunked\r\nX-Forwarded-For: 192.0.2.8\r\n")
    trailing = trailing.replace(b"content-length: 0\r\n", b"")
    trailing += b"%x\r\n%b\r\n0\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n" % (len(body), body)
    for trusted, direct in (("127.0.0.1", True), ("127.0.0.1", False), ("192.0.2.1", True), ("", True)):
        settings = {"proxy_headers": bool(trusted), "forwarded_allow_ips": trusted or None}
        async with serving(api.application, direct=direct, **settings) as port:
            for head, refusal in cases:
                _, answer = await pieces_said(port, request(body, head=head))
                expected = refusal if trusted == "127.0.0.1" else "IP not allowed"
                assert (expected, head) == (answer.get("error"), head)
            for cut in (len(trailing), len(trailing) - 40):
                _, answer = await pieces_said(port, trailing[:cut], trailing[cut:])
                assert {"error": "IP not allowed"} == answer


async def test_an_idle_connection_is_ended_when_its_time_is_over(api, ann):
    call = request(f"key={ann.key}&action=balance".encode())
    async with serving(api.application, timeout_keep_alive=2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            began = time.monotonic()
            writer.write(call)
            await heard(reader)
            await asyncio.sleep(0.5)
        assert b"" == await at_last(reader.read())
        writer.close()
        assert 2 <= time.monotonic() - began


async def test_who_is_answered_while_the_server_stops_is_told_that_the_connection_ends(api, ann, stocked, database):
    call = request(f"key={ann.key}&action=add&service={DEFAULT}&quantity=100&link={LINK}&idempotency_key=a".encode())
    async with await connect(database.app_url) as rival:
        await rival.execute("begin")
        await rival.execute("lock table orders in exclusive mode")
        async with serving(api.application, timeout_graceful_shutdown=10) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(call)
            await until(lambda: fetch(stocked, "select from pg_stat_activity where wait_event_type = 'Lock'"))

            async def let_go_when_it_stops():
                await until(lambda: is_refused(port))
                await rival.execute("rollback")

            letting_go = asyncio.create_task(let_go_when_it_stops())
        await letting_go
        head, body = await heard(reader)
        assert ({"order": 1}, True) == (body, "connection: close" in head)
        assert b"" == await reader.read()
        writer.close()


async def test_who_waits_longer_than_a_stopping_server_is_told_to_come_back(api, ann, stocked, database):
    call = request(f"key={ann.key}&action=add&service={DEFAULT}&quantity=100&link={LINK}&idempotency_key=a".encode())
    async with await connect(database.app_url) as rival:
        await rival.execute("begin")
        await rival.execute("lock table orders in exclusive mode")
        async with serving(api.application, timeout_graceful_shutdown=1) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(call)
            await until(lambda: fetch(stocked, "select from pg_stat_activity where wait_event_type = 'Lock'"))
        head, body = await heard(reader)
        assert ({"error": "Temporarily unavailable"}, True) == (body, "connection: close" in head)
        assert head.startswith("http/1.1 503")
        assert b"" == await reader.read()
        writer.close()


async def test_a_long_body_that_is_being_sent_when_the_server_stops_ends_its_connection(api, ann):
    form = f"key={ann.key}&action=balance&comments=".encode() + b"a" * 200_000
    whole = request(form)
    async with serving(api.application, timeout_graceful_shutdown=10) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(whole[:1000])
        assert 200 == (await said_to(port, whole))[0]  # by now the server has read the other's beginning

        async def send_the_rest():
            await until(lambda: is_refused(port))
            writer.write(whole[1000:])

        sending = asyncio.create_task(send_the_rest())
    await sending
    head, body = await heard(reader)
    assert ("100.00", True) == (body["balance"], "connection: close" in head)
    writer.close()


async def is_refused(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:  # a last one may have come into the queue that is closed with the socket
        return True
    writer.close()
    return False
