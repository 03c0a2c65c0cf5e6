"""The staff's word: read as a provider's report, and refused where it cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.panel import now

from opensmm.base.ids import OrderId
from opensmm.domain.dispatch import ACCEPTED_STATES, DeliveryState
from opensmm.domain.manual import MOST_COUNT, ManualReport, ManualStep, read
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import PolledDelivery, StatusReport, apply_report

START, PROGRESS, DONE, PARTIAL, CANCEL = ManualStep


def make_delivery(state=DeliveryState.PENDING, *, packaged=False):
    return PolledDelivery(state, 100, packaged, None, None, None)


def code_or(report):
    """The code of a report that is refused, or the report."""
    return report.code if isinstance(report, OperatorRefusal) else report


def make_report(step, **other):
    return ManualReport(OrderId(7), step, **other)


@pytest.mark.parametrize(
    ("report", "means"),
    [
        (make_report(START), StatusReport(OrderStatus.IN_PROGRESS)),
        (make_report(START, start_count=5), StatusReport(OrderStatus.IN_PROGRESS, 5)),
        (make_report(PROGRESS, remains=100), StatusReport(OrderStatus.IN_PROGRESS, None, 100, counted=True)),
        (make_report(PROGRESS, remains=0), StatusReport(OrderStatus.IN_PROGRESS, None, 0, counted=True)),
        (make_report(DONE, start_count=0), StatusReport(OrderStatus.COMPLETED, 0)),
        (make_report(PARTIAL, remains=1), StatusReport(OrderStatus.PARTIAL, None, 1)),
        (make_report(CANCEL, reason="closed"), StatusReport(OrderStatus.CANCELED, None, 100)),
        (make_report(PROGRESS), RefusalCode.IMPOSSIBLE_REMAINS),
        (make_report(PROGRESS, remains=101), RefusalCode.IMPOSSIBLE_REMAINS),
        (make_report(PROGRESS, remains=-1), RefusalCode.IMPOSSIBLE_REMAINS),
        (make_report(PARTIAL, remains=0), RefusalCode.IMPOSSIBLE_REMAINS),
        (make_report(PARTIAL, remains=100), RefusalCode.IMPOSSIBLE_REMAINS),
        (make_report(PARTIAL), RefusalCode.IMPOSSIBLE_REMAINS),
        (make_report(START, start_count=-1), RefusalCode.IMPOSSIBLE_START_COUNT),
        (make_report(DONE, start_count=MOST_COUNT + 1), RefusalCode.IMPOSSIBLE_START_COUNT),
        (make_report(CANCEL), RefusalCode.FIELD_BLANK),
        (make_report(CANCEL, reason="a\nb"), RefusalCode.FIELD_UNFIT),
        (make_report(DONE, reason="x" * 501), RefusalCode.FIELD_TOO_LONG),
    ],
)
def test_what_a_person_says_means_what_a_provider_would_say(report, means):
    assert means == code_or(read(report, make_delivery()))


def test_a_package_is_delivered_whole_or_given_up():
    assert RefusalCode.PACKAGE_IN_PARTS is code_or(read(make_report(PARTIAL, remains=1), make_delivery(packaged=True)))
    assert StatusReport(OrderStatus.CANCELED, None, 100) == read(
        make_report(CANCEL, reason="closed"), make_delivery(packaged=True)
    )


@pytest.mark.parametrize("state", sorted(set(DeliveryState) - ACCEPTED_STATES))
def test_only_what_is_with_the_staff_is_reported_on(state):
    assert {RefusalCode.NOT_WITH_STAFF} == {
        code_or(read(make_report(step, remains=5), make_delivery(state))) for step in ManualStep
    }


STEPS = {
    START: DeliveryState.IN_PROGRESS,
    PROGRESS: DeliveryState.IN_PROGRESS,
    DONE: DeliveryState.COMPLETED,
    PARTIAL: DeliveryState.PARTIAL,
    CANCEL: DeliveryState.CANCELED,
}


@given(
    st.sampled_from(ManualStep), st.one_of(st.none(), st.integers(-5, 110)), st.sampled_from(sorted(ACCEPTED_STATES)),
    st.booleans(),
)  # fmt: skip
def test_what_is_not_refused_is_applied_to_the_letter_and_never_held(step, remains, state, packaged):
    before = make_delivery(state, packaged=packaged)
    report = read(make_report(step, remains=remains), before)
    if isinstance(report, OperatorRefusal):
        return
    news = apply_report(before, report, now())
    assert news is not None
    assert STEPS[step] is news.state
    expected = {DONE: 0, CANCEL: 100, START: 100}.get(step, remains)
    assert expected == news.remains
