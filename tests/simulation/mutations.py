"""Bugs that panels have had, planted one at a time: a suite that misses one of them is not worth its time.

Where the rule lives in SQL alone, it is the model's line for that SQL that is spoilt.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from tests.simulation import provider as providers
from tests.simulation import staff
from tests.simulation.commit_mutations import COMMITS
from tests.simulation.model import customers as model_customers
from tests.simulation.model import dispatch as model_dispatch
from tests.simulation.model import evidence as model_evidence
from tests.simulation.model import payments as model_payments
from tests.simulation.model import placing as model_placing
from tests.simulation.model import polling as model_polling
from tests.simulation.model import refills as model_refills
from tests.simulation.model import settlement as model_settlement
from tests.simulation.planting import Mutation
from tests.simulation.wrong_clocks import CLOCKS

from opensmm.actions import cancels as canceling
from opensmm.actions import poller as following
from opensmm.actions import refills as refilling
from opensmm.actions import sending as dispatching
from opensmm.actions import settlement as ending
from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import PER_WHOLE, Money
from opensmm.domain import (
    cancels,
    dispatch,
    dripfeed,
    evidence,
    ledger,
    order_actions,
    orders,
    placing,
    polling,
    pricing,
    settlement,
)
from opensmm.domain.cancels import CancelStep, DeliveryPart
from opensmm.domain.dispatch import Declined, Deferred, DeliveryState, TurnedAway, Unsure, Verdict
from opensmm.domain.evidence import Patience
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport
from opensmm.domain.request_refusals import UNKNOWN_ORDER
from opensmm.wire import provider_answers


def _nothing(*arguments: Any, **more: Any) -> None:
    return None


_settle, _apply, _after_sending = settlement.settle, polling.apply_report, dispatch.after_sending
_record, _told_of, _keep = dispatching.record_outcomes, following.build_result, model_placing.keep
_model_record, _recover = model_dispatch.record, model_dispatch.recover
_add = providers.Caller.add
_give_back, _earn = ledger.give_back, ledger.earn


async def _cancelled_with_two_ls(connection: Any, arguments: Any, now: Any) -> Any:
    return [row for row in await _model_record(connection, arguments, now) if row[3] != "canceled"]


def _refunded_twice(sold: Any, ends: Any) -> Any:
    made = _settle(sold, ends)
    again = [msgspec.structs.replace(t, sequence=t.sequence + 1000) for t in made.transfers if t.kind == "refund"]
    return msgspec.structs.replace(made, transfers=(*made.transfers, *again), refunded=made.refunded * 2)


def _all_given_back(sold: Any, ends: Any) -> Any:
    return _settle(sold, [msgspec.structs.replace(end, remains=sold.quantity if end.remains else 0) for end in ends])


def _given_to_another(customer: Any, order: Any, sequence: int, amount: Any) -> Any:
    other = CustomerId(1 + customer % 6)
    return msgspec.structs.replace(_give_back(customer, order, sequence, amount), credit=ledger.account(other))


def _earned_by_the_customer(customer: Any, order: Any, sequence: int, amount: Any) -> Any:
    return msgspec.structs.replace(_earn(customer, order, sequence, amount), credit=ledger.account(customer))


def _unbounded(delivery: Any, report: StatusReport, requested: Any) -> Any:
    news = _apply(delivery, report, requested)
    if news is None or report.remains is None or report.status is OrderStatus.COMPLETED:
        return news
    return msgspec.structs.replace(news, remains=report.remains)


def _believed_partial(delivery: Any, report: StatusReport, requested: Any) -> Any:
    """What is out of range counts as all of it, and the end stands."""
    news = _apply(delivery, report, requested)
    if news is None or news.state is not DeliveryState.HELD:
        return news
    ended = DeliveryState.PARTIAL if report.status is OrderStatus.PARTIAL else DeliveryState.CANCELED
    return msgspec.structs.replace(news, state=ended)


def _unsure_means(state: DeliveryState, *, later: bool = False) -> Callable[..., Verdict]:
    def after(outcome: Any, **routes: Any) -> Verdict:
        return Verdict(state, later=later) if isinstance(outcome, Unsure) else _after_sending(outcome, **routes)

    return after


def _refused_means_unsure_route(outcome: Any, **routes: Any) -> Verdict:
    """Goes on to the next provider whatever the last one said."""
    left = routes["routes_left"]
    if isinstance(outcome, Unsure) and left:
        return Verdict(DeliveryState.QUEUED, next_route=True)
    return _after_sending(outcome, **routes)


def _frozen_by_an_error(followee: Any, report: Any, requested: Any, now: Any) -> Any:
    result = _told_of(followee, report, requested, now)
    return result if isinstance(report, StatusReport) else msgspec.structs.replace(result, due=None)


def _rounded_down(rate: Decimal, billed: int, *, packaged: bool = False) -> Any:
    numerator, denominator = rate.as_integer_ratio()
    return numerator * billed * (PER_WHOLE if packaged else PER_WHOLE // 1000) // denominator


def _earned_by_unit(rate: Decimal, quantity: int, run: int, delivered: int, *, packaged: bool = False) -> Any:
    """A run's money reckoned alone: the roundings of the runs add up to more than was charged."""
    return pricing.charge(rate, delivered, packaged=packaged)


