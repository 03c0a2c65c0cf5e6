"""Placing: which of a batch of checked asks are bought, as far as each customer's funds and links go."""

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
from opensmm.domain.refusals import Refusal, Refused
from opensmm.domain.requests import AddOrder


class BuyerKind(StrEnum):
    """By which way an order is placed."""

    API_KEY = "api_key"
    USER = "user"


class Buyer(Struct, frozen=True):
    """Who places orders for a customer: an API key, or a user who is signed in. ``number``: the id of either."""

    kind: BuyerKind
    number: int
    customer: CustomerId
    price_list: PriceListId

    @property
    def user(self) -> UserId | None:
        return UserId(self.number) if self.kind is BuyerKind.USER else None


FORM_TOKENS: Final = "\x1fpage:"
"""Begins the idempotency keys that forms of pages bear. No client of the API may send a control character in one."""


def by_key(caller: KeyHolder) -> Buyer:
    """The buyer behind a key of the API."""
    return Buyer(BuyerKind.API_KEY, caller.key, caller.customer, caller.price_list)


def of_form(request: AddOrder, user: UserId) -> AddOrder:
    """A form's ask under an idempotency key that no other user and no program of the customer's can have used; raises
    ValueError where the form bears no token: a click is often a double one."""
    if not request.idempotency_key:
        raise ValueError("an order of a user needs its form's token")
    return msgspec.structs.replace(request, idempotency_key=f"{FORM_TOKENS}{user}:{request.idempotency_key}")


class CustomerFunds(Struct):
    """What is known of a customer under its row's lock; a batch spends from it as it goes."""

    available: int
    suspended: bool
    price_list: PriceListId


class OrderRequest(Struct, frozen=True):
    """One ask on its way into a batch. ``draft`` was made against the catalogue version it names."""

    buyer: Buyer
    request: AddOrder
    dialect_rules: DialectRules
    draft: PricedOrder | Refused

    @property
    def customer(self) -> CustomerId:
        return self.buyer.customer


class IdempotencyRecord(Struct, frozen=True):
    """What an idempotency key stands for."""

    fingerprint: bytes
    order: OrderId


class IdempotencyHit(Struct, frozen=True):
    """The answer of an earlier order: its id, or the place in the same batch that places it."""

    order: OrderId | None = None
    place: int | None = None


class PlacingFacts(Struct):
    """What a batch of placements is decided on, loaded under the customers' locks. ``barred``: buyers whose key is
    revoked, or who may not order for their customer any more."""

    purses: Mapping[CustomerId, CustomerFunds]
    barred: frozenset[Buyer]
    remembered: Mapping[tuple[CustomerId, str], IdempotencyRecord]
    active_links: frozenset[tuple[CustomerId, str]]


Decision = PricedOrder | IdempotencyHit | Refused


def fingerprint(request: AddOrder) -> bytes:
    """A hash of what was asked, as ``orders.normalised`` leaves it, without the idempotency key."""
    bare = msgspec.structs.replace(request, idempotency_key="")
    return blake2b(msgspec.json.encode(bare), digest_size=16).digest()


def place(batch: Sequence[OrderRequest], facts: PlacingFacts) -> list[Decision]:
    """Decides a batch, in order: a later ask sees the money spent and the keys used by an earlier one."""
    used: dict[tuple[CustomerId, str], tuple[bytes, int]] = {}
    links_taken = set(facts.active_links)
    decisions: list[Decision] = []
    for at, item in enumerate(batch):
        decision: Decision | None = _repeat(item, facts, used) if item.request.idempotency_key else None
        if item.buyer in facts.barred:
            decision = Refused(Refusal.UNKNOWN_KEY)
        elif decision is None:
            decision = _decide(item, facts.purses[item.customer], links_taken)
            if item.request.idempotency_key and isinstance(decision, PricedOrder):
                used[item.customer, item.request.idempotency_key] = (fingerprint(item.request), at)
        decisions.append(decision)
    return decisions


def _repeat(
    item: OrderRequest, facts: PlacingFacts, used: Mapping[tuple[CustomerId, str], tuple[bytes, int]]
) -> IdempotencyHit | Refused | None:
    name = (item.customer, item.request.idempotency_key)
    known = facts.remembered.get(name)
    earlier = used.get(name)
    if known is None and earlier is None:
        return None
    mark = fingerprint(item.request)
    if known is not None:
        same, answer = known.fingerprint == mark, IdempotencyHit(order=known.order)
    else:
        assert earlier is not None
        same, answer = earlier[0] == mark, IdempotencyHit(place=earlier[1])
    return answer if same else Refused(Refusal.IDEMPOTENCY_MISMATCH)


def _decide(
    item: OrderRequest, purse: CustomerFunds, links_taken: set[tuple[CustomerId, str]]
) -> PricedOrder | Refused:
    if purse.suspended:
        return Refused(Refusal.SUSPENDED)
    wanted = item.draft
    if isinstance(wanted, Refused):
        return wanted
    page = identity(wanted.link) if wanted.service.one_active_per_link else ""
    if page and (item.customer, page) in links_taken:
        return Refused(Refusal.ACTIVE_LINK)
    if wanted.charge > purse.available:
        return Refused(Refusal.FUNDS)
    purse.available -= wanted.charge
    if page:
        links_taken.add((item.customer, page))
    return wanted
