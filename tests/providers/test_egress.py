"""Connections to what somebody typed: never into the house, whatever name stands before it."""

import asyncio
import socket
import ssl
import zlib
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.abc import AbstractResolver
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.stepped_worker import FakeProvider, served

from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import Accepted, AccountFault, Declined, Deferred, TurnedAway, Unsure
from opensmm.domain.requests import AddOrder
from opensmm.providers import egress
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.client import PanelClient, close_session
from opensmm.providers.egress import MAX_RECEIVED, open_session
from opensmm.wire.v2 import V2

ASK = AddOrder(7, "https://example.com/me", 100)
KEY = "their secret key/1"
NOWHERE = "0.0.0.0"


class Names(AbstractResolver):
    """Every name stands for the same addresses."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.lookups = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.lookups += 1
        return [
            {
                "hostname": host, "host": address, "port": port, "proto": 0, "flags": socket.AI_NUMERICHOST,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
            }
            for address in self.addresses
        ]  # fmt: skip

    async def close(self):
        pass


class Reached(FakeProvider):
    port: str


@pytest.fixture
async def fake():
    """A provider on the loopback that accepts everything."""
    fake = Reached()
    fake.answers |= {"add": {"order": 7}, "balance": {"balance": "1"}}
    async with served(fake) as address:
        fake.port = address.split(":")[2].split("/")[0]
        yield fake


async def buy(url, *, resolver=None, private=False):
    session = open_session(2, private=private, resolver=resolver)
    try:
        return await PanelClient(session, url, KEY, V2, 2).add(ASK)
    finally:
        await close_session(session)


TOO_MANY = Deferred(CallFault(CallCode.PUT_OFF, {"words": "Too many requests"}), "Too many requests")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", NOWHERE, "127.1"])
async def test_an_address_of_the_house_is_not_called(fake, host):
    assert isinstance(await buy(f"http://{host}:{fake.port}/api/v2"), Deferred)
    assert [] == fake.requests


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("::1", "127.0.0.1"), ("::ffff:127.0.0.1",), (NOWHERE,)])
async def test_a_name_that_stands_for_the_house_is_not_called(fake, addresses):
    names = Names(*addresses)
    outcome = await buy(f"http://panel.example:{fake.port}/api/v2", resolver=names)
    assert Deferred(CallFault(CallCode.ADDRESS_NOT_PUBLIC, {"host": "panel.example"})) == outcome
    assert (1, []) == (names.lookups, fake.requests)


async def test_what_was_looked_at_is_what_is_called(fake):
    outcome = await buy(f"http://panel.example:{fake.port}/api/v2", resolver=Names("127.0.0.1"), private=True)
    assert ("7", 1) == (outcome.provider_order, len(fake.requests))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((400, {"error": "Bad link"}), Declined("Bad link")),
        ((401, {"error": "Invalid API key"}), TurnedAway("Invalid API key", AccountFault.KEY)),
        ((422, {"errors": {"link": ["The link is required."]}}), Declined("The link is required.")),
        ((429, {"error": "Too many requests"}), TOO_MANY),
        ((200, {"error": "Too many requests"}), TOO_MANY),
        ((429, b"<html>Too many requests</html>"), Unsure),
        ((404, {"order": 7}), Unsure),
        ((400, {"order": 7, "error": "Bad link"}), Unsure),
        ((408, {"error": "Something odd"}), Unsure),
        ((500, {"error": "Bad link"}), Unsure),
        ((503, {"error": "Too many requests"}), Unsure),
        ((302, {"error": "Bad link"}), Unsure),
        ((200, {"order": 7, "error": "Too many requests"}), Unsure),
    ],
)
async def test_what_a_status_beside_the_words_proves(fake, answer, outcome):
    fake.answers["add"] = answer
    result = await buy(f"http://127.0.0.1:{fake.port}/api/v2", private=True)
    assert outcome == (result if isinstance(outcome, Declined | Deferred | TurnedAway) else type(result))


@pytest.mark.parametrize("echo", [KEY, "their%20secret%20key%2F1"])
async def test_a_key_that_is_echoed_is_blotted_out(fake, echo):
    fake.answers |= {"add": {"error": f"Invalid key {echo}"}, "balance": (500, f"no {echo}".encode())}
    outcome = await buy(f"http://127.0.0.1:{fake.port}/api/v2", private=True)
    assert TurnedAway("Invalid key [key]", AccountFault.KEY) == outcome
    session = open_session(2, private=True)
    with pytest.raises(NoAnswer) as error:
        await PanelClient(session, f"http://127.0.0.1:{fake.port}/api/v2", KEY, V2, 2).balance()
    assert CallFault(CallCode.HTTP_STATUS, {"status": 500, "words": "no [key]"}) == error.value.fault
    await close_session(session)


async def test_an_answer_that_unpacks_to_a_gigabyte_is_read_no_further_than_the_bound():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()

    async def packed(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-encoding", b"gzip")]})
        await send({"type": "http.response.body", "body": bomb})

    async with served(packed) as address:
        assert isinstance(await buy(address, private=True), Unsure)


async def test_a_certificate_that_nobody_signed_is_refused_before_a_byte_is_written(tmp_path):
    async with self_signed(tmp_path) as (port, heard):
        outcome = await buy(f"https://localhost:{port}/api/v2", private=True)
        assert isinstance(outcome, Deferred)
        assert isinstance(outcome.answer, CallFault)
        assert CallCode.CERTIFICATE_NOT_TRUSTED is outcome.answer.code
        assert f"localhost:{port}" == outcome.answer.fields["at"]
        assert [] == heard


@asynccontextmanager
async def self_signed(folder):
    """A server with a certificate of its own making; what arrives through TLS is noted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, made, made + timedelta(days=1))
    certificate = builder.sign(key, SHA256())
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    heard = []

    async def note(reader, writer):
        heard.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1], heard
    server.close()


