"""What the operator may do to an order, state by state."""

import pytest

from opensmm.base.ids import OrderId
from opensmm.base.money import Money
from opensmm.domain import order_actions
from opensmm.domain.dispatch import ACCEPTED_STATES, END_STATES, TRANSITIONS, AttemptOutcome, DeliveryState
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.order_actions import ChosenEnd, LockedRun, OrderSubject
from opensmm.domain.orders import OrderState

S, A = DeliveryState, AttemptOutcome


def run(state, number=1, remains=None, outcome=A.ACCEPTED, provider_order="7"):
    return LockedRun(number, state, 100, remains, outcome, provider_order)


def order(*runs, state=OrderState.OPEN, packaged=False, earned=0):
    return OrderSubject(OrderId(1), state, packaged, Money(earned), runs)


def judged(rule, *facts, **other):
    """What a rule decides, or the code with which it refuses."""
    try:
        return rule(*facts, **other)
    except OperatorRefusal as refused:
        return refused.code if refused.fields["order"] == 1 else None


@pytest.mark.parametrize("state", S)
def test_every_state_has_an_answer_to_every_action(state):
    ends = {S.SENDING: RefusalCode.BEING_SENT, S.UNSURE: RefusalCode.ORDER_UNSURE}.get(state)
    whole = () if state in END_STATES else (ChosenEnd(1, S.CANCELED, 100),)
    assert (ends or whole) == judged(order_actions.cancel, order(run(state)))
    partial = RefusalCode.ORDER_ENDED if state in END_STATES else ends or (ChosenEnd(1, S.PARTIAL, 40),)
    assert partial == judged(order_actions.end_partial, order(run(state)), run(state), 40)


def test_a_cancel_takes_what_is_known_to_remain_and_leaves_ended_runs_alone():
    runs = run(S.COMPLETED, 1, 0), run(S.IN_PROGRESS, 2, 30), run(S.PENDING, 3, 0), run(S.QUEUED, 4)
    assert (
        ChosenEnd(2, S.PARTIAL, 30),
        ChosenEnd(3, S.COMPLETED, 0),
        ChosenEnd(4, S.CANCELED, 100),
    ) == judged(order_actions.cancel, order(*runs))
    assert (ChosenEnd(2, S.COMPLETED, 0),) == judged(order_actions.complete, order(runs[0], runs[1]))


def test_a_cancel_is_no_way_to_keep_the_whole_charge():
    for state in (S.IN_PROGRESS, S.HELD):
        assert RefusalCode.NOTHING_LEFT == judged(order_actions.cancel, order(run(state, 1, 0)))
        assert (ChosenEnd(1, S.COMPLETED, 0),) == judged(order_actions.complete, order(run(state, 1, 0)))


def test_one_run_that_is_unclear_keeps_the_whole_order_from_ending():
    assert RefusalCode.ORDER_UNSURE is judged(order_actions.cancel, order(run(S.QUEUED), run(S.UNSURE, 2)))
    assert RefusalCode.BEING_SENT is judged(order_actions.complete, order(run(S.QUEUED), run(S.SENDING, 2)))


@pytest.mark.parametrize("state", [OrderState.COMPLETED, OrderState.PARTIAL, OrderState.CANCELED])
def test_what_has_ended_is_not_ended_otherwise(state):
    ended = order(run(S.COMPLETED), state=state)
    assert (None if state is OrderState.CANCELED else RefusalCode.ORDER_ENDED) == judged(order_actions.cancel, ended)
    assert (None if state is OrderState.COMPLETED else RefusalCode.ORDER_ENDED) == judged(order_actions.complete, ended)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("outcome", [None, *A])
def test_only_what_is_proved_not_to_be_bought_or_signed_for_is_sent_again(state, outcome, signed):
    result = judged(order_actions.resend, order(), run(state, outcome=outcome), signed=signed)
    if state in (S.QUEUED, S.SENDING):
        assert result is None
    elif state is S.UNSURE:
        assert (run(state, outcome=outcome) if signed else RefusalCode.NOT_PROVED) == result
    elif state is S.HELD and outcome in (None, A.NOT_BOUGHT):
        assert run(state, outcome=outcome) == result
    else:
        assert result is (RefusalCode.ORDER_ENDED if state in END_STATES else RefusalCode.ALREADY_BOUGHT)


@pytest.mark.parametrize("state", sorted(ACCEPTED_STATES | END_STATES | {S.HELD, S.QUEUED, S.SENDING}))
def test_only_an_unsure_run_is_settled_and_the_same_word_twice_is_nothing(state):
    assert RefusalCode.ORDER_NOT_UNSURE is judged(order_actions.settle, order(), run(state), "8")
    assert RefusalCode.ORDER_NOT_UNSURE is judged(order_actions.settle, order(), run(state), None)
    assert None is judged(order_actions.settle, order(), run(state), "7")
    assert None is judged(order_actions.settle, order(), run(state, outcome=A.NOT_BOUGHT, provider_order=None), None)


@pytest.mark.parametrize(
    ("amount", "booked", "state", "refusal"),
    [
        (50, None, OrderState.COMPLETED, 50),
        (51, None, OrderState.COMPLETED, RefusalCode.MORE_THAN_EARNED),
        (50, None, OrderState.OPEN, RefusalCode.ORDER_NOT_ENDED),
        (50, 50, OrderState.COMPLETED, None),
        (50, 49, OrderState.COMPLETED, RefusalCode.OTHER_REFUND_AMOUNT),
    ],
)
def test_a_refund_comes_out_of_what_was_earned_and_is_booked_once(amount, booked, state, refusal):
    assert refusal == judged(order_actions.refund, order(state=state, earned=50), amount, booked)


@pytest.mark.parametrize("state", S)
def test_the_operator_takes_no_step_that_the_table_does_not_have(state):
    result = (
        judged(order_actions.cancel, order(run(state))),
        judged(order_actions.complete, order(run(state))),
        judged(order_actions.end_partial, order(run(state)), run(state), 40),
    )
    steps = {one.state for ends in result if isinstance(ends, tuple) for one in ends}
    if isinstance(judged(order_actions.resend, order(), run(state, outcome=A.NOT_BOUGHT), signed=True), LockedRun):
        steps.add(S.QUEUED)
    assert steps <= TRANSITIONS[state]