def _any_order_of_news(row: Any, result: Any, requested: Any) -> bool:
    return bool(row.attempt == result.attempt and row.state in dispatch.ACCEPTED_STATES)


def _newer_but_blind(row: Any, result: Any, requested: Any) -> bool:
    return _any_order_of_news(row, result, requested) and (row.polled is None or row.polled < requested)


def _after_the_end_too(row: Any, result: Any, requested: Any) -> bool:
    return bool(row.attempt == result.attempt)


def _never_ended(delivery: Any, report: StatusReport, requested: Any) -> Any:
    moving = msgspec.structs.replace(delivery, state=DeliveryState.PENDING, polled=None)
    return _apply(moving, report, requested)


async def _sent_again_by_another(connection: Any, now: Any) -> int:
    """A worker that went away: its orders go back to the queue."""
    late = [row for row in connection.store.sending.values() if row.lease_until < now]
    await _recover(connection, now)
    for row in late:
        row.state, row.due = "queued", now
    return len(late)


async def _impatient(connection: Any, now: Any) -> int:
    """Nobody looks at the lease, and what was not recorded yet is taken for not sent."""
    for row in connection.store.sending.values():
        connection.store.edit(row).state = "queued"
        row.due = now
        connection.store.edit(connection.store.attempts[row.order, row.run, row.attempt]).outcome = "declined"
    return 0


def _fired_again(row: Any) -> bool:
    row.state = "queued"
    return True


def _in_a_burst(due: Any, released: Any, interval_min: int) -> Any:
    return due + timedelta(minutes=interval_min)


async def _charged_before(connection: Any, mark: Any, drafts: Any, now: Any, **guards: Any) -> Any:
    """The money is taken first, and in a statement of its own."""
    ids = await _keep(connection, mark, drafts, now, **guards)
    if None in ids and not connection.store.open:
        connection.store.begin()
        customer = drafts[ids.index(None)][0]
        lost = OrderId(10**9 + len(connection.store.transfers))
        model_customers.book(connection.store, [model_customers.hold(customer, lost, Money(1))])
        connection.store.commit()
    return ids


def _without_deliveries(store: Any, customer: Any, draft: Any, now: Any) -> Any:
    return _kept(store, customer, msgspec.structs.replace(draft, runs=max(1, draft.runs - 1)), now)


_kept = model_placing._keep


def _refill_of_anything(order: Any, now: Any) -> Any:
    return None if order is not None and order.offered and not order.open_refill else UNKNOWN_ORDER


