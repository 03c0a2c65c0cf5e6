"""What a run must have met: each fault in each state it can happen in. One that is never made is never survived."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.simulation.model.connection import Fate
from tests.simulation.provider import AddFault, Habit, Lie

from opensmm.domain.evidence import Conclusion

DELIVERY = ("queued", "sending", "unsure", "pending", "in_progress", "held", "completed", "partial", "canceled")
AT_PROVIDER = ("pending", "in_progress")
POINTS = (
    *("place:lane", "place:commit", "cancel:commit", "refill:commit"),
    *("send:commit", "sending:start", "sending:asking", "sending:answering", "sending:lane", "sending:commit"),
    *("sending:sleep", "follow:commit", "follow:asking", "follow:answering"),
    *("evidence:asking", "evidence:answering", "evidence:commit"),
    *("cancels:asking", "cancels:answering", "cancels:commit", "refills:asking", "refills:answering", "refills:commit"),
)
WRITERS = ("place", "cancel", "refill", "send", "sending", "follow", "cancels", "refills", "chores", "evidence")
GROWING = (Habit.ALONE, Habit.AMONG_STRANGERS)

LEFT_UNSURE = "left to the operator"


def _each(faults: Iterable[Any], states: Iterable[str]) -> list[tuple[str, str]]:
    states = list(states)
    return [(str(fault), state) for fault in faults for state in states]


REQUIRED = (
    *_each(AddFault, ("add",)),
    *_each((lie for lie in Lie if lie is not Lie.NONE), AT_PROVIDER),
    *_each(("timed out", "HTTP 500", "garbled"), ("getstatus", "cancelorders", "requestrefills", "getrefillstatus")),
    *_each(("unreachable",), ("addorder", "getstatus", "cancelorders", "requestrefills", "getrefillstatus")),
    *_each(("killed", "frozen"), POINTS),
    *_each((Fate.UNHEARD, Fate.LOST, Fate.ALONE), WRITERS),
    *_each(("operator: chargeback", "operator: adjustment", "operator: bonus", "operator: payout"), ("done",)),
    *_each(("operator: chargeback",), ("overdrawn", "corrects_too_much")),
    *_each(("a cancel asked",), DELIVERY),
    *_each(("a cancel refused",), AT_PROVIDER),
    *_each(("a refill asked",), ("open", "completed", "partial", "canceled")),
    *_each(("idempotency key repeated",), ("unanswered", "open", "completed", "partial", "canceled")),
    *_each(
        ("order refused",),
        (
            *("funds", "suspended", "unknown_key", "idempotency_mismatch", "active_link"),
            *("quantity", "quantity_too_low", "quantity_too_high", "no_drip_feed", "runs", "interval"),
        ),
    ),
    *_each(("evidence: bought", "evidence: not_bought"), GROWING),
    *_each(("evidence: ambiguous", "evidence: unanswered"), (*GROWING, Habit.TALKATIVE)),
    *_each(("evidence: not_bought",), (Habit.TALKATIVE,)),
    *_each(("evidence: not_growing",), (Habit.SCATTERED,)),
    *_each(("evidence: no_neighbours", LEFT_UNSURE), Habit),
    *_each(("operator: cancel", "operator: complete", "operator: partial"), ("queued", *AT_PROVIDER, "held", "denied")),
    *_each(("operator: resend",), ("held", "denied")),
    *_each(("evidence: clock_stepped",), Habit),
    *_each(("database's clock forward", "database's clock back", "another node takes over"), ("hanging", "unsure")),
    *_each(("worker's clock ahead", "worker's clock behind"), ("hanging", "unsure")),
    *_each(("downtime", "database away", "standby silent", "provider down"), ("all",)),
)


def settled(met: Counter[tuple[str, str]]) -> str:
    """How the unsure orders of a run were settled, in words."""

    def count(what: str) -> int:
        return sum(met[what, habit] for habit in Habit)

    proved = count(f"evidence: {Conclusion.BOUGHT}"), count(f"evidence: {Conclusion.NOT_BOUGHT}")
    return f"unsure: {proved[0]:,} proved bought, {proved[1]:,} proved not bought, {count(LEFT_UNSURE):,} left"


def missing(met: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What should have been met and was not."""
    names = set(met)
    return [one for one in REQUIRED if one not in names]
