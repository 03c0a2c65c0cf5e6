"""The v2 dialect, the trade's standard: title-case words, charges with five decimals, errors as objects."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from opensmm.base.ids import OrderId
from opensmm.base.money import five_decimals
from opensmm.domain.catalogue import Service
from opensmm.domain.ledger import BalanceView
from opensmm.domain.order_views import ListedOrder, OrderView
from opensmm.domain.orders import DialectRules
from opensmm.domain.request_refusals import Refused
from opensmm.domain.requests import RequestedIds
from opensmm.wire.dialect import Dialect, write_balance_keys, write_keys, write_listed_line, write_more_keys
from opensmm.wire.messages import TITLE_CASE_STATUS, V2_REFUSAL


class _V2(Dialect):
    def write_order(self, order: OrderId) -> bytes:
        return b'{"order":%d}' % order

    def write_balance(self, balance: BalanceView) -> bytes:
        return f"{{{write_balance_keys(balance)}}}".encode()

    def write_service(self, service: Service, rate: Decimal, extended: bool, shows_dripfeed: bool = False) -> bytes:
        """Writes one line of the price list; its columns are fields of ``domain.catalogue.Service``."""
        line: dict[str, object] = {
            "service": service.id,
            "name": service.name,
            "type": service.type,
            "category": service.category,
            "rate": format(rate, "f"),
            "min": str(service.min),
            "max": str(service.max),
            "refill": service.refill,
            "cancel": service.cancel,
        }
        if shows_dripfeed or extended:
            line["dripfeed"] = service.dripfeed
        if extended:
            line |= {
                "desc": service.description,
                "average_time": service.average_time_min,
                "delivery_method": service.delivery_method,
            }
        return msgspec.json.encode(line)

    def write_services(self, services: Iterable[bytes]) -> bytes:
        return b"[%b]" % b",".join(services)

    def write_statuses(
        self, ids: RequestedIds, outcomes: Sequence[OrderView | Refused], title_case: bool = False
    ) -> bytes:
        if not ids.many:
            only = outcomes[0]
            return self.write_refusal(only) if isinstance(only, Refused) else _write_status(only).encode()
        lines = [
            f"{key}:{self._write_error_object(outcome) if isinstance(outcome, Refused) else _write_status(outcome)}"
            for key, outcome in zip(write_keys(ids), outcomes, strict=True)
        ]
        return f"{{{','.join(lines)}}}".encode()

    def write_order_list(self, orders: Sequence[ListedOrder], title_case: bool = False) -> bytes:
        lines = (_write_listed(order) for order in orders)
        return f"[{','.join(lines)}]".encode()


def _write_status(view: OrderView) -> str:
    """Writes a status; ``write_more_keys`` adds those of ``domain.order_views.ExtendedStatus``."""
    return (
        f'{{"charge":"{five_decimals(view.charge)}","start_count":"{view.start_count}",'
        f'"status":"{TITLE_CASE_STATUS[view.status]}","remains":"{view.remains}","currency":"{view.currency}"'
        f"{write_more_keys(view)}}}"
    )


def _write_listed(order: ListedOrder) -> str:
    view = order.view
    return write_listed_line(order, TITLE_CASE_STATUS[view.status], five_decimals(view.charge), view.remains)


V2: Final[Dialect] = _V2(
    "v2", DialectRules(own_before_link=False, link_alone_is_media=False), V2_REFUSAL, array_text=False
)