def _may_always(*arguments: Any) -> bool:
    return True


async def _whatever_version(connection: Any, mark: Any, drafts: Any, now: Any, **guards: Any) -> Any:
    return await _keep(connection, mark, drafts, now, keys=guards.get("keys", ()))


def _step_ends(*states: DeliveryState) -> Callable[[DeliveryPart], CancelStep]:
    step = cancels._choose_step
    return lambda part: CancelStep.END if part.state in states else step(part)


def _of_anybody(self: Any, customer: Any, number: int, orders: Any) -> Any:
    return _decide_cancel(self, orders[0] if orders else customer, number, orders)


_decide_cancel = canceling._Plan.decide


async def _release_unfenced(connection: Any, batch: Any, registry: Any, now: Any) -> None:
    await _record(connection, batch, registry, now)
    unsent = [(claim.order, claim.run + 1, None) for claim, outcome in batch if isinstance(outcome, Deferred)]
    await model_dispatch.schedule_runs(connection, unsent)


async def _not_sent_after_all(self: Any, request: Any) -> Any:
    outcome = await _add(self, request)
    return Deferred(outcome.answer) if isinstance(outcome, Unsure) and "500" in str(outcome.answer) else outcome


_read_report, _read_refusal = provider_answers._read_report, provider_answers._read_refusal


def _refused_whoever_is_at_fault(words: str) -> Any:
    outcome = _read_refusal(words)
    return Declined(words) if isinstance(outcome, TurnedAway) else outcome


def _unknown_is_completed(answer: Any) -> Any:
    result = _read_report(answer)
    if result is None and isinstance(answer, dict) and "status" in answer:
        return StatusReport(status=OrderStatus.COMPLETED, remains=0)
    return result


def _overwritten(store: Any, name: Any, attempt: Any) -> None:
    store.provider_orders[name] = attempt


async def _forgotten(*arguments: Any) -> list[Any]:
    return []


async def _ended_without_money(connection: Any, ends: Any, now: Any) -> None:
    """The state is written in one transaction, the money in another that never came."""


_to_ask, _judge = evidence.ids_to_look_up, evidence._judge_suspect
_doubted = model_evidence.list_doubted


def _but_the_last(between: Any, owned: Any) -> Any:
    ids = _to_ask(between, owned)
    return ids[:-1] if ids else ids


def _nowhere(*arguments: Any) -> Sequence[int]:
    return ()


async def _known_anywhere(connection: Any, provider: Any, numbers: Any) -> frozenset[int]:
    """A provider's order ids, looked up without the provider."""
    return frozenset(int(order) for _, order in connection.store.provider_orders if int(order) in set(numbers))


async def _those_looked_into(connection: Any, orders: Any, now: Any, closed_by: Any) -> Any:
    attempts = await _doubted(connection, orders, now, closed_by)
    return {key: [one for one in those if one.suspect.key[0] in orders] for key, those in attempts.items()}


def _first_that_fits(suspect: Any, owners: Any, complete: bool) -> Any:
    mine = sorted(number for number, keys in (owners or {}).items() if suspect.key in keys)
    return evidence.Judgement(evidence.Conclusion.BOUGHT, mine[0]) if mine else _judge(suspect, owners, complete)


def _silence_is_proof(suspect: Any, owners: Any, complete: bool) -> Any:
    return _judge(suspect, owners, True)


