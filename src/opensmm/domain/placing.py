"""Placing: decides which of a batch of checked requests are bought, within each customer's funds and links."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.base.ids import CustomerId, OrderId, PriceListId, UserId
from opensmm.domain.api_keys import KeyHolder
from opensmm.domain.link_identity import identity
from opensmm.domain.orders import DialectRules, PricedOrder
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import AddOrder


class BuyerKind(StrEnum):
    """Ways in which an order is placed."""

    API_KEY = "api_key"
    USER = "user"


class Buyer(Struct, frozen=True):
    """Places orders for a customer: an API key, or a signed-in user. ``number`` is the id of either."""

    kind: BuyerKind
    number: int
    customer: CustomerId
    price_list: PriceListId

    @property
    def user(self) -> UserId | None:
        return UserId(self.number) if self.kind is BuyerKind.USER else None


FORM_TOKENS: Final = "\x1fpage:"
"""Prefix of idempotency keys from forms. The API accepts no control characters in a key, so no client can use it."""


def buyer_of_key(caller: KeyHolder) -> Buyer:
    """Returns the buyer behind an API key."""
    return Buyer(BuyerKind.API_KEY, caller.key, caller.customer, caller.price_list)


def with_form_token(request: AddOrder, user: UserId) -> AddOrder:
    """Puts a form's request under an idempotency key that no other user and none of the customer's programs can use.

    Raises ValueError if the form has no token: without one, a double click would order twice.
    """
    if not request.idempotency_key:
        raise ValueError("an order of a user needs its form's token")
    return msgspec.structs.replace(request, idempotency_key=f"{FORM_TOKENS}{user}:{request.idempotency_key}")


class CustomerFunds(Struct):
    """A customer's funds under the row's lock; a batch spends from them as it goes."""

    available: int
    suspended: bool
    price_list: PriceListId


class OrderRequest(Struct, frozen=True):
    """One request on its way into a batch.

    ``check_result``: the priced order, which names the catalogue version that it was priced with, or a refusal.
    """

    buyer: Buyer
    request: AddOrder
    dialect_rules: DialectRules
    check_result: PricedOrder | Refused

    @property
    def customer(self) -> CustomerId:
        return self.buyer.customer


class IdempotencyRecord(Struct, frozen=True):
    """The request and the order that an idempotency key belongs to."""

    fingerprint: bytes
    order: OrderId


class IdempotencyHit(Struct, frozen=True):
    """The answer of an earlier order: its id, or the ``index`` in the same batch of the request that places it."""

    order: OrderId | None = None
    index: int | None = None


class PlacingFacts(Struct):
    """Facts on which a batch of placements is decided, loaded under the customers' locks.

    ``barred``: buyers whose key is revoked, or who may no longer order for their customer.
    """

    funds: Mapping[CustomerId, CustomerFunds]
    barred: frozenset[Buyer]
    records: Mapping[tuple[CustomerId, str], IdempotencyRecord]
    active_links: frozenset[tuple[CustomerId, str]]


Decision = PricedOrder | IdempotencyHit | Refused


def fingerprint(request: AddOrder) -> bytes:
    """Hashes a request as ``orders.normalise`` returns it, without its idempotency key."""
    bare = msgspec.structs.replace(request, idempotency_key="")
    return blake2b(msgspec.json.encode(bare), digest_size=16).digest()


def place(batch: Sequence[OrderRequest], facts: PlacingFacts) -> list[Decision]:
    """Decides a batch, in order: money spent and keys used by an earlier request count for a later one."""
    used: dict[tuple[CustomerId, str], tuple[bytes, int]] = {}
    links_taken = set(facts.active_links)
    decisions: list[Decision] = []
    for at, item in enumerate(batch):
        decision: Decision | None = _find_earlier(item, facts, used) if item.request.idempotency_key else None
        # A barred buyer does not get the answers of earlier orders either.
        if item.buyer in facts.barred:
            decision = Refused(Refusal.UNKNOWN_KEY)
        elif decision is None:
            decision = _decide(item, facts.funds[item.customer], links_taken)
            # Only orders use up a key: after a refusal the same request may succeed.
            if item.request.idempotency_key and isinstance(decision, PricedOrder):
                used[item.customer, item.request.idempotency_key] = (fingerprint(item.request), at)
        decisions.append(decision)
    return decisions


def _find_earlier(
    item: OrderRequest, facts: PlacingFacts, used: Mapping[tuple[CustomerId, str], tuple[bytes, int]]
) -> IdempotencyHit | Refused | None:
    name = (item.customer, item.request.idempotency_key)
    record = facts.records.get(name)
    earlier = used.get(name)
    if record is None and earlier is None:
        return None
    request_hash = fingerprint(item.request)
    if record is not None:
        same, answer = record.fingerprint == request_hash, IdempotencyHit(order=record.order)
    else:
        assert earlier is not None
        same, answer = earlier[0] == request_hash, IdempotencyHit(index=earlier[1])
    return answer if same else Refused(Refusal.IDEMPOTENCY_MISMATCH)


def _decide(
    item: OrderRequest, funds: CustomerFunds, links_taken: set[tuple[CustomerId, str]]
) -> PricedOrder | Refused:
    if funds.suspended:
        return Refused(Refusal.SUSPENDED)
    draft = item.check_result
    if isinstance(draft, Refused):
        return draft
    page = identity(draft.link) if draft.service.one_active_per_link else ""
    if page and (item.customer, page) in links_taken:
        return Refused(Refusal.ACTIVE_LINK)
    if draft.charge > funds.available:
        return Refused(Refusal.FUNDS)
    funds.available -= draft.charge
    if page:
        links_taken.add((item.customer, page))
    return draft
