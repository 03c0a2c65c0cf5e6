"""The sample answers of both published pages are reproduced: keys, their order, types, numbers."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from opensmm.base.ids import OrderId, RefillId, ServiceId
from opensmm.base.money import Money, money
from opensmm.domain.catalogue import Service, ServiceType
from opensmm.domain.ledger import BalanceView
from opensmm.domain.order_views import OrderView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import Refill, RefillStatus
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refusal, Refused
from opensmm.domain.requests import many_ids, one_id
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

SAMPLES = Path(__file__).parent / "samples"


def compact(name: str) -> bytes:
    """The sample without its blanks and with its escapes undone; the order of keys is kept."""
    return msgspec.json.encode(msgspec.json.decode((SAMPLES / name).read_bytes()))


def view(order: int, status: OrderStatus, charge: Money, start_count: int, remains: int) -> OrderView:
    return OrderView(OrderId(order), status, charge, start_count, remains, "USD")


def refill(number: int, status: RefillStatus) -> Refill:
    return Refill(RefillId(number), status)


PARTIAL = view(1, OrderStatus.PARTIAL, money("0.27819"), 3572, 157)
RUNNING = view(100, OrderStatus.IN_PROGRESS, money("1.44219"), 234, 10)
FOLLOWERS = Service(
    ServiceId(1),
    "Followers",
    ServiceType.DEFAULT,
    "First Category",
    Decimal("0.90"),
    50,
    10000,
    refill=True,
    cancel=True,
)
COMMENTS = Service(
    ServiceId(2), "Comments", ServiceType.CUSTOM_COMMENTS, "Second Category", Decimal(8), 10, 1500, cancel=True
)
V2_ANSWERS = {
    "services": V2.write_services(V2.write_service(one, one.rate, False) for one in (FOLLOWERS, COMMENTS)),
    "add": V2.write_order(OrderId(23501)),
    "status": V2.write_statuses(one_id(1), [PARTIAL]),
    "statuses": V2.write_statuses(many_ids((1, 10, 100)), [PARTIAL, UNKNOWN_ORDER, RUNNING]),
    "refill": V2.write_refills(one_id(1), [RefillId(1)]),
    "refills": V2.write_refills(many_ids((1, 2, 3)), [RefillId(1), RefillId(2), UNKNOWN_ORDER]),
    "refill_status": V2.write_refill_statuses(one_id(1), [refill(1, RefillStatus.COMPLETED)]),
    "refill_statuses": V2.write_refill_statuses(
        many_ids((1, 2, 3)),
        [refill(1, RefillStatus.COMPLETED), refill(2, RefillStatus.REJECTED), Refused(Refusal.REFILL_UNKNOWN)],
    ),
    "cancel": V2.write_cancels(many_ids((9, 2)), [UNKNOWN_ORDER, None]),
    "balance": V2.write_balance(BalanceView(money("100.84292"), "USD")),
}


def v1_service(number: int, name: str, rate: str, least: int, most: int) -> bytes:
    category = "Instagram - Followers [Guaranteed/Refill] - Less Drops ⭐"
    line = Service(
        ServiceId(number),
        name,
        ServiceType.DEFAULT,
        category,
        Decimal(rate),
        least,
        most,
        dripfeed=True,
        description="usernames",
    )
    return V1.write_service(line, line.rate, False)


V1_ANSWERS = {
    "add": V1.write_order(OrderId(32)),
    "status": V1.write_statuses(one_id(32), [view(32, OrderStatus.PENDING, money("0.036"), 0, 1000)]),
    "statuses": V1.write_statuses(
        many_ids((12, 2, 13)),
        [
            view(12, OrderStatus.PROCESSING, money("1.26"), 0, 500),
            UNKNOWN_ORDER,
            view(13, OrderStatus.PENDING, money("0.63"), 0, 500),
        ],
    ),
    "services": V1.write_services(
        [
            v1_service(5, "Instagram Followers [15K] ", "1.02", 500, 10000),
            v1_service(9, "Instagram Followers - Max 300k - No refill - 30-40k/Day", "0.04", 500, 300000),
            v1_service(
                10, "Instagram Followers ( 30 days auto refill ) ( Max 350K ) (Indian Majority )", "1.2", 100, 350000
            ),
        ]
    ),
    "balance": V1.write_balance(BalanceView(money("0.03"), "USD")),
}


def test_every_sample_is_reproduced() -> None:
    assert {path.stem for path in (SAMPLES / "v2").glob("*.json")} == set(V2_ANSWERS)
    assert {path.stem for path in (SAMPLES / "v1").glob("*.json")} == set(V1_ANSWERS)


@pytest.mark.parametrize("name", V2_ANSWERS)
def test_v2_answers_as_its_page(name: str) -> None:
    assert compact(f"v2/{name}.json") == V2_ANSWERS[name]


@pytest.mark.parametrize("name", V1_ANSWERS)
def test_v1_answers_as_its_page(name: str) -> None:
    assert compact(f"v1/{name}.json") == V1_ANSWERS[name]