MUTATIONS: Sequence[Mutation] = (
    Mutation(
        "cancelled with two l",
        "the refund's guard spells the word otherwise: no money goes back",
        [(model_dispatch, "record", _cancelled_with_two_ls)],
    ),
    Mutation("refunded twice", "two triggers each give the rest back", [(ending, "settle", _refunded_twice)]),
    Mutation(
        "partial refunds the charge",
        "whatever was delivered, all money goes back",
        [(ending, "settle", _all_given_back)],
    ),
    Mutation("given back to another", "a refund lands on another account", [(ledger, "give_back", _given_to_another)]),
    Mutation(
        "earnings to the customer",
        "what was delivered is paid back as well",
        [(ledger, "earn", _earned_by_the_customer)],
    ),
    Mutation(
        "remains unbounded",
        "ten times the quantity remains: ten times the charge goes back",
        [(polling, "apply_report", _unbounded)],
    ),
    Mutation(
        "an end out of range believed",
        "a partial without a count stands",
        [(polling, "apply_report", _believed_partial)],
    ),
    Mutation(
        "sent again after a time-out",
        "the provider had taken it",
        [(dispatching, "after_sending", _unsure_means(DeliveryState.QUEUED, later=True))],
    ),
    Mutation(
        "another provider after a time-out",
        "both had taken it",
        [(dispatching, "after_sending", _refused_means_unsure_route)],
    ),
    Mutation(
        "unsure refunded",
        "delivered and given back",
        [(dispatching, "after_sending", _unsure_means(DeliveryState.CANCELED))],
    ),
    Mutation(
        "any error is a refusal",
        "'Something went wrong' after the order was taken",
        [(provider_answers, "_read_refusal", Declined)],
    ),
    Mutation(
        "our key refused, the order canceled",
        "'Invalid API key' to every add: all that was ordered is cancelled at once",
        [(provider_answers, "_read_refusal", _refused_whoever_is_at_fault)],
    ),
    Mutation("HTTP 500 is not sent", "it had been read, and bought", [(providers.Caller, "add", _not_sent_after_all)]),
    Mutation(
        "negative quantity times negative runs",
        "a positive charge for nothing",
        [(orders, "_check_quantity", _nothing), (dripfeed, "check", _nothing)],
    ),
    Mutation(
        "no range of quantity", "an order for none, or for more than is sold", [(orders, "_check_quantity", _nothing)]
    ),
    Mutation(
        "a look-up error freezes",
        "one error, and nobody asks again",
        [(following, "build_result", _frozen_by_an_error)],
    ),
    Mutation(
        "unknown words complete",
        "'Teapot' earns the whole charge",
        [(provider_answers, "_read_report", _unknown_is_completed)],
    ),
    Mutation("price rounded down", "a thousand small orders cost nothing", [(pricing, "charge", _rounded_down)]),
    Mutation(
        "runs rounded alone", "the runs' shares exceed the charge", [(settlement, "compute_earnings", _earned_by_unit)]
    ),
    Mutation(
        "older news over newer", "a late answer takes the end back", [(model_polling, "_counts", _any_order_of_news)]
    ),
    Mutation(
        "reckoned from what was known",
        "an answer without news takes back what came in between",
        [(model_polling, "_counts", _newer_but_blind)],
    ),
    Mutation(
        "news after the end",
        "completed, then cancelled: paid and given back",
        [(model_polling, "_counts", _after_the_end_too), (polling, "apply_report", _never_ended)],
    ),
    Mutation(
        "queued again after a crash", "its worker had sent it", [(model_dispatch, "recover", _sent_again_by_another)]
    ),
    Mutation("lease ignored", "slow is taken for dead", [(model_dispatch, "recover", _impatient)]),
    Mutation(
        "adds of others not counted",
        "each worker sends one at a time, and there are three",
        [(model_dispatch, "_adds_left", lambda store, provider, limit: provider.adds_at_a_time or limit)],
    ),
    Mutation(
        "fence ignored",
        "the worker that froze overwrites the one that took over",
        [(model_dispatch, "_is_its_own", lambda one, row: row.state not in dispatch.END_STATES)],
    ),
    Mutation(
        "next run's time taken away",
        "a late result stops a drip-feed for good",
        [(dispatching, "record_outcomes", _release_unfenced)],
    ),
    Mutation(
        "a run fired twice", "a release that does not look at the state", [(model_dispatch, "_may_wait", _fired_again)]
    ),
    Mutation("burst after downtime", "all the runs that were missed, at once", [(dripfeed, "next_due", _in_a_burst)]),
    Mutation(
        "idempotency ignored",
        "the client asked again because the answer was lost",
        [(placing, "_find_earlier", _nothing)],
    ),
    Mutation(
        "charge without order", "the money is taken in another transaction", [(model_placing, "keep", _charged_before)]
    ),
    Mutation("a delivery too few", "sold, charged, never sent", [(model_placing, "_keep", _without_deliveries)]),
    Mutation(
        "balance read, then written", "a thousand orders with funds for one", [(model_placing, "_may", _may_always)]
    ),
    Mutation("price list looked at once", "sold at yesterday's price", [(model_placing, "keep", _whatever_version)]),
    Mutation(
        "refill while one is open",
        "the provider is asked ten times",
        [(model_refills, "OPEN_REFILLS", frozenset[str]())],
    ),
    Mutation(
        "refill of what is not completed",
        "a partial is delivered again for nothing",
        [(refilling, "check", _refill_of_anything)],
    ),
    Mutation(
        "cancel wins against sending",
        "given back while it is being bought",
        [(cancels, "_choose_step", _step_ends(DeliveryState.SENDING))],
    ),
    Mutation(
        "cancel wins against unsure",
        "given back, and it had been bought",
        [(cancels, "_choose_step", _step_ends(DeliveryState.UNSURE))],
    ),
    Mutation(
        "cancel without asking the provider",
        "given back while it is delivered",
        [(cancels, "_choose_step", _step_ends(DeliveryState.PENDING, DeliveryState.IN_PROGRESS))],
    ),
    Mutation(
        "anybody's order",
        "ids are counted up: one cancels the others' orders",
        [(canceling._Plan, "decide", _of_anybody)],
    ),
    Mutation(
        "one provider's order for two",
        "the second customer gets the first one's delivery",
        [(model_dispatch, "_bind", _overwritten)],
    ),
    Mutation(
        "a payment booked twice",
        "the gateway tells everything twice",
        [(model_payments, "list_same_deposits", _forgotten)],
    ),
    Mutation(
        "a link held for ever", "'You have active order with this link'", [(model_settlement, "_free_link", _nothing)]
    ),
    Mutation(
        "an end without its money",
        "the state is kept, the transfer is lost",
        [(ending, "end", _ended_without_money)],
    ),
    Mutation(
        "evidence without patience",
        "the provider took it in a little later: bought twice",
        [(staff, "PATIENCE", Patience(taking_in=timedelta(seconds=1), skew=timedelta()))],
    ),
    Mutation(
        "the last id not asked for", "it was that one: bought twice", [(evidence, "ids_to_look_up", _but_the_last)]
    ),
    Mutation("no controls", "a stranger's order is taken for ours", [(evidence, "choose_controls", _nowhere)]),
    Mutation(
        "ids known from another provider",
        "both count from a thousand: the id that was bought is not asked for",
        [(model_evidence, "find_known", _known_anywhere)],
    ),
    Mutation(
        "only those looked into may own",
        "what is found belonged to one whose turn had not come",
        [(model_evidence, "list_doubted", _those_looked_into)],
    ),
    Mutation("the first id that fits", "several were unsure at once", [(evidence, "_judge_suspect", _first_that_fits)]),
    Mutation(
        "no answer is no order", "the id not spoken of was the one", [(evidence, "_judge_suspect", _silence_is_proof)]
    ),
    *CLOCKS,
    Mutation(
        "runs wait for one that was ended by hand",
        "the runs after one that is never sent are never due",
        [(order_actions, "find_released", lambda *told: [])],
    ),
    Mutation(
        "a refill of nobody",
        "a refill is taken for an order that no provider ever had",
        [(model_refills, "_taken_by_any", lambda *told: True)],
    ),
    *COMMITS,
)
