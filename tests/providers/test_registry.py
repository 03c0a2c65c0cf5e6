"""The desk: one provider's call that breaks down is that provider's alone."""

import asyncio
from decimal import Decimal

import pytest
from aiohttp.abc import AbstractResolver
from msgspec import structs
from tests.stepped_worker import FakeProvider, served

from opensmm.base.ids import ProviderId
from opensmm.domain.codes import ShutCode
from opensmm.domain.providers import PANEL, SANDBOX
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.client import PanelClient, close_session
from opensmm.providers.egress import open_session
from opensmm.providers.registry import ProviderRegistry, _PanelItem
from opensmm.store.providers import ProviderRow
from opensmm.wire.v2 import V2

FIRST, SECOND = ProviderId(1), ProviderId(2)


def row(provider):
    return ProviderRow(
        provider, f"Sandbox {provider}", SANDBOX, "sandbox", "v2", 0, Decimal(1), "USD", True, 4, 0,
        None, None, "", None,
    )  # fmt: skip


@pytest.fixture
async def registry():
    fake = FakeProvider()
    fake.answers["balance"] = {"balance": "1", "currency": "USD"}
    async with served(fake) as address:
        registry = ProviderRegistry(b"p" * 32, address, 1.0, private=True)
        await registry.update([row(FIRST), row(SECOND)])
        yield registry
        await registry.close()


@pytest.mark.parametrize("error", [UnicodeError("label too long"), RuntimeError("Session is closed"), KeyError("x")])
async def test_a_call_that_breaks_down_keeps_nobody_else_from_news(registry, capfd, error):
    broken = registry.connection_to(FIRST).provider

    async def ask(provider, group):
        if provider is broken:
            raise error
        return [await provider.balance()] * len(group)

    answers = await registry.call_about([_PanelItem(FIRST), _PanelItem(SECOND)], ask)
    assert [SECOND] == [asked.provider for asked, _ in answers]
    printed = capfd.readouterr()
    assert type(error).__name__ in printed.out + printed.err
    for _ in range(20):
        await registry.call_one(FIRST, [_PanelItem(FIRST)], ask)
    assert [SECOND] == registry.answering
    assert 0 == registry.connection_to(FIRST).throttle.polling == registry.connection_to(FIRST).throttle.taken


async def test_a_session_that_was_closed_is_no_answer(registry):
    await close_session(registry.connection_to(FIRST).provider._session)
    answers = await registry.call_panels([FIRST, SECOND], PanelClient.balance)
    assert [SECOND] == [provider for provider, _ in answers]


class Silent(AbstractResolver):
    """A name server that is asked, and says nothing."""

    def __init__(self):
        self.requested = asyncio.Event()

    async def resolve(self, host, port=0, family=0):
        self.requested.set()
        await asyncio.Event().wait()

    async def close(self):
        pass


@pytest.fixture
async def looking_up(registry):
    """An ask that waits for a name, as a task, and its session."""
    silent = Silent()
    session = open_session(1, resolver=silent)
    client = PanelClient(session, "https://nowhere.example/", "their key", V2, 60)

    async def ask(provider, group):
        return [await client.balance()] * len(group)

    asking = asyncio.create_task(registry.call_one(FIRST, [_PanelItem(FIRST)], ask))
    await silent.requested.wait()
    yield asking, session
    await close_session(session)


async def test_a_session_that_is_closed_while_it_looks_a_name_up_is_no_answer(registry, looking_up):
    asking, session = looking_up
    await close_session(session)
    assert await asking is None
    assert 0 == registry.connection_to(FIRST).throttle.polling == registry.connection_to(FIRST).throttle.taken


async def test_who_asks_may_be_cancelled(registry, looking_up):
    asking, _ = looking_up
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert 0 == registry.connection_to(FIRST).throttle.polling == registry.connection_to(FIRST).throttle.taken


async def test_a_name_that_cannot_be_asked_for_is_no_answer():
    session = open_session(1)
    client = PanelClient(session, "https://" + "a" * 64 + ".example/", "their key", V2, 1)
    with pytest.raises(NoAnswer, match="UnicodeError"):
        await client.balance()
    await close_session(session)


async def test_the_desk_tells_what_it_cannot_call_and_why():
    registry = ProviderRegistry(b"p" * 32, "http://sandbox.example", 1.0)
    assert [None] == [registry.uncallable]
    house = structs.replace(row(FIRST), kind=PANEL, url="http://127.0.0.1:1/api/v2", sealed_key=b"x")
    await registry.update([house, row(SECOND)])
    assert {FIRST: ShutCode.ADDRESS_WITHOUT_TLS} == registry.uncallable
    await registry.update([structs.replace(house, url="https://panel.example/api/v2", sealed_key=None)])
    assert {FIRST: ShutCode.NO_KEY} == registry.uncallable
    await registry.update([row(FIRST)])
    assert {} == registry.uncallable
    await registry.close()