async def test_a_price_list_is_read_no_further_than_the_bound():
    async def endless(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1024):
            await send({"type": "http.response.body", "body": b"[" * (1 << 20), "more_body": True})

    session = open_session(2, private=True)
    async with served(endless) as address:
        with pytest.raises(NoAnswer, match="too_many_bytes"):
            await PanelClient(session, address, KEY, V2, 2).services()
    await close_session(session)


@asynccontextmanager
async def interim(count):
    """A provider that says so many times that it goes on, and then answers; None: it never answers. Yields its address
    and a list of the bytes that it could send."""
    sent = [0]

    async def answer(reader, writer):
        with suppress(ConnectionError):
            while b"action" not in await reader.read(1 << 16):
                pass
            piece, left = b"HTTP/1.1 100 Continue\r\n\r\n", count
            while left is None or left > 0:
                batch = 1000 if left is None else left
                writer.write(piece * batch)
                await writer.drain()
                sent[0] += len(piece) * batch
                left = None if left is None else 0
            body = b'{"order": 7}'
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v2", sent


async def test_interim_answers_are_bounded_and_hold_nobody_up():
    session = open_session(5, private=True)
    async with interim(8) as (address, _):
        assert Accepted("7", '{"order": 7}') == await PanelClient(session, address, KEY, V2, 10).add(ASK)
    for count in (9, None):
        async with interim(count) as (address, sent):
            outcome = await PanelClient(session, address, KEY, V2, 60).add(ASK)
            assert isinstance(outcome, Unsure)
            assert CallFault(CallCode.TOO_MANY_INTERIM, {"most": 8}) == outcome.answer
            assert sent[0] < 16 << 20
    await close_session(session)


FLOODS = {
    "a chunk's extension": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"a" * (1 << 16)),
    "blank lines before the answer": (b"", b"\r\n" * (1 << 15)),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_what_http_throws_away_is_bounded_too(name):
    begin, piece = FLOODS[name]
    sent = [0]

    async def answer(reader, writer):
        with suppress(ConnectionError):
            await reader.read(1 << 16)
            writer.write(begin)
            while sent[0] < 8 * MAX_RECEIVED:
                writer.write(piece)
                await writer.drain()
                sent[0] += len(piece)
        writer.close()

    session = open_session(5, private=True)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v2"
        outcome = await PanelClient(session, address, KEY, V2, 60).add(ASK)
    await close_session(session)
    assert isinstance(outcome, Unsure)
    assert sent[0] < 2 * MAX_RECEIVED
    assert CallFault(CallCode.TOO_MANY_RECEIVED, {"most": MAX_RECEIVED}) == outcome.answer


async def test_the_bound_is_of_each_answer_and_not_of_a_connection(monkeypatch):
    monkeypatch.setattr(egress, "MAX_RECEIVED", 1000)
    fake = FakeProvider()
    fake.answers["add"] = {"order": 7, "note": "n" * 600}
    session = open_session(1, private=True)
    async with served(fake) as address:
        for _ in range(3):
            assert isinstance(await PanelClient(session, address, KEY, V2, 10).add(ASK), Accepted)
    await close_session(session)
