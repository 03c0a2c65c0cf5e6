"""The v1 dialect of the Arabic page: a status key on success, lower-case words, charges with four decimals."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from opensmm.base.ids import OrderId
from opensmm.base.money import four_decimals_up
from opensmm.domain.catalogue import Service
from opensmm.domain.ledger import BalanceView
from opensmm.domain.order_views import DripFeedParts, ExtendedStatus, ListedOrder, OrderView, Parts
from opensmm.domain.orders import DialectRules, OrderStatus
from opensmm.domain.request_refusals import Refused
from opensmm.domain.requests import RequestedIds
from opensmm.wire.dialect import Dialect, write_balance_keys, write_keys, write_listed_line, write_more_keys
from opensmm.wire.messages import LOWER_CASE_STATUS, TITLE_CASE_STATUS, V1_REFUSAL, V1_TYPE

_WITHOUT_REMAINS: Final = frozenset((OrderStatus.PENDING, OrderStatus.PROCESSING))


class _V1(Dialect):
    def write_order(self, order: OrderId) -> bytes:
        return b'{"status":"success","order":%d}' % order

    def write_balance(self, balance: BalanceView) -> bytes:
        return f'{{"status":"success",{write_balance_keys(balance)}}}'.encode()

    def write_service(self, service: Service, rate: Decimal, extended: bool, shows_dripfeed: bool = False) -> bytes:
        """Writes one line of the price list; its columns are fields of ``domain.catalogue.Service``."""
        line: dict[str, object] = {
            "service": str(service.id),
            "name": service.name,
            "category": service.category,
            "rate": format(rate, "f"),
            "min": str(service.min),
            "max": str(service.max),
            "type": V1_TYPE[service.type],
            "desc": service.description,
            "dripfeed": int(service.dripfeed),
        }
        if extended:
            line |= {"average_time": service.average_time_min, "delivery_method": service.delivery_method}
        return msgspec.json.encode(line)

    def write_services(self, services: Iterable[bytes]) -> bytes:
        lines = b",".join(services)
        return b"[%b]" % lines if lines else b'{"status":"success","data":"Empty Data"}'

    def write_statuses(
        self, ids: RequestedIds, outcomes: Sequence[OrderView | Refused], title_case: bool = False
    ) -> bytes:
        words = _choose_words(title_case)
        if not ids.many:
            only = outcomes[0]
            return self.write_refusal(only) if isinstance(only, Refused) else _write_status(only, words).encode()
        lines = [
            f"{key}:{self._write_error(outcome) if isinstance(outcome, Refused) else _write_status(outcome, words)}"
            for key, outcome in zip(write_keys(ids), outcomes, strict=True)
        ]
        return f"{{{','.join(lines)}}}".encode()

    def write_order_list(self, orders: Sequence[ListedOrder], title_case: bool = False) -> bytes:
        words = _choose_words(title_case)
        lines = (_write_listed(order, words) for order in orders)
        return f"[{','.join(lines)}]".encode()


def _choose_words(title_case: bool) -> Mapping[OrderStatus, str]:
    return TITLE_CASE_STATUS if title_case else LOWER_CASE_STATUS


def _remains(view: OrderView) -> int:
    """Returns the remains; 0 until there is progress, as the page shows."""
    return 0 if view.status in _WITHOUT_REMAINS else view.remains


def _write_status(view: OrderView, words: Mapping[OrderStatus, str]) -> str:
    if view.more is not None and not isinstance(view.more, ExtendedStatus):
        return f'{{"status":"{words[view.status]}",{_write_parts(view.more)}}}'
    return (
        f'{{"order":"{view.order}","status":"{words[view.status]}","charge":"{four_decimals_up(view.charge)}",'
        f'"start_count":"{view.start_count}","remains":"{_remains(view)}"{write_more_keys(view)}}}'
    )


def _write_parts(parts: Parts) -> str:
    """Writes a subscription or a drip-feed as panels of the v1 family poll it, with the orders to poll on their own."""
    if isinstance(parts, DripFeedParts):
        return f'"runs":"{parts.runs}","orders":[]'
    expiry = "" if parts.expiry is None else f"{parts.expiry:%d/%m/%Y}"
    return f'"expiry":"{expiry}","posts":"{parts.posts}","orders":[{",".join(map(str, parts.orders))}]'


def _write_listed(order: ListedOrder, words: Mapping[OrderStatus, str]) -> str:
    view = order.view
    return write_listed_line(order, words[view.status], four_decimals_up(view.charge), _remains(view))


V1: Final[Dialect] = _V1(
    "v1", DialectRules(own_before_link=True, link_alone_is_media=True), V1_REFUSAL, array_text=True
)
