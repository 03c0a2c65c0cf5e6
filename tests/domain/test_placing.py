"""Deciding batches: a later ask sees what an earlier one spent, and how a sequence is batched changes nothing."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from opensmm.base.ids import CustomerId, KeyId, OrderId, PriceListId, ServiceId
from opensmm.domain.catalogue import Catalogue, DeliveryMethod, Service, ServiceType
from opensmm.domain.orders import DialectRules, PricedOrder, price_order
from opensmm.domain.placing import (
    Buyer,
    BuyerKind,
    CustomerFunds,
    IdempotencyHit,
    IdempotencyRecord,
    OrderRequest,
    PlacingFacts,
    fingerprint,
    place,
)
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import AddOrder

DIALECT_RULES = DialectRules(own_before_link=False, link_alone_is_media=False)
LIST = PriceListId(1)
ANN, BOB = CustomerId(1), CustomerId(2)
KEY, OTHER_KEY = KeyId(1), KeyId(2)
PLAIN, ONE_PER_LINK, FREE = ServiceId(1), ServiceId(2), ServiceId(3)
STATED = DeliveryMethod.SOFTWARE_SERVICE


def sold(number, rate="1", **other):
    return Service(
        number, "Name", ServiceType.DEFAULT, "C", Decimal(rate), min=1, max=1000, delivery_method=STATED, **other
    )


CATALOGUE = Catalogue(
    1,
    "USD",
    {
        PLAIN: sold(PLAIN),
        ONE_PER_LINK: sold(ONE_PER_LINK, one_active_per_link=True),
        FREE: sold(FREE, "0", free=True),
    },
    {},
)


def by(key, customer=ANN):
    return Buyer(BuyerKind.API_KEY, key, customer, LIST)


def placement(customer=ANN, quantity=100, service=PLAIN, link="a.example/x", idempotency_key="", key=KEY):
    request = AddOrder(service, link, quantity, idempotency_key=idempotency_key)
    return OrderRequest(
        by(key, customer),
        request,
        DIALECT_RULES,
        price_order(request, CATALOGUE, LIST, DIALECT_RULES, date(2026, 3, 1)),
    )


def facts(funds=None, *, suspended=(), revoked=(), remembered=None, links=()):
    locked_funds = {
        customer: CustomerFunds(money, customer in suspended, LIST)
        for customer, money in (funds or {ANN: 100_000, BOB: 100_000}).items()
    }
    return PlacingFacts(
        locked_funds,
        frozenset(by(key, customer) for key in revoked for customer in locked_funds),
        remembered or {},
        frozenset(links),
    )


def summarise(decisions):
    """Each decision in a word: what was charged, the repeat, or why not."""
    return [
        one.charge if isinstance(one, PricedOrder) else one.why if isinstance(one, Refused) else one
        for one in decisions
    ]


def test_a_later_ask_sees_the_money_spent_by_an_earlier_one():
    batch = [placement(quantity=600), placement(quantity=600), placement(quantity=400), placement(quantity=1)]
    assert [60_000, Refusal.FUNDS, 40_000, Refusal.FUNDS] == summarise(place(batch, facts()))


def test_each_customer_spends_its_own_money():
    batch = [placement(ANN, 1000), placement(BOB, 1000), placement(ANN, 1)]
    assert [100_000, 100_000, Refusal.FUNDS] == summarise(place(batch, facts()))


def test_what_is_free_needs_no_money():
    assert [0] == summarise(place([placement(service=FREE)], facts({ANN: 0})))


def test_a_credit_limit_may_be_spent_and_not_a_unit_more():
    assert [100, Refusal.FUNDS] == summarise(place([placement(quantity=1), placement(quantity=1)], facts({ANN: 150})))


def test_the_same_key_with_the_same_parameters_in_one_batch_places_once():
    batch = [placement(idempotency_key="k"), placement(idempotency_key="k"), placement(BOB, idempotency_key="k")]
    assert [10_000, IdempotencyHit(index=0), 10_000] == summarise(place(batch, facts()))


def test_the_same_key_with_other_parameters_is_refused_in_the_batch_and_after_it():
    remembered = {(ANN, "old"): IdempotencyRecord(fingerprint(placement(idempotency_key="old").request), OrderId(7))}
    batch = [
        placement(idempotency_key="old"),
        placement(idempotency_key="old", quantity=101),
        placement(idempotency_key="new"),
        placement(idempotency_key="new", link="b.example"),
    ]
    mismatch = Refusal.IDEMPOTENCY_MISMATCH
    assert [IdempotencyHit(order=OrderId(7)), mismatch, 10_000, mismatch] == summarise(
        place(batch, facts(remembered=remembered))
    )


def test_a_refusal_is_not_remembered():
    batch = [placement(idempotency_key="k", quantity=999), placement(idempotency_key="k", quantity=100)]
    assert [Refusal.FUNDS, 10_000] == summarise(place(batch, facts({ANN: 20_000})))


def test_a_repeat_is_answered_even_without_money_and_whatever_the_price_list_says_now():
    remembered = {(ANN, "k"): IdempotencyRecord(fingerprint(placement(idempotency_key="k").request), OrderId(7))}
    item = msgspec.structs.replace(placement(idempotency_key="k"), check_result=Refused(Refusal.SERVICE_UNKNOWN))
    assert [IdempotencyHit(order=OrderId(7))] == summarise(place([item], facts({ANN: 0}, remembered=remembered)))


def test_a_fingerprint_is_of_everything_but_the_key_itself():
    request = placement(idempotency_key="k").request
    assert fingerprint(request) == fingerprint(msgspec.structs.replace(request, idempotency_key="other"))
    assert fingerprint(request) != fingerprint(msgspec.structs.replace(request, runs=2))


def test_a_revoked_key_places_nothing_and_learns_nothing():
    remembered = {(ANN, "k"): IdempotencyRecord(fingerprint(placement(idempotency_key="k").request), OrderId(7))}
    batch = [placement(), placement(idempotency_key="k"), placement(key=OTHER_KEY)]
    decisions = place(batch, facts(revoked=[KEY], remembered=remembered))
    assert [Refusal.UNKNOWN_KEY, Refusal.UNKNOWN_KEY, 10_000] == summarise(decisions)


def test_a_suspended_customer_places_nothing():
    assert [Refusal.SUSPENDED, 10_000] == summarise(place([placement(ANN), placement(BOB)], facts(suspended=[ANN])))


def test_a_link_is_held_by_the_first_order_on_it_per_customer():
    batch = [
        placement(service=ONE_PER_LINK),
        placement(service=ONE_PER_LINK),
        placement(service=PLAIN),
        placement(service=ONE_PER_LINK, link="b.example"),
        placement(BOB, service=ONE_PER_LINK),
    ]
    assert [10_000, Refusal.ACTIVE_LINK, 10_000, 10_000, 10_000] == summarise(place(batch, facts()))


def test_a_link_held_by_an_earlier_batch_is_taken_before_money_is_looked_at():
    batch = [placement(service=ONE_PER_LINK)]
    assert [Refusal.ACTIVE_LINK] == summarise(place(batch, facts({ANN: 0}, links=[(ANN, "a.example/x")])))


def test_a_link_is_not_held_by_an_order_that_was_refused():
    batch = [placement(service=ONE_PER_LINK, quantity=999), placement(service=ONE_PER_LINK, quantity=1)]
    assert [Refusal.FUNDS, 100] == summarise(place(batch, facts({ANN: 1_000})))


CUSTOMERS = (ANN, BOB, CustomerId(3))
PLACEMENTS = st.builds(
    placement,
    st.sampled_from(CUSTOMERS),
    st.integers(0, 600),
    st.sampled_from([PLAIN, ONE_PER_LINK, FREE, ServiceId(99)]),
    st.sampled_from(["a.example/x", "b.example/y", ""]),
    st.sampled_from(["", "", "k1", "k2"]),
    st.sampled_from([KEY, OTHER_KEY]),
)


class Shop:
    """Plays batches one after the other, carrying over what the store would keep."""

    def __init__(self, funds):
        self.funds = dict(zip(CUSTOMERS, funds, strict=True))
        self.remembered = {}
        self.links = set()
        self.kept = []

    def play(self, batch):
        held = facts(self.funds, revoked=[OTHER_KEY], remembered=self.remembered, links=self.links)
        first = len(self.kept)
        outcomes: list[Any] = []
        for item, decision in zip(batch, place(batch, held), strict=True):
            outcomes.append(self.outcome(item, decision, outcomes))
        assert self.funds == {customer: held.funds[customer].available for customer in CUSTOMERS}, first
        return outcomes

    def outcome(self, item, decision, outcomes):
        if isinstance(decision, IdempotencyHit):
            return decision.order if decision.index is None else outcomes[decision.index]
        if isinstance(decision, Refused):
            return decision
        order = OrderId(len(self.kept))
        self.kept.append((item.customer, decision.charge))
        self.funds[item.customer] -= decision.charge
        if item.request.idempotency_key:
            self.remembered[item.customer, item.request.idempotency_key] = IdempotencyRecord(
                fingerprint(item.request), order
            )
        if decision.service.one_active_per_link:
            self.links.add((item.customer, decision.link))
        return order


FUNDS = st.tuples(*[st.integers(0, 100_000)] * 3)


@given(FUNDS, st.lists(PLACEMENTS, max_size=12), st.data())
def test_a_sequence_split_into_batches_in_any_way_gives_the_same_outcomes(funds, items, data):
    whole = Shop(funds).play(items)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(items)))))
    shop, parts = Shop(funds), []
    for begin, end in zip([0, *cuts], [*cuts, len(items)], strict=True):
        parts += shop.play(items[begin:end])
    assert whole == parts


@given(FUNDS, st.lists(PLACEMENTS, max_size=12))
def test_money_is_conserved_and_never_overspent(funds, items):
    shop = Shop(funds)
    shop.play(items)
    spent = {customer: sum(charge for who, charge in shop.kept if who == customer) for customer in CUSTOMERS}
    assert dict(zip(CUSTOMERS, funds, strict=True)) == {who: shop.funds[who] + spent[who] for who in CUSTOMERS}
    assert all(left >= 0 for left in shop.funds.values())


@given(FUNDS, st.lists(PLACEMENTS, max_size=12), st.randoms())
def test_in_which_order_unrelated_customers_come_changes_nothing(funds, items, random):
    queues = {customer: [item for item in items if item.customer == customer] for customer in CUSTOMERS}
    turns = [item.customer for item in items]
    random.shuffle(turns)
    waiting = {customer: iter(queue) for customer, queue in queues.items()}
    shuffled = [next(waiting[customer]) for customer in turns]

    def by_customer(sequence):
        outcomes = zip(sequence, place(sequence, facts(dict(zip(CUSTOMERS, funds, strict=True)))), strict=True)
        words = [(item.customer, one.charge if isinstance(one, PricedOrder) else type(one)) for item, one in outcomes]
        return {customer: [word for who, word in words if who == customer] for customer in CUSTOMERS}

    assert by_customer(items) == by_customer(shuffled)
