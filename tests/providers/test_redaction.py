"""A provider's key stays out of what is kept of its answers, malformed heads among them."""

import asyncio
import traceback
from contextlib import asynccontextmanager

import pytest

from opensmm.domain.dispatch import Unsure
from opensmm.domain.requests import AddOrder
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.client import PanelClient, close_session
from opensmm.providers.egress import open_session
from opensmm.providers.redaction import Redaction
from opensmm.wire.v2 import V2

KEYS = ["0123456789abcdef0123456789abcdef", "AbC/dEf+1 2&34=567", "q'uo\"te\\d-/key", "it's-a-key"]


@asynccontextmanager
async def raw(head):
    """A client of a server that answers everything with some bytes."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    session = open_session(2, private=True)
    yield session, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    await close_session(session)
    server.close()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/9.9 %b\r\n\r\n",
        b"HTTP/1.1 2%b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX %b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 88 + b"%b" + b"x" * 9000 + b"\r\n\r\n",
    ],
)
async def test_a_key_in_a_malformed_head_is_blotted_out(key, head):
    async with raw(head % key.encode()) as (session, url):
        client = PanelClient(session, url, key, V2, 2)
        outcome = await client.add(AddOrder(7, "https://example.com/me", 100))
        with pytest.raises(NoAnswer) as error:
            await client.statuses(["1"])
    assert isinstance(outcome, Unsure)
    for text in (str(outcome.answer), str(error.value), "".join(traceback.format_exception(error.value))):
        assert "[key]" in text
        assert key[:8] not in text.replace("\\", "")
        assert key[-8:] not in text.replace("\\", "")


def test_the_words_of_an_exception_are_fit_to_be_stored():
    text = Redaction(KEYS[0]).redact_error(ValueError("\x00\ud800 " + KEYS[0] * 2 + KEYS[0][:20] + "x" * 1000))
    assert text.startswith("\N{REPLACEMENT CHARACTER}? [key][key][key]xxx")
    assert 500 == len(text)
