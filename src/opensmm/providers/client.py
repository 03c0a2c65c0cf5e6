"""The panel as a customer of another: one client speaks one dialect to one provider."""

import asyncio
from typing import Final, Protocol

import aiohttp

from opensmm.base.ids import MALFORMED
from opensmm.domain.asks import Add, Ask, Cancel, Ids, RefillOrders, RefillStatus, Status
from opensmm.domain.dispatch import Declined, NotSent, SendOutcome, Unsure
from opensmm.domain.progress import Report
from opensmm.domain.refills import RefillStatus as RefillWord
from opensmm.wire.dialect import Dialect
from opensmm.wire.form import write_form

MAX_ANSWER: Final = 4 << 20
"""Bytes read of an answer; what is longer is not understood."""
CONNECT_WITHIN_S: Final = 5.0
IDLE_CONNECTION_S: Final = 3.0
"""Shorter than servers keep idle connections: one that the other side is closing would make an ``add`` unsure."""


class NoAnswer(Exception):
    """The provider could not be asked, or did not answer in a way that can be read."""


class Provider(Protocol):
    """Whoever fulfils orders, as the worker knows it."""

    async def add(self, ask: Add) -> SendOutcome: ...
    async def statuses(self, orders: list[str]) -> list[Report | None]: ...
    async def refills(self, orders: list[str]) -> list[str | Declined | None]: ...
    async def refill_statuses(self, refills: list[str]) -> list[RefillWord | None]: ...
    async def cancels(self, orders: list[str]) -> list[bool | Declined]: ...


class Client:
    """Speaks to a panel over HTTP. Redirects are not followed, answers are bounded in size and time."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str, dialect: Dialect, timeout_s: float) -> None:
        self._session = session
        self._url = url
        self._key = key
        self._dialect = dialect
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_WITHIN_S)

    async def add(self, ask: Add) -> SendOutcome:
        """Buys once. Only a connection that was never made proves that nothing was written; a silence is unsure."""
        try:
            return self._dialect.read_order(await self._post(ask))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return NotSent(f"not sent: {error}")
        except (aiohttp.ClientError, TimeoutError, NoAnswer, OSError) as error:
            return Unsure(f"{type(error).__name__}: {error}")

    async def statuses(self, orders: list[str]) -> list[Report | None]:
        ids = _ids(orders)
        return self._dialect.read_statuses(ids, await self._ask(Status(ids)))

    async def refills(self, orders: list[str]) -> list[str | Declined | None]:
        ids = _ids(orders)
        return self._dialect.read_refills(ids, await self._ask(RefillOrders(ids)))

    async def refill_statuses(self, refills: list[str]) -> list[RefillWord | None]:
        ids = _ids(refills)
        return self._dialect.read_refill_statuses(ids, await self._ask(RefillStatus(ids)))

    async def cancels(self, orders: list[str]) -> list[bool | Declined]:
        ids = _ids(orders)
        return self._dialect.read_cancels(ids, await self._ask(Cancel(ids)))

    async def _ask(self, ask: Ask) -> bytes:
        try:
            return await self._post(ask)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error

    async def _post(self, ask: Ask) -> bytes:
        form = write_form(self._dialect.write_ask(self._key, ask))
        headers = {"content-type": "application/x-www-form-urlencoded"}
        async with self._session.post(
            self._url, data=form, headers=headers, timeout=self._timeout, allow_redirects=False
        ) as answer:
            body = await answer.content.read(MAX_ANSWER + 1)
            while len(body) <= MAX_ANSWER and (part := await answer.content.read(MAX_ANSWER + 1 - len(body))):
                body += part
            if answer.status >= 300:
                raise NoAnswer(f"HTTP {answer.status}: {body[:200]!r}")
            if len(body) > MAX_ANSWER:
                raise NoAnswer(f"more than {MAX_ANSWER} bytes")
            return body


def _ids(texts: list[str]) -> Ids:
    """A provider's ids are its own texts; most are whole numbers."""
    numbers = tuple(int(text) if text.isascii() and text.isdigit() and len(text) < 19 else MALFORMED for text in texts)
    return Ids(tuple(texts), numbers, many=True)


def open_session(concurrency: int) -> aiohttp.ClientSession:
    """A session without cookies for one provider; connections are few and dropped before the far side does so."""
    connector = aiohttp.TCPConnector(limit=concurrency, keepalive_timeout=IDLE_CONNECTION_S)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True)


async def close_session(session: aiohttp.ClientSession) -> None:
    await session.close()
    await asyncio.sleep(0)  # lets the transports that were just closed go
