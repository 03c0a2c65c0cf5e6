"""Common parts of the two published dialects: reading and writing of requests, and the forms that answers share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Final

import msgspec

from opensmm.base.ids import OrderId, RefillId
from opensmm.base.money import format_amount
from opensmm.domain.catalogue import Service
from opensmm.domain.ledger import BalanceView
from opensmm.domain.order_views import ExtendedStatus, ListedOrder, OrderView
from opensmm.domain.orders import DialectRules
from opensmm.domain.refills import Refill
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import MALFORMED, Request, RequestedIds
from opensmm.wire import requests
from opensmm.wire.form import Fields
from opensmm.wire.messages import REFILL_STATUS

_ENCODER: Final = msgspec.json.Encoder()


def quote(text: str) -> str:
    """Returns the text as JSON."""
    return _ENCODER.encode(text).decode()


def write_error(text: str) -> bytes:
    """Writes the body of every refusal and every fault, which has one key."""
    return _ENCODER.encode({"error": text})


TOO_LARGE: Final = write_error("Request too large")
TOO_MANY: Final = write_error("Too many requests")
UNAVAILABLE: Final = write_error("Temporarily unavailable")


class Dialect(ABC):
    """A published dialect, in both directions: it reads and writes requests, and writes answers. It holds no state.

    Answers are compact JSON in UTF-8. If ``ids.many`` is false, the answer is about that one id alone, and its refusal
    is the whole answer; ``outcomes`` run beside the ids.
    """

    def __init__(
        self, name: str, dialect_rules: DialectRules, refusals: Mapping[Refusal, str], *, array_text: bool
    ) -> None:
        self.name = name
        self.dialect_rules = dialect_rules
        self._refusals = refusals
        self._array_text = array_text
        self._errors = {why: quote(text) for why, text in refusals.items() if "{" not in text}

    def read_request(self, fields: Fields) -> Request | Refused:
        """Reads a request; the caller checks the key."""
        return requests.read_request(fields, array_text=self._array_text)

    def write_request(self, key: str, request: Request) -> dict[str, str]:
        return requests.write_request(key, request)

    def refusal_text(self, refused: Refused) -> str:
        detail = str(refused.detail)
        return self._refusals[refused.why].format(detail=detail, Detail=detail[:1].upper() + detail[1:])

    def write_refusal(self, refused: Refused) -> bytes:
        return self._write_error_object(refused).encode()

    @abstractmethod
    def write_order(self, order: OrderId) -> bytes: ...

    @abstractmethod
    def write_balance(self, balance: BalanceView) -> bytes: ...

    @abstractmethod
    def write_service(self, service: Service, rate: Decimal, extended: bool, shows_dripfeed: bool = False) -> bytes:
        """Writes one line of the price list, at the caller's rate, to be joined by ``write_services``.

        ``shows_dripfeed``: v2 states whether it takes drip-feeds. v1, and an extended line, always do.
        """

    @abstractmethod
    def write_services(self, services: Iterable[bytes]) -> bytes: ...

    @abstractmethod
    def write_statuses(
        self, ids: RequestedIds, outcomes: Sequence[OrderView | Refused], title_case: bool = False
    ) -> bytes:
        """Writes statuses. ``title_case``: v1 uses v2's words. v2 has no others."""

    @abstractmethod
    def write_order_list(self, orders: Sequence[ListedOrder], title_case: bool = False) -> bytes: ...

    def write_refills(self, ids: RequestedIds, outcomes: Sequence[RefillId | Refused]) -> bytes:
        if not ids.many:
            only = outcomes[0]
            return self.write_refusal(only) if isinstance(only, Refused) else f'{{"refill":"{only}"}}'.encode()
        values = (self._write_error_object(one) if isinstance(one, Refused) else str(one) for one in outcomes)
        return _write_array("order", "refill", ids, values)

    def write_refill_statuses(self, ids: RequestedIds, outcomes: Sequence[Refill | Refused]) -> bytes:
        """Writes the statuses of refills. ``ids`` are those of refills, or of one order with its newest refill."""
        if not ids.many:
            only = outcomes[0]
            if isinstance(only, Refused):
                return self.write_refusal(only)
            return f'{{"status":"{REFILL_STATUS[only.status]}"}}'.encode()
        values = (
            self._write_error_object(outcome) if isinstance(outcome, Refused) else f'"{REFILL_STATUS[outcome.status]}"'
            for outcome in outcomes
        )
        return _write_array("refill", "status", ids, values)

    def write_cancels(self, ids: RequestedIds, outcomes: Sequence[Refused | None]) -> bytes:
        """Writes cancels, always as an array. None in ``outcomes``: the cancel was requested."""
        return _write_array(
            "order", "cancel", ids, ("1" if one is None else self._write_error_object(one) for one in outcomes)
        )

    def _write_error(self, refused: Refused) -> str:
        return self._errors.get(refused.why) or quote(self.refusal_text(refused))

    def _write_error_object(self, refused: Refused) -> str:
        return f'{{"error":{self._write_error(refused)}}}'


def write_keys(ids: RequestedIds) -> list[str]:
    """Returns the keys of ids in an answer: the caller's own spelling, as JSON."""
    if MALFORMED in ids.numbers:
        return [quote(text) for text in ids.texts]
    return [f'"{text}"' for text in ids.texts]


def _write_array(id_name: str, name: str, ids: RequestedIds, values: Iterable[str]) -> bytes:
    """Writes an array of objects. Ids are numbers here; an id that is none is echoed as text."""
    lines = (
        f'{{"{id_name}":{quote(text) if number == MALFORMED else number},"{name}":{value}}}'
        for text, number, value in zip(ids.texts, ids.numbers, values, strict=True)
    )
    return f"[{','.join(lines)}]".encode()


def write_more_keys(view: OrderView) -> str:
    """Returns the keys that follow the documented ones of an extended status; empty if it is not extended."""
    if not isinstance(view.more, ExtendedStatus):
        return ""
    orders = "" if view.more.orders is None else f',"orders":[{",".join(map(str, view.more.orders))}]'
    return f',"quantity":"{view.more.quantity}","link":{quote(view.more.link)}{orders}'


def write_listed_line(order: ListedOrder, status: str, charge: str, remains: int) -> str:
    """Writes one line of the ``orders`` listing: the same keys in both dialects, in the words of each."""
    view = order.view
    created = order.created.astimezone(UTC)
    return (
        f'{{"order":{view.order},"service":{order.service},"link":{quote(order.link)},"quantity":"{order.quantity}",'
        f'"charge":"{charge}","start_count":"{view.start_count}","status":"{status}","remains":"{remains}",'
        f'"currency":"{view.currency}","created":"{created:%Y-%m-%dT%H:%M:%SZ}"}}'
    )


def write_balance_keys(balance: BalanceView) -> str:
    return f'"balance":"{format_amount(balance.amount)}","currency":"{balance.currency}"'
