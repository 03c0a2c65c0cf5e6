"""What a provider's word changes, how far it is believed, and what the customer reads."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.domain.dispatch import ACCEPTED_STATES, END_STATES, TRANSITIONS, DeliveryState
from opensmm.domain.order_views import status_word
from opensmm.domain.orders import OrderState, OrderStatus
from opensmm.domain.polling import (
    DeliveryNews,
    OrderEnd,
    PolledDelivery,
    StatusReport,
    apply_report,
    end_of_order,
    poll_again_after,
    with_clear_charge,
    with_clear_remains,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
S, W = DeliveryState, OrderStatus


def make_delivery(state=S.IN_PROGRESS, *, quantity=100, packaged=False, start_count=7, remains=60, polled=None):
    return PolledDelivery(state, quantity, packaged, start_count, remains, polled)


def make_report(status, remains=None, start_count=None, charge=None):
    return StatusReport(status, start_count, remains, None if charge is None else Decimal(charge))


@pytest.mark.parametrize("state", sorted(ACCEPTED_STATES))
@pytest.mark.parametrize(
    ("report", "news"),
    [
        (make_report(W.PENDING, 100, 0), DeliveryNews(S.PENDING, 0, 100)),
        (make_report(W.PROCESSING, 100), DeliveryNews(S.PROCESSING, 7, 100)),
        (make_report(W.PENDING, 0), DeliveryNews(S.PENDING, 7, 60)),
        (make_report(W.PROCESSING, 0), DeliveryNews(S.PROCESSING, 7, 60)),
        (make_report(W.IN_PROGRESS, 0), DeliveryNews(S.IN_PROGRESS, 7, 0)),
        (make_report(W.IN_PROGRESS, 40, 9), DeliveryNews(S.IN_PROGRESS, 9, 40)),
        (make_report(W.IN_PROGRESS), DeliveryNews(S.IN_PROGRESS, 7, 60)),
        (make_report(W.IN_PROGRESS, 101), DeliveryNews(S.IN_PROGRESS, 7, 60)),
        (make_report(W.IN_PROGRESS, -1, -5), DeliveryNews(S.IN_PROGRESS, 7, 60)),
        (make_report(W.COMPLETED, 0), DeliveryNews(S.COMPLETED, 7, 0)),
        (make_report(W.COMPLETED), DeliveryNews(S.COMPLETED, 7, 0)),
        (make_report(W.COMPLETED, 100), DeliveryNews(S.COMPLETED, 7, 0)),
        (make_report(W.PARTIAL, 40), DeliveryNews(S.PARTIAL, 7, 40)),
        (make_report(W.PARTIAL, 100), DeliveryNews(S.PARTIAL, 7, 100)),
        (make_report(W.PARTIAL, 0), DeliveryNews(S.HELD, 7, 60)),
        (make_report(W.PARTIAL), DeliveryNews(S.HELD, 7, 60)),
        (make_report(W.PARTIAL, 101), DeliveryNews(S.HELD, 7, 60)),
        (make_report(W.PARTIAL, -1), DeliveryNews(S.HELD, 7, 60)),
        (make_report(W.CANCELED), DeliveryNews(S.HELD, 7, 60)),
        (make_report(W.CANCELED, charge="0.5"), DeliveryNews(S.HELD, 7, 60)),
        (make_report(W.CANCELED, charge="0"), DeliveryNews(S.CANCELED, 7, 100)),
        (make_report(W.CANCELED, 100), DeliveryNews(S.CANCELED, 7, 100)),
        (make_report(W.CANCELED, 40), DeliveryNews(S.CANCELED, 7, 40)),
        (make_report(W.CANCELED, 0, charge="0"), DeliveryNews(S.CANCELED, 7, 100)),
        (make_report(W.CANCELED, 0, charge="0.5"), DeliveryNews(S.HELD, 7, 60)),
        (make_report(W.CANCELED, 0), DeliveryNews(S.HELD, 7, 60)),
        (make_report(W.CANCELED, 101), DeliveryNews(S.HELD, 7, 60)),
        (make_report(W.CANCELED, -1), DeliveryNews(S.HELD, 7, 60)),
    ],
)
def test_a_report_is_believed_inside_its_bounds(state, report, news):
    assert news == apply_report(make_delivery(state), report, NOON)
    assert news.state in TRANSITIONS[state]


def test_a_cancel_without_a_word_gives_all_back_where_nothing_was_delivered():
    for before in (None, 100):
        assert DeliveryNews(S.CANCELED, 7, 100) == apply_report(
            make_delivery(remains=before), make_report(W.CANCELED), NOON
        )


def test_what_has_not_begun_is_wholly_undelivered_whatever_a_v1_page_says():
    fresh = make_delivery(start_count=None, remains=None)
    assert DeliveryNews(S.PENDING, None, 100) == apply_report(fresh, make_report(W.PENDING, 0), NOON)


def test_an_end_without_a_word_on_what_remains_is_the_operators():
    assert DeliveryNews(S.HELD, None, 100) == apply_report(
        make_delivery(start_count=None, remains=None), make_report(W.PARTIAL), NOON
    )


@pytest.mark.parametrize(
    ("report", "news"),
    [
        (make_report(W.COMPLETED, 0), DeliveryNews(S.COMPLETED, 7, 0)),
        (make_report(W.PARTIAL, 1), DeliveryNews(S.HELD, 7, 1)),
        (make_report(W.CANCELED, 1), DeliveryNews(S.CANCELED, 7, 1)),
        (make_report(W.CANCELED), DeliveryNews(S.CANCELED, 7, 1)),
    ],
)
def test_a_package_ends_whole_or_not_at_all(report, news):
    assert news == apply_report(make_delivery(quantity=1, packaged=True, remains=1), report, NOON)


@pytest.mark.parametrize("state", sorted(set(DeliveryState) - ACCEPTED_STATES))
@pytest.mark.parametrize("status", W)
def test_only_what_is_at_a_provider_hears_reports(state, status):
    assert None is apply_report(make_delivery(state), make_report(status, 40), NOON)


def test_an_unknown_word_changes_nothing():
    assert None is apply_report(make_delivery(), StatusReport(None, 5, 10), NOON)


@pytest.mark.parametrize(("after_s", "heard"), [(-1, False), (0, False), (1, True)])
def test_older_answers_never_overwrite_newer_ones(after_s, heard):
    news = apply_report(make_delivery(polled=NOON), make_report(W.IN_PROGRESS, 50), NOON + timedelta(seconds=after_s))
    assert heard == (news is not None)


REPORTS = st.builds(
    StatusReport,
    st.none() | st.sampled_from(W),
    st.none() | st.integers(-(10**18), 10**18),
    st.none() | st.integers(-(10**18), 10**18),
    st.none() | st.decimals(allow_nan=False, allow_infinity=False),
)


@given(
    st.sampled_from(S), st.integers(0, 1000), st.booleans(), st.none() | st.integers(0, 10**6), st.floats(0, 1), REPORTS
)
def test_whatever_is_reported_what_remains_lies_between_nothing_and_everything(
    state, quantity, packaged, start, part, report
):
    news = apply_report(PolledDelivery(state, quantity, packaged, start, int(quantity * part), None), report, NOON)
    if news is not None:
        assert 0 <= news.remains <= quantity
        assert news.state in TRANSITIONS[state]
        assert news.start_count is None or news.start_count >= 0
        assert not (news.state is S.PARTIAL and (packaged or news.remains == 0))
        assert not (news.state is S.COMPLETED and news.remains)


@pytest.mark.parametrize(
    ("age", "pause_s"),
    [(0, 1), (9, 1), (10, 3), (59, 3), (60, 10), (599, 10), (600, 25), (3599, 25), (3600, 300), (86_400, 840)],
)
def test_young_orders_are_asked_after_sooner_than_old_ones(age, pause_s):
    assert timedelta(seconds=pause_s) == poll_again_after(timedelta(seconds=age))


@pytest.mark.parametrize(
    ("remains", "end"),
    [
        (0, OrderEnd(OrderState.COMPLETED, 0)),
        (1, OrderEnd(OrderState.PARTIAL, 1)),
        (299, OrderEnd(OrderState.PARTIAL, 299)),
        (300, OrderEnd(OrderState.CANCELED, 300)),
    ],
)
def test_an_order_ends_by_what_all_its_runs_left(remains, end):
    assert end == end_of_order(100, 3, remains)


@pytest.mark.parametrize(
    ("first", "plain", "dripping"),
    [
        (S.QUEUED, W.PENDING, W.PENDING),
        (S.SENDING, W.PROCESSING, W.PROCESSING),
        (S.UNSURE, W.PROCESSING, W.PROCESSING),
        (S.PENDING, W.PENDING, W.IN_PROGRESS),
        (S.PROCESSING, W.PROCESSING, W.IN_PROGRESS),
        (S.IN_PROGRESS, W.IN_PROGRESS, W.IN_PROGRESS),
        (S.HELD, W.PROCESSING, W.IN_PROGRESS),
        (S.COMPLETED, W.COMPLETED, W.IN_PROGRESS),
        (S.PARTIAL, W.PARTIAL, W.IN_PROGRESS),
        (S.CANCELED, W.CANCELED, W.IN_PROGRESS),
    ],
)
def test_an_open_order_says_its_deliverys_word_and_a_drip_feed_is_in_progress_from_its_first_run(
    first, plain, dripping
):
    assert (plain, dripping) == (status_word(OrderState.OPEN, first, 1), status_word(OrderState.OPEN, first, 3))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (OrderState.ACTIVE, W.IN_PROGRESS),
        (OrderState.PAUSED, W.PROCESSING),
        (OrderState.COMPLETED, W.COMPLETED),
        (OrderState.PARTIAL, W.PARTIAL),
        (OrderState.CANCELED, W.CANCELED),
    ],
)
def test_an_order_that_is_not_open_says_its_own_word(state, status):
    assert {status} == {status_word(state, first, runs) for first in (None, *DeliveryState) for runs in (1, 3)}


def test_accepted_and_ended_states_are_apart():
    assert set() == ACCEPTED_STATES & END_STATES


@pytest.mark.parametrize(("start", "remains"), [(None, 100), (0, 100), (7, 0)])
def test_in_progress_with_nothing_left_and_no_start_count_is_no_news_of_what_remains(start, remains):
    news = apply_report(
        make_delivery(start_count=None, remains=None),
        StatusReport(OrderStatus.IN_PROGRESS, start_count=start, remains=0),
        NOON,
    )
    assert news is not None
    assert remains == news.remains


@pytest.mark.parametrize(
    ("quantity", "words", "remains"),
    [(100, "40.000", 40), (5000, "1.000", None), (999, "1.000", 1), (1000, "1.000", None), (100, "n/a", None)],
)
def test_remains_with_a_point_before_three_digits_are_read_where_thousands_are_too_many(quantity, words, remains):
    report = StatusReport(OrderStatus.PARTIAL, unclear_remains=words)
    make_report = with_clear_remains(make_delivery(quantity=quantity), report)
    assert (remains, "" if remains else words) == (make_report.remains, make_report.unclear_remains)


@pytest.mark.parametrize("charge", [None, Decimal("0.5")])
def test_a_canceled_order_whose_remains_cannot_be_read_is_not_paid_back(charge):
    news = apply_report(
        make_delivery(remains=None), StatusReport(OrderStatus.CANCELED, charge=charge, unclear_remains="n/a"), NOON
    )
    assert news is not None
    assert DeliveryState.HELD is news.state


@pytest.mark.parametrize(
    ("quantity", "packaged", "rate", "read"),
    [
        (1000, False, "1", "1.234"),
        (1_000_000, False, "1", "1234"),
        (1000, False, "0.001", "1234"),
        (10, False, "1", None),
        (10, True, "1", "1.234"),
    ],
)
def test_an_unclear_charge_is_compared_with_what_was_expected_in_the_providers_currency(
    quantity: int, packaged: bool, rate: str, read: str | None
) -> None:
    delivery = PolledDelivery(DeliveryState.PENDING, quantity, packaged, None, None, None, quoted=Decimal("1.5"))
    report = with_clear_charge(delivery, StatusReport(OrderStatus.PENDING, unclear_charge="1,234"), Decimal(rate))
    assert (None if read is None else Decimal(read)) == report.charge
    assert ("1,234" if read is None else "") == report.unclear_charge
