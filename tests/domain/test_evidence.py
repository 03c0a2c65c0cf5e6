"""What the ids between neighbours prove, and everything that they do not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from opensmm.base.ids import OrderId
from opensmm.domain.dispatch import TRANSITIONS, DeliveryState, Verdict
from opensmm.domain.evidence import (
    MAX_SENDS_PER_PROVIDER,
    MOST_IDS,
    Conclusion,
    IdWindow,
    Judgement,
    Neighbour,
    NotOurs,
    Patience,
    SuspectAttempt,
    UnsureCase,
    after_not_bought,
    choose_controls,
    id_digits,
    ids_grow,
    ids_to_look_up,
    judge,
    open_case,
    pause_before_check,
)
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport
from opensmm.domain.provider_charges import ChargeSample

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENCE = Patience(timedelta(seconds=60), timedelta(seconds=1))
KEY = (OrderId(1), 1, 1)
FOREIGN = NotOurs("Incorrect order ID")


def at(seconds):
    return START + timedelta(seconds=seconds)


def neighbour(sent, number, took=0.5):
    return Neighbour(at(sent), at(sent + took), str(number))


def suspect(order, sent=100.0, *, quantity=100, alike=None, resolvable=True, took=20.0, service="7"):
    return SuspectAttempt(
        (OrderId(order), 1, 1), at(sent), at(sent + took), quantity, alike or order, resolvable, service
    )


def ours(remains=0, charge=None):
    status = OrderStatus.IN_PROGRESS if remains else OrderStatus.COMPLETED
    return StatusReport(status=status, remains=remains, charge=charge, currency="USD")


LEAST_SAMPLES = [
    ChargeSample("7", quantity, Decimal(quantity * 9) / 10_000, "USD", at(sent), at(sent + 1))
    for sent, quantity in zip((10, 20, 30, 190, 200, 210), (100, 200, 300) * 2, strict=True)
]
"""A unit of service 7 costs 0.0009."""


BEFORE = [neighbour(10, 7), neighbour(20, 9), neighbour(30, 10)]
AFTER = [neighbour(190, 15), neighbour(200, 16), neighbour(210, 20)]


def test_an_unsure_order_lies_between_those_answered_before_and_those_sent_after():
    case = open_case([suspect(1)], BEFORE + AFTER, PATIENCE)
    assert (IdWindow(10, 15), {}) == (case.windows[KEY], case.undecidable_now)


def test_an_order_that_overlaps_the_unsure_one_bounds_nothing():
    overlapping = [neighbour(99, 12, took=2), neighbour(110, 13), neighbour(150, 14), neighbour(180, 14)]
    assert IdWindow(10, 15) == open_case([suspect(1)], BEFORE + overlapping[:3] + AFTER, PATIENCE).windows[KEY]


@pytest.mark.parametrize("neighbours", [[], BEFORE, AFTER, BEFORE[1:] + AFTER, BEFORE + AFTER[1:]])
def test_without_enough_neighbours_on_both_sides_nothing_is_asked(neighbours):
    case = open_case([suspect(1)], neighbours, PATIENCE)
    assert {KEY: Conclusion.NO_NEIGHBOURS} == case.undecidable_now


@pytest.mark.parametrize(
    "odd", [neighbour(40, 8), neighbour(220, 12), neighbour(40, "a-12"), neighbour(40, "1" * 19), neighbour(220, 20)]
)
def test_a_provider_whose_ids_do_not_grow_proves_nothing(odd):
    assert not ids_grow([*BEFORE, *AFTER, odd], PATIENCE.skew)
    case = open_case([suspect(1)], [*BEFORE, *AFTER, odd], PATIENCE)
    assert {KEY: Conclusion.NOT_GROWING} == case.undecidable_now


def test_ids_given_out_at_the_same_time_may_come_in_any_order():
    assert ids_grow([neighbour(10, 9, took=5), neighbour(12, 8, took=5), neighbour(14, 7, took=5)], PATIENCE.skew)


def test_what_lies_between_is_asked_for_but_for_what_is_known_and_not_without_bound():
    assert [11, 13, 14] == ids_to_look_up(IdWindow(10, 15), frozenset((12,)))
    assert [] == ids_to_look_up(IdWindow(10, 11), frozenset())
    assert MOST_IDS == len(ids_to_look_up(IdWindow(0, MOST_IDS + 1), frozenset()) or ())
    assert None is ids_to_look_up(IdWindow(0, MOST_IDS + 2), frozenset())
    assert None is ids_to_look_up(IdWindow(0, None), frozenset())


def proofs(suspects, reports, windows=None, requested=None, bills=()):
    """Conclusions by order, all of one window of 10 to 15 unless others are given."""
    around = {one.key: (windows or {}).get(one.key[0], IdWindow(10, 15)) for one in suspects}
    case = UnsureCase(tuple(suspects), around, {}, bills)
    every = {one.key: ids_to_look_up(case.windows[one.key], frozenset()) or [] for one in suspects if one.resolvable}
    if requested is not None:
        every = {key: numbers for key, numbers in every.items() if key[0] in requested}
    whole = {number: FOREIGN for numbers in every.values() for number in numbers} | reports
    return {key[0]: proof for key, proof in judge(case, every, whole).items()}


BOUGHT, NOT_BOUGHT = Conclusion.BOUGHT, Conclusion.NOT_BOUGHT
AMBIGUOUS = Judgement(Conclusion.AMBIGUOUS)


def test_an_order_of_ours_that_nobody_knows_is_the_unsure_ones():
    assert {1: Judgement(BOUGHT, 12)} == proofs([suspect(1)], {12: ours()})


def test_where_no_id_is_ours_nothing_was_bought():
    assert {1: Judgement(NOT_BOUGHT), 2: Judgement(NOT_BOUGHT)} == proofs([suspect(1), suspect(2)], {})


def test_an_id_that_was_not_clearly_answered_for_keeps_an_attempt_unsure():
    assert {1: Judgement(Conclusion.UNANSWERED)} == proofs([suspect(1)], {13: None})
    assert {1: Judgement(BOUGHT, 12)} == proofs([suspect(1)], {12: ours(), 13: None})


def test_one_order_and_two_that_may_own_it_is_no_proof():
    assert {1: AMBIGUOUS, 2: AMBIGUOUS} == proofs([suspect(1), suspect(2)], {12: ours()})


def test_an_attempt_that_is_still_being_sent_may_own_what_is_found():
    assert {1: AMBIGUOUS} == proofs([suspect(1), suspect(2, resolvable=False)], {12: ours()})


def test_two_orders_of_two_that_differ_are_not_told_apart():
    assert {1: AMBIGUOUS, 2: AMBIGUOUS} == proofs([suspect(1), suspect(2)], {12: ours(), 13: ours()})


def test_as_many_orders_as_attempts_that_ask_for_the_same_are_given_out_in_order():
    pair = [suspect(1, alike="x"), suspect(2, 101, alike="x")]
    assert {1: Judgement(BOUGHT, 12), 2: Judgement(BOUGHT, 13)} == proofs(pair, {13: ours(), 12: ours()})
    assert {1: AMBIGUOUS, 2: AMBIGUOUS} == proofs(pair, {12: ours()})


def test_what_remains_tells_attempts_of_different_quantities_apart():
    pair = [suspect(1, quantity=50), suspect(2, quantity=500)]
    assert {1: Judgement(NOT_BOUGHT), 2: Judgement(BOUGHT, 12)} == proofs(pair, {12: ours(400)})
    assert {1: Judgement(BOUGHT, 11), 2: Judgement(BOUGHT, 12)} == proofs(pair, {11: ours(), 12: ours(400)})


def by_charge(suspects, charges):
    """Conclusions where ids are charged so much."""
    reports = {number: ours(charge=charge and Decimal(charge)) for number, charge in charges.items()}
    return proofs(suspects, reports, bills=LEAST_SAMPLES)


PAIR = [suspect(1, quantity=50), suspect(2, quantity=500)]


def test_charges_tell_attempts_of_different_quantities_apart():
    assert {1: Judgement(NOT_BOUGHT), 2: Judgement(BOUGHT, 12)} == by_charge(PAIR, {12: "0.45000"})
    assert {1: Judgement(BOUGHT, 12), 2: Judgement(NOT_BOUGHT)} == by_charge(PAIR, {12: "0.045"})
    assert {1: Judgement(BOUGHT, 13), 2: Judgement(BOUGHT, 12)} == by_charge(PAIR, {12: "0.45000", 13: "0.04500"})


@pytest.mark.parametrize(
    "reports",
    [{12: None}, {12: "0"}, {12: "0.1"}, {12: "0.45", 13: None}, {12: "0.45", 13: "0.45"}, {12: "0.45", 13: "0.1"}],
    ids=["missing", "nothing", "reduced", "one missing", "the same twice", "one reduced"],
)
def test_a_charge_that_fits_nobody_or_is_missing_makes_all_of_them_tell_nothing(reports):
    assert {1: AMBIGUOUS, 2: AMBIGUOUS} == by_charge(PAIR, reports)


def test_where_one_price_is_not_known_charges_tell_nothing():
    assert {1: AMBIGUOUS, 2: AMBIGUOUS} == by_charge([suspect(1, service="8"), PAIR[1]], {12: "0.45"})


def test_an_order_with_a_place_of_its_own_settles_the_rest():
    windows = {1: IdWindow(10, 15), 2: IdWindow(12, 15)}
    pair = [suspect(1), suspect(2, 101)]
    assert {1: Judgement(BOUGHT, 11), 2: Judgement(NOT_BOUGHT)} == proofs(pair, {11: ours()}, windows)
    assert {1: Judgement(BOUGHT, 11), 2: Judgement(BOUGHT, 13)} == proofs(pair, {11: ours(), 13: ours()}, windows)
    assert {1: AMBIGUOUS, 2: AMBIGUOUS} == proofs(pair, {13: ours()}, windows)


def test_more_orders_than_attempts_mean_that_somebody_else_buys_with_our_key():
    assert {1: AMBIGUOUS} == proofs([suspect(1)], {12: ours(), 13: ours()})
    assert {1: AMBIGUOUS} == proofs([suspect(1)], {12: ours(101)})


def test_an_attempt_with_nothing_in_its_window_is_settled_whatever_its_neighbours_are():
    windows = {1: IdWindow(10, 20), 2: IdWindow(12, 14), 3: IdWindow(10, 20)}
    judgements = proofs([suspect(1), suspect(2), suspect(3)], {16: ours()}, windows)
    assert {1: AMBIGUOUS, 2: Judgement(NOT_BOUGHT), 3: AMBIGUOUS} == judgements


def test_a_provider_that_answers_for_strangers_orders_proves_by_silence_alone():
    case = UnsureCase((suspect(1),), {KEY: IdWindow(10, 12)}, {})
    every = {KEY: [11]}
    assert {KEY: Judgement(BOUGHT, 11)} == judge(case, every, {11: ours(), 9: FOREIGN}, [9])
    assert {KEY: AMBIGUOUS} == judge(case, every, {11: ours(), 9: ours()}, [9])
    assert {KEY: Judgement(NOT_BOUGHT)} == judge(case, every, {11: FOREIGN, 9: ours()}, [9])


def test_controls_that_were_not_answered_for_control_nothing():
    case, every = UnsureCase((suspect(1),), {KEY: IdWindow(10, 12)}, {}), {KEY: [11]}
    assert {KEY: AMBIGUOUS} == judge(case, every, {11: ours(), 9: None}, [9])
    assert {KEY: Judgement(BOUGHT, 11)} == judge(case, every, {11: ours(), 9: None, 8: FOREIGN}, [9, 8])
    assert {KEY: Judgement(BOUGHT, 11)} == judge(case, every, {11: ours()}, []), "nothing nearby is a stranger's"


def test_where_an_unsure_order_may_have_any_id_it_is_controlled_by_what_there_is():
    case = UnsureCase((suspect(1), suspect(2)), {KEY: IdWindow(10, 12), (OrderId(2), 1, 1): IdWindow(0, None)}, {})
    assert [9, 8, 6, 5, 4, 3, 2, 1] == choose_controls(case, [KEY], frozenset((7,)))


def test_the_controls_are_strangers_orders_nearby_that_no_unsure_order_may_have():
    case = UnsureCase((suspect(1), suspect(2)), {KEY: IdWindow(30, 40), (OrderId(2), 1, 1): IdWindow(20, 26)}, {})
    assert [29, 27, 26, 20, 19, 18, 17, 16] == choose_controls(case, [KEY], frozenset((28, 15)))
    assert [] == choose_controls(UnsureCase((suspect(1),), {KEY: IdWindow(1, 5)}, {}), [KEY], frozenset())


def test_clocks_that_differ_a_little_are_no_disorder():
    assert ids_grow([neighbour(10, 9), neighbour(11, 8)], PATIENCE.skew)
    assert not ids_grow([neighbour(10, 9), neighbour(12, 8)], PATIENCE.skew)


@st.composite
def histories(draw):
    """Attempts one after the other or at once: which were bought, and what the neighbours and the provider show."""
    count = draw(st.integers(1, 6))
    bought = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    asks = draw(st.lists(st.sampled_from("xy"), min_size=count, max_size=count))
    numbers = iter(sorted(draw(st.sets(st.integers(1, 40), min_size=count, max_size=count))))
    truth = {OrderId(order): next(numbers) if was else None for order, was in enumerate(bought)}
    windows = {}
    for order, number in truth.items():
        middle = number if number is not None else draw(st.integers(1, 40))
        low, high = draw(st.integers(0, middle - 1)), draw(st.integers(middle + 1, 42))
        windows[order] = IdWindow(low, high)
    suspects = [
        suspect(order, 100 + order, quantity=draw(st.sampled_from((50, 100))), alike=asks[order]) for order in truth
    ]
    left = st.sampled_from((0, 0, 0, 20, 50))
    remains = {number: draw(left) for number in truth.values() if number is not None}
    silent = draw(st.sets(st.sampled_from(range(1, 41)), max_size=3))
    falling, priced = draw(st.booleans()), draw(st.booleans())
    units = {order: suspects[order].quantity - falling * remains.get(number, 0) for order, number in truth.items()}
    charges = {number: Decimal(units[order] * 9) / 10_000 if priced else None for order, number in truth.items()}
    return truth, windows, suspects, remains, silent, charges


@settings(max_examples=400)
@given(histories())
def test_nothing_untrue_is_ever_concluded(history):
    truth, windows, suspects, remains, silent, charges = history
    reports = {number: ours(left, charges[number]) for number, left in remains.items()} | dict.fromkeys(silent)
    alike = {one.key[0]: (one.alike, one.quantity) for one in suspects}
    suspects = [structs.replace(one, alike=alike[one.key[0]]) for one in suspects]
    owner = {number: order for order, number in truth.items()}
    for order, proof in proofs(suspects, reports, windows, bills=LEAST_SAMPLES).items():
        if proof.conclusion is BOUGHT:
            assert alike[owner[proof.provider_order]] == alike[order]
            assert truth[order] is not None
        if proof.conclusion is NOT_BOUGHT:
            assert truth[order] is None


def test_two_attempts_never_get_one_order():
    judgements = proofs(
        [suspect(order, 100 + order, alike="x") for order in range(1, 5)], dict.fromkeys(range(11, 15), ours())
    )
    assert {11, 12, 13, 14} == {proof.provider_order for proof in judgements.values()}


@pytest.mark.parametrize(
    ("times", "routes_left", "hold", "verdict"),
    [
        (1, True, True, Verdict(DeliveryState.QUEUED, later=True)),
        (MAX_SENDS_PER_PROVIDER - 1, False, False, Verdict(DeliveryState.QUEUED, later=True)),
        (MAX_SENDS_PER_PROVIDER, True, False, Verdict(DeliveryState.QUEUED, next_route=True)),
        (MAX_SENDS_PER_PROVIDER, False, True, Verdict(DeliveryState.HELD)),
        (MAX_SENDS_PER_PROVIDER, False, False, Verdict(DeliveryState.CANCELED)),
    ],
)
def test_what_was_proved_not_to_be_bought_is_sent_again_and_not_for_ever(times, routes_left, hold, verdict):
    made = after_not_bought(times, refused=False, routes_left=routes_left, hold_when_refused=hold)
    assert verdict == made
    last = after_not_bought(MAX_SENDS_PER_PROVIDER, refused=False, routes_left=routes_left, hold_when_refused=hold)
    assert last == after_not_bought(times, refused=True, routes_left=routes_left, hold_when_refused=hold)
    assert made.state in TRANSITIONS[DeliveryState.UNSURE]


def test_an_attempt_is_looked_into_ever_more_seldom():
    ages = [timedelta(), timedelta(minutes=1), timedelta(hours=1), timedelta(days=9)]
    assert [10, 15, 900, 43_200] == [pause_before_check(age, PATIENCE).total_seconds() for age in ages]


@pytest.mark.parametrize(
    ("orders", "digits"),
    [(("7", "12"), 0), (("0007", "0012"), 4), (("0007", "12"), None), (("7", "XKQ"), None), ((), 0)],
)
def test_ids_are_numbers_where_they_are_written_alike(orders, digits):
    assert digits == id_digits([Neighbour(START, START, order) for order in orders])
