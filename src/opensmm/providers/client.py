"""The panel as a customer of another: one client speaks one dialect to one provider."""

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
from opensmm.domain.dispatch import Declined, NotSent, SendOutcome, Unsure
from opensmm.domain.evidence import Said
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
from opensmm.providers.call_failures import CONNECT_WITHIN_S, NoAnswer, failure
from opensmm.providers.charsets import to_utf8
from opensmm.providers.id_forms import IdListRequest, KnownForms, ids_of
from opensmm.providers.redaction import Redaction
from opensmm.providers.response_limits import bound_of, values
from opensmm.wire import provider_answers, provider_services
from opensmm.wire.dialect import Dialect
from opensmm.wire.form import write_form
from opensmm.wire.lenient import excerpt
from opensmm.wire.provider_answers import spoken_in_balance

if TYPE_CHECKING:  # the command line imports this module for its names, and need not load an HTTP client for them
    import aiohttp

LIST_WITHIN_S: Final = 120.0
CALL: Final = ContextVar("CALL", default="")
"""What the calls of this task are for: told to the provider as ``X-Request-ID``."""
USER_AGENT: Final = f"OpenSMM/{opensmm.__version__}"
ANSWERED: Final = "answered"
FAILED: Final = "failed"
CALL_EDGES: Final = (
    *(ms * MILLISECOND for ms in (10, 25, 50, 100, 250, 500)),
    *(tenths * SECOND // 10 for tenths in (10, 25, 50, 100, 200, 600)),
)
CALLS: Final[Histograms[tuple[str, type, str]]] = Histograms(CALL_EDGES)
"""Calls of this process, by provider, type of the ask and whether it was answered."""


class ProviderClient(Protocol):
    """Whoever fulfils orders, as the worker knows it."""

    async def add(self, request: AddOrder) -> SendOutcome: ...
    async def statuses(self, orders: list[str]) -> list[StatusReport | UnreadAnswer]: ...
    async def look_ups(self, orders: list[str]) -> list[Said]: ...
    async def watch(self, orders: list[str]) -> list[SubscriptionReport | UnreadAnswer]: ...
    async def refills(self, orders: list[str]) -> list[str | Declined | UnreadAnswer]: ...
    async def refill_statuses(self, refills: list[str]) -> list[RefillWord | UnreadAnswer]: ...
    async def cancels(self, orders: list[str]) -> list[bool | Declined]: ...


class HttpAnswer(Struct, frozen=True):
    """What came back over HTTP, without the key should it have been echoed."""

    status: int
    body: bytes


class PanelClient:
    """Speaks to a panel over HTTP. Redirects are not followed, answers are bounded in size and time.

    The key is in no text that leaves here: what a provider echoes of it is blotted out before anyone reads it.
    ``forms``: what is known of the forms in which the panel is asked after ids. ``user_agent``: the name that it is
    called with, ours where it is empty.
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
        self._timeout = _timeout(timeout_s)

    async def add(self, request: AddOrder) -> SendOutcome:
        """Buys once. The ask's name travels as a header, which panels that know none ignore: where one does, a request
        that a network repeats is one order.

        What proves that nothing was bought is a connection that was never made, or a well-formed
        refusal; a silence, and whatever else comes back, is unsure."""
        import aiohttp

        try:
            answer = await self._post(request)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            return NotSent(failure(error, self._redaction, self._timeout_s))
        except (aiohttp.ClientError, TimeoutError, NoAnswer, OSError) as error:
            return Unsure(failure(error, self._redaction, self._timeout_s))
        if answer.status < 300:
            return provider_answers.read_order(answer.body)
        # A proxy that answers 5xx may have handed the request on before, and a redirect may follow a purchase.
        if 400 <= answer.status < 500:
            return provider_answers.read_turned_away(answer.body)
        return Unsure(_at_status(answer.status, excerpt(answer.body)))

    async def statuses(self, orders: list[str]) -> list[StatusReport | UnreadAnswer]:
        return await self._asking("status", GetStatus).ask(orders, provider_answers.read_statuses)

    async def look_ups(self, orders: list[str]) -> list[Said]:
        """Like ``statuses``, and tells orders that are not ours from those that nothing is said of."""
        asking = IdListRequest(self.forms, "status", lambda ids: self._ask(GetStatus(ids)), strangers=True)
        return await asking.ask(orders, provider_answers.read_look_ups)

    async def watch(self, orders: list[str]) -> list[SubscriptionReport | UnreadAnswer]:
        """Like ``statuses``, of subscriptions and of the orders made for their posts; asks for more than is documented,
        which panels that know no more ignore."""
        asking = IdListRequest(self.forms, "status", lambda ids: self._ask(GetStatus(ids, extended=True)))
        return await asking.ask(orders, provider_answers.read_watched)

    async def refills(self, orders: list[str]) -> list[str | Declined | UnreadAnswer]:
        return await self._asking("refill", RequestRefills).ask(orders, provider_answers.read_refills)

    async def refill_statuses(self, refills: list[str]) -> list[RefillWord | UnreadAnswer]:
        return await self._asking("refill_status", GetRefillStatus).ask(refills, provider_answers.read_refill_statuses)

    async def cancels(self, orders: list[str]) -> list[bool | Declined]:
        """The pages know cancels of a list alone, though it be of one."""
        asking = IdListRequest(
            self.forms, "cancel", lambda ids: self._ask(CancelOrders(ids), turned_away=True), singular=False
        )
        return await asking.ask(orders, provider_answers.read_cancels)

    def _asking(self, action: str, kind: type[GetStatus | RequestRefills | GetRefillStatus]) -> IdListRequest:
        return IdListRequest(self.forms, action, lambda ids: self._ask(kind(ids)))

    async def status_forms(self, orders: Sequence[str]) -> tuple[bool, bool]:
        """Whether ``status`` is answered for one order in the singular, and for a list, of orders that stand there."""
        return await self._forms(orders, lambda ids: GetStatus(ids))

    async def refill_status_forms(self, refills: Sequence[str]) -> tuple[bool, bool]:
        """The same of ``refill_status``, of refills that stand there."""
        return await self._forms(refills, lambda ids: GetRefillStatus(ids))

    async def _forms(
        self, texts: Sequence[str], write: Callable[[RequestedIds], GetStatus | GetRefillStatus]
    ) -> tuple[bool, bool]:
        one, many = ids_of(texts[:1]), ids_of(texts, many=True)
        said = [provider_answers.tells_status(ids, await self._ask(write(ids))) for ids in (one, many)]
        return said[0], said[1]

    async def balance(self) -> tuple[BalanceView, str]:
        """The balance and the dialect it is told in; raises NoAnswer with the provider's words where it says none."""
        body = await self._ask(GetBalance())
        told = provider_answers.read_balance(body)
        if told is None:
            raise _unread(body, CallCode.NO_BALANCE)
        return told, spoken_in_balance(body)

    async def services(self) -> ReadPriceList:
        """The price list; raises NoAnswer where there is none to be had."""
        body = await self._ask(ListServices(), max(self._timeout_s, LIST_WITHIN_S))
        told = await asyncio.to_thread(provider_services.read_services, body)
        if told is None:
            raise _unread(body, CallCode.NO_PRICE_LIST)
        return told

    async def _ask(self, request: Request, within_s: float | None = None, *, turned_away: bool = False) -> bytes:
        """``turned_away``: words of refusal with a status of 400 to 499 are an answer, but for 429."""
        import aiohttp

        try:
            answer = await self._post(request, within_s)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RuntimeError) as error:
            # Without its cause: that one's words are in clear, and a traceback would show them.
            raise NoAnswer(failure(error, self._redaction, within_s or self._timeout_s)) from None
        refused = turned_away and 400 <= answer.status < 500 and answer.status != HTTPStatus.TOO_MANY_REQUESTS
        if answer.status >= 300 and not (refused and provider_answers.read_error(answer.body)):
            words = provider_answers.read_error(answer.body) or excerpt(answer.body)
            raise NoAnswer(_at_status(answer.status, words))
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
        bound = bound_of(request)
        timeout = _timeout(within_s) if within_s else self._timeout
        async with self._session.post(
            self._url, data=form, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            body, charset = bytearray(), answer.charset
            while len(body) <= bound.size and (part := await answer.content.read(bound.size + 1 - len(body))):
                body += part
        told = self._redaction.body(to_utf8(bytes(body), charset))
        if len(body) > bound.size:
            raise _too_many(CallCode.TOO_MANY_BYTES, answer.status, bound.size, told)
        if values(told) > bound.values:
            raise _too_many(CallCode.TOO_MANY_VALUES, answer.status, bound.values, told)
        return HttpAnswer(answer.status, told)


def _at_status(status: int, words: str) -> CallFault:
    return CallFault(CallCode.HTTP_STATUS, {"status": status, "words": words})


def _unread(body: bytes, code: CallCode) -> NoAnswer:
    """The provider's error where the answer is one, otherwise the ``code`` of what the answer is not."""
    if words := provider_answers.read_error(body):
        return NoAnswer(CallFault(CallCode.REFUSED, {"words": words}))
    return NoAnswer(CallFault(code, {"words": excerpt(body)}))


def _too_many(code: CallCode, status: int, most: int, body: bytes) -> NoAnswer:
    return NoAnswer(CallFault(code, {"status": status, "most": most, "words": excerpt(body)}))


def _timeout(within_s: float) -> "aiohttp.ClientTimeout":
    import aiohttp

    return aiohttp.ClientTimeout(total=within_s, connect=CONNECT_WITHIN_S)


async def close_session(session: "aiohttp.ClientSession") -> None:
    await session.close()
    await asyncio.sleep(0)  # lets the transports that were just closed go
