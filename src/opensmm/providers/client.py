"""HTTP client of one provider that is a panel, in one dialect."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from http import HTTPStatus
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct, structs

import opensmm
from opensmm.base.metrics import MILLISECOND, SECOND, Histograms
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import Declined, Deferred, SendOutcome, Unsure
from opensmm.domain.evidence import IdAnswer
from opensmm.domain.ledger import BalanceView
from opensmm.domain.polling import StatusReport, UnreadAnswer
from opensmm.domain.provider_services import ReadPriceList
from opensmm.domain.providers import AS_DOCUMENTED, Forms
from opensmm.domain.refills import RefillStatus as RefillWord
from opensmm.domain.requests import (
    AddOrder,
    CancelOrders,
    GetBalance,
    GetRefillStatus,
    GetStatus,
    ListServices,
    Request,
    RequestedIds,
    RequestRefills,
)
from opensmm.domain.subscriptions import SubscriptionReport
from opensmm.providers.call_failures import CONNECT_WITHIN_S, NoAnswer, call_fault
from opensmm.providers.charsets import to_utf8
from opensmm.providers.id_forms import IdListRequest, KnownForms, requested_ids
from opensmm.providers.redaction import Redaction
from opensmm.providers.response_limits import count_values, response_limit
from opensmm.wire import provider_answers, provider_services
from opensmm.wire.dialect import Dialect
from opensmm.wire.form import write_form
from opensmm.wire.lenient import excerpt
from opensmm.wire.provider_answers import dialect_of_balance

if TYPE_CHECKING:  # The command line imports this module for its names, and must not load an HTTP client for them.
    import aiohttp

LIST_WITHIN_S: Final = 120.0
"""Seconds for a price list, if the usual timeout is shorter."""
CALL: Final = ContextVar("CALL", default="")
"""The name of the current task's calls, sent to the provider as ``X-Request-ID``."""
USER_AGENT: Final = f"OpenSMM/{opensmm.__version__}"
ANSWERED: Final = "answered"
FAILED: Final = "failed"
CALL_EDGES: Final = (
    *(ms * MILLISECOND for ms in (10, 25, 50, 100, 250, 500)),
    *(tenths * SECOND // 10 for tenths in (10, 25, 50, 100, 200, 600)),
)
CALLS: Final[Histograms[tuple[str, type, str]]] = Histograms(CALL_EDGES)
"""Calls of this process, by name of the provider, type of the request and outcome."""


class ProviderClient(Protocol):
    """A provider, as the worker calls it. Methods for several ids return one answer per id, in order."""

    async def add(self, request: AddOrder) -> SendOutcome: ...
    async def statuses(self, orders: list[str]) -> list[StatusReport | UnreadAnswer]: ...
    async def look_ups(self, orders: list[str]) -> list[IdAnswer]: ...
    async def watch(self, orders: list[str]) -> list[SubscriptionReport | UnreadAnswer]: ...
    async def refills(self, orders: list[str]) -> list[str | Declined | UnreadAnswer]: ...
    async def refill_statuses(self, refills: list[str]) -> list[RefillWord | UnreadAnswer]: ...
    async def cancels(self, orders: list[str]) -> list[bool | Declined]: ...


class HttpAnswer(Struct, frozen=True):
    """A response of a provider. Echoes of our key are redacted from ``body``."""

    status: int
    body: bytes


class PanelClient:
    """Calls a panel over HTTP. It follows no redirects, and bounds the size and the time of responses.

    No text that it returns or raises contains the key: echoes of it are redacted. ``forms``: how the panel reads ids,
    as far as is known. ``user_agent``: empty for our own.
    """

    def __init__(
        self,
        session: "aiohttp.ClientSession",
        url: str,
        key: str,
        dialect: Dialect,
        timeout_s: float,
        name: str = "",
        *,
        forms: Forms = AS_DOCUMENTED,
        user_agent: str = "",
    ) -> None:
        self._user_agent = user_agent or USER_AGENT
        self.forms = KnownForms(forms)
        self._name = name
        self._session = session
        self._url = url
        self._key = key
        self._redaction = Redaction(key)
        self._dialect = dialect
        self._timeout_s = timeout_s
        self._timeout = _client_timeout(timeout_s)

    async def add(self, request: AddOrder) -> SendOutcome:
        """Places an order, in one attempt.

        Only a connection that was never made, or a well-formed refusal, proves that nothing was bought. Any other
        response, or none, leaves the attempt unsure. The idempotency key is sent as a header, which panels without
        support for it ignore.
        """
        import aiohttp

        try:
            answer = await self._post(request)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            return Deferred(call_fault(error, self._redaction, self._timeout_s))
        except (aiohttp.ClientError, TimeoutError, NoAnswer, OSError) as error:
            return Unsure(call_fault(error, self._redaction, self._timeout_s))
        if answer.status < 300:
            return provider_answers.read_order(answer.body)
        # A proxy that answers 5xx may have passed the request on before, and a redirect may follow a purchase.
        if 400 <= answer.status < 500:
            return provider_answers.read_client_error(answer.body)
        return Unsure(_status_fault(answer.status, excerpt(answer.body)))

    async def statuses(self, orders: list[str]) -> list[StatusReport | UnreadAnswer]:
        return await self._id_request("status", GetStatus).fetch(orders, provider_answers.read_statuses)

    async def look_ups(self, orders: list[str]) -> list[IdAnswer]:
        """Checks the status of orders that may be another customer's; each result says if the order is ours."""
        request = IdListRequest(self.forms, "status", lambda ids: self._send(GetStatus(ids)), strangers=True)
        return await request.fetch(orders, provider_answers.read_look_ups)

    async def watch(self, orders: list[str]) -> list[SubscriptionReport | UnreadAnswer]:
        """Checks the status of subscriptions and of the orders made for their posts.

        Sends an undocumented parameter, which panels without support for it ignore.
        """
        request = IdListRequest(self.forms, "status", lambda ids: self._send(GetStatus(ids, extended=True)))
        return await request.fetch(orders, provider_answers.read_watched)

    async def refills(self, orders: list[str]) -> list[str | Declined | UnreadAnswer]:
        return await self._id_request("refill", RequestRefills).fetch(orders, provider_answers.read_refills)

    async def refill_statuses(self, refills: list[str]) -> list[RefillWord | UnreadAnswer]:
        return await self._id_request("refill_status", GetRefillStatus).fetch(
            refills, provider_answers.read_refill_statuses
        )

    async def cancels(self, orders: list[str]) -> list[bool | Declined]:
        """Requests cancels. Both dialects document a list only, even for one order."""
        request = IdListRequest(
            self.forms, "cancel", lambda ids: self._send(CancelOrders(ids), accept_4xx=True), singular=False
        )
        return await request.fetch(orders, provider_answers.read_cancels)

    def _id_request(self, action: str, kind: type[GetStatus | RequestRefills | GetRefillStatus]) -> IdListRequest:
        return IdListRequest(self.forms, action, lambda ids: self._send(kind(ids)))

    async def status_forms(self, orders: Sequence[str]) -> tuple[bool, bool]:
        """Tries ``status`` in the singular, then with a list, for existing orders. Returns True if it works."""
        return await self._working_forms(orders, lambda ids: GetStatus(ids))

    async def refill_status_forms(self, refills: Sequence[str]) -> tuple[bool, bool]:
        """Tries ``refill_status`` in the same two forms. The refills must exist."""
        return await self._working_forms(refills, lambda ids: GetRefillStatus(ids))

    async def _working_forms(
        self, texts: Sequence[str], write: Callable[[RequestedIds], GetStatus | GetRefillStatus]
    ) -> tuple[bool, bool]:
        single, many = requested_ids(texts[:1]), requested_ids(texts, many=True)
        reads_single = provider_answers.has_status(single, await self._send(write(single)))
        return reads_single, provider_answers.has_status(many, await self._send(write(many)))

    async def balance(self) -> tuple[BalanceView, str]:
        """Returns the balance, and the name of the dialect that the response is in.

        Raises NoAnswer, with the provider's words, if the response has no balance.
        """
        body = await self._send(GetBalance())
        balance = provider_answers.read_balance(body)
        if balance is None:
            raise _unreadable(body, CallCode.NO_BALANCE)
        return balance, dialect_of_balance(body)

    async def services(self) -> ReadPriceList:
        """Returns the price list. Raises NoAnswer if the response is none."""
        body = await self._send(ListServices(), max(self._timeout_s, LIST_WITHIN_S))
        price_list = await asyncio.to_thread(provider_services.read_services, body)
        if price_list is None:
            raise _unreadable(body, CallCode.NO_PRICE_LIST)
        return price_list

    async def _send(self, request: Request, within_s: float | None = None, *, accept_4xx: bool = False) -> bytes:
        """Returns the body of a response; raises NoAnswer without one.

        ``accept_4xx``: an error text with a status from 400 to 499, except 429, is a response too.
        """
        import aiohttp

        try:
            answer = await self._post(request, within_s)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RuntimeError) as error:
            # The cause is dropped: its text is not redacted, and a traceback would show it.
            raise NoAnswer(call_fault(error, self._redaction, within_s or self._timeout_s)) from None
        refused = accept_4xx and 400 <= answer.status < 500 and answer.status != HTTPStatus.TOO_MANY_REQUESTS
        if answer.status >= 300 and not (refused and provider_answers.read_error(answer.body)):
            words = provider_answers.read_error(answer.body) or excerpt(answer.body)
            raise NoAnswer(_status_fault(answer.status, words))
        return answer.body

    async def _post(self, request: Request, within_s: float | None = None) -> HttpAnswer:
        began, outcome = perf_counter_ns(), FAILED
        try:
            answer = await self._exchange(request, within_s)
            outcome = ANSWERED
        finally:
            CALLS[self._name, type(request), outcome].observe(perf_counter_ns() - began)
        return answer

    async def _exchange(self, request: Request, within_s: float | None) -> HttpAnswer:
        headers = {"content-type": "application/x-www-form-urlencoded", "user-agent": self._user_agent}
        if call := CALL.get():
            headers["x-request-id"] = call
        if isinstance(request, AddOrder) and request.idempotency_key:
            headers["idempotency-key"] = request.idempotency_key
            request = structs.replace(request, idempotency_key="")
        form = write_form(self._dialect.write_request(self._key, request))
        limit = response_limit(request)
        timeout = _client_timeout(within_s) if within_s else self._timeout
        async with self._session.post(
            self._url, data=form, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            body, charset = bytearray(), answer.charset
            # By one byte too many, to tell a body at the limit from a longer one.
            while len(body) <= limit.size and (part := await answer.content.read(limit.size + 1 - len(body))):
                body += part
        # Converted before the redaction, which searches for the key's spellings in UTF-8.
        text = self._redaction.redact_body(to_utf8(bytes(body), charset))
        if len(body) > limit.size:
            raise _limit_exceeded(CallCode.TOO_MANY_BYTES, answer.status, limit.size, text)
        if count_values(text) > limit.values:
            raise _limit_exceeded(CallCode.TOO_MANY_VALUES, answer.status, limit.values, text)
        return HttpAnswer(answer.status, text)


def _status_fault(status: int, words: str) -> CallFault:
    return CallFault(CallCode.HTTP_STATUS, {"status": status, "words": words})


def _unreadable(body: bytes, code: CallCode) -> NoAnswer:
    """Makes NoAnswer of the provider's error text if the body has one, of ``code`` if not."""
    if words := provider_answers.read_error(body):
        return NoAnswer(CallFault(CallCode.REFUSED, {"words": words}))
    return NoAnswer(CallFault(code, {"words": excerpt(body)}))


def _limit_exceeded(code: CallCode, status: int, most: int, body: bytes) -> NoAnswer:
    return NoAnswer(CallFault(code, {"status": status, "most": most, "words": excerpt(body)}))


def _client_timeout(within_s: float) -> "aiohttp.ClientTimeout":
    import aiohttp

    return aiohttp.ClientTimeout(total=within_s, connect=CONNECT_WITHIN_S)


async def close_session(session: "aiohttp.ClientSession") -> None:
    await session.close()
    await asyncio.sleep(0)  # The transports close in the next turn of the event loop.
