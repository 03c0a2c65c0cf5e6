"""Placing: which of a batch of checked asks are bought, as far as each customer's funds and links go."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.base.ids import CustomerId, OrderId, PriceListId, UserId
from opensmm.domain.asks import Add
from opensmm.domain.callers import Caller
from opensmm.domain.link_identity import identity
from opensmm.domain.orders import Draft, Habits
from opensmm.domain.refusals import Refusal, Refused


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


def by_key(caller: Caller) -> Buyer:
    """The buyer behind a key of the API."""
    return Buyer(BuyerKind.API_KEY, caller.key, caller.customer, caller.price_list)


def of_form(ask: Add, user: UserId) -> Add:
    """A form's ask under an idempotency key that no other user and no program of the customer's can have used; raises
    ValueError where the form bears no token: a click is often a double one."""
    if not ask.idempotency_key:
        raise ValueError("an order of a user needs its form's token")
    return msgspec.structs.replace(ask, idempotency_key=f"{FORM_TOKENS}{user}:{ask.idempotency_key}")


class Purse(Struct):
    """What is known of a customer under its row's lock; a batch spends from it as it goes."""

    available: int
    suspended: bool
    price_list: PriceListId


class Placement(Struct, frozen=True):
    """One ask on its way into a batch. ``draft`` was made against the catalogue version it names."""

    buyer: Buyer
    ask: Add
    habits: Habits
    draft: Draft | Refused

    @property
    def customer(self) -> CustomerId:
        return self.buyer.customer


class Remembered(Struct, frozen=True):
    """What an idempotency key stands for."""

    fingerprint: bytes
    order: OrderId


class Repeat(Struct, frozen=True):
    """The answer of an earlier order: its id, or the place in the same batch that places it."""

    order: OrderId | None = None
    place: int | None = None


class PlacingFacts(Struct):
    """What a batch of placements is decided on, loaded under the customers' locks. ``barred``: buyers whose key is
    revoked, or who may not order for their customer any more."""

    purses: Mapping[CustomerId, Purse]
    barred: frozenset[Buyer]
    remembered: Mapping[tuple[CustomerId, str], Remembered]
    active_links: frozenset[tuple[CustomerId, str]]


Decision = Draft | Repeat | Refused


def fingerprint(ask: Add) -> bytes:
    """A hash of what was asked, as ``orders.normalised`` leaves it, without the idempotency key."""
    bare = msgspec.structs.replace(ask, idempotency_key="")
    return blake2b(msgspec.json.encode(bare), digest_size=16).digest()


def place(batch: Sequence[Placement], facts: PlacingFacts) -> list[Decision]:
    """Decides a batch, in order: a later ask sees the money spent and the keys used by an earlier one."""
    used: dict[tuple[CustomerId, str], tuple[bytes, int]] = {}
    links_taken = set(facts.active_links)
    decisions: list[Decision] = []
    for at, item in enumerate(batch):
        decision: Decision | None = _repeat(item, facts, used) if item.ask.idempotency_key else None
        if item.buyer in facts.barred:
            decision = Refused(Refusal.UNKNOWN_KEY)
        elif decision is None:
            decision = _decide(item, facts.purses[item.customer], links_taken)
            if item.ask.idempotency_key and isinstance(decision, Draft):
                used[item.customer, item.ask.idempotency_key] = (fingerprint(item.ask), at)
        decisions.append(decision)
    return decisions


def _repeat(
    item: Placement, facts: PlacingFacts, used: Mapping[tuple[CustomerId, str], tuple[bytes, int]]
) -> Repeat | Refused | None:
    name = (item.customer, item.ask.idempotency_key)
    known = facts.remembered.get(name)
    earlier = used.get(name)
    if known is None and earlier is None:
        return None
    mark = fingerprint(item.ask)
    if known is not None:
        same, answer = known.fingerprint == mark, Repeat(order=known.order)
    else:
        assert earlier is not None
        same, answer = earlier[0] == mark, Repeat(place=earlier[1])
    return answer if same else Refused(Refusal.IDEMPOTENCY_MISMATCH)


def _decide(item: Placement, purse: Purse, links_taken: set[tuple[CustomerId, str]]) -> Draft | Refused:
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
