"""Health of the panel: facts in, findings out, each with a level, a code and its fields."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from opensmm.domain import clock_findings
from opensmm.domain.codes import FindingCode
from opensmm.domain.findings import Finding, Level
from opensmm.domain.order_actions import AT_PROVIDER_TOO_LONG, QUEUED_TOO_LONG
from opensmm.domain.panel_facts import (
    AT_ONCE,
    POSTS_REMEMBERED,
    DeliveriesAtProviders,
    NamedServices,
    NoticeCounts,
    PanelFacts,
    UnreadAnswers,
    UnsoldServices,
    WaitingCount,
    alive,
    count_to_fields,
)
from opensmm.domain.provider_findings import UNPOLLED_CRITICAL, judge_providers
from opensmm.domain.server import server_findings

DUE_WARNING: Final = timedelta(minutes=1)
UNSURE_CRITICAL: Final = timedelta(hours=1)
UNREAD_WARNING: Final = timedelta(minutes=1)
"""A single answer that is not understood is no finding: the next poll comes within this."""
UNREAD_CRITICAL: Final = timedelta(hours=6)
HELD_CRITICAL: Final = timedelta(days=1)
REFILL_WARNING: Final = timedelta(hours=1)
CANCEL_WARNING: Final = timedelta(minutes=10)
POSTS_WARNING: Final = timedelta(minutes=30)
TRANSACTION_WARNING: Final = timedelta(minutes=5)
TRANSACTION_CRITICAL: Final = timedelta(hours=4)


def judge(facts: PanelFacts, now: datetime) -> list[Finding]:
    """Returns the findings, in the order in which an operator reads them.

    Every name has a finding, well or not; ``judge_providers`` says which ones a provider has.
    """
    return [
        _judge_workers(facts, now),
        _judge_waiting("due", FindingCode.DUE, facts.due, now, DUE_WARNING, QUEUED_TOO_LONG),
        _list_ids("forgotten", FindingCode.FORGOTTEN_ORDERS, facts.forgotten, Level.CRITICAL, "orders"),
        _judge_unpolled(facts.moving, now),
        _judge_long(facts.moving, now),
        _judge_answers("answers", FindingCode.ANSWERS_NOT_UNDERSTOOD, facts.not_understood, now),
        _judge_waiting("unsure", FindingCode.UNSURE_DELIVERIES, facts.unsure, now, AT_ONCE, UNSURE_CRITICAL),
        _list_notices("late", FindingCode.LATE_ACCEPTANCES, facts.late, Level.CRITICAL, now),
        _judge_waiting("held", FindingCode.HELD_DELIVERIES, facts.held, now, AT_ONCE, HELD_CRITICAL),
        _list_notices("odd", FindingCode.ODD_ENDS, facts.odd, Level.WARNING, now),
        _judge_waiting("refills", FindingCode.REFILLS_NOT_PASSED, facts.refills, now, REFILL_WARNING),
        _judge_answers("refill answers", FindingCode.REFILL_ANSWERS_NOT_UNDERSTOOD, facts.refills_not_understood, now),
        _judge_waiting("cancels", FindingCode.CANCELS_NOT_PASSED, facts.cancels, now, CANCEL_WARNING),
        _list_notices("unheard cancels", FindingCode.CANCELS_UNHEARD, facts.unheard, Level.CRITICAL, now),
        _list_notices(
            "unclear refills", FindingCode.REFILLS_UNCLEAR, facts.unclear_refills, Level.CRITICAL, now, "refill"
        ),
        _judge_posts(facts, now),
        *judge_providers(facts.providers, now),
        *_judge_unsold(facts.unsold),
        _judge_database(facts, now),
        clock_findings.steps(facts.stepped, now),
        clock_findings.machines((worker.host, worker.pid, worker.clock_off) for worker in alive(facts.workers, now)),
        *server_findings(facts.server),
        Finding("catalogue", Level.OK, FindingCode.CATALOGUE, {"version": facts.catalogue_version}),
    ]


def _judge_workers(facts: PanelFacts, now: datetime) -> Finding:
    living = alive(facts.workers, now)
    silent = [worker for worker in facts.workers if worker not in living]
    if not living:
        return Finding("workers", Level.CRITICAL, FindingCode.NO_WORKER)
    if not silent:
        return Finding("workers", Level.OK, FindingCode.WORKERS_ALIVE, {"count": len(living)})
    last = max(silent, key=lambda worker: worker.seen)
    fields = {"alive": len(living), "silent": len(silent), "host": last.host, "pid": last.pid, "age": now - last.seen}
    return Finding("workers", Level.WARNING, FindingCode.WORKERS_SILENT, fields)


def _judge_waiting(
    name: str,
    code: FindingCode,
    waiting: WaitingCount,
    now: datetime,
    warning: timedelta,
    critical: timedelta | None = None,
) -> Finding:
    return Finding(name, waiting.judge(now, warning, critical), code, waiting.to_fields(now))


def _judge_unpolled(moving: DeliveriesAtProviders, now: datetime) -> Finding:
    level = moving.unpolled.judge(now, AT_ONCE, UNPOLLED_CRITICAL)
    if level is Level.OK:
        return Finding("unpolled", level, FindingCode.DELIVERIES_HEARD_OF, count_to_fields(moving.count))
    return Finding("unpolled", level, FindingCode.DELIVERIES_UNHEARD_OF, moving.unpolled.to_fields(now))


def _judge_long(moving: DeliveriesAtProviders, now: datetime) -> Finding:
    level = moving.long.judge(now, AT_ONCE)
    fields = {"limit": AT_PROVIDER_TOO_LONG, **moving.long.to_fields(now)}
    return Finding("long", level, FindingCode.LONG_AT_PROVIDERS, fields)


def _judge_answers(name: str, code: FindingCode, answers: UnreadAnswers, now: datetime) -> Finding:
    if answers.since is None or now - answers.since < UNREAD_WARNING:
        return Finding(name, Level.OK, code, count_to_fields(0))
    level = Level.CRITICAL if now - answers.since >= UNREAD_CRITICAL else Level.WARNING
    words = {"provider_name": answers.provider_name, "words": answers.words}
    return Finding(name, level, code, {**count_to_fields(answers.count), **words, "age": now - answers.since})


def _list_notices(
    name: str, code: FindingCode, notices: NoticeCounts, level: Level, now: datetime, of: str = "order"
) -> Finding:
    """``of``: name of the field with the number of each order or refill."""
    if not notices.count or notices.since is None:
        return Finding(name, Level.OK, code, count_to_fields(0))
    named = tuple(
        {of: number, "provider_name": provider, "provider_order": theirs} for number, provider, theirs in notices.first
    )
    fields = {"count": notices.count, "age": now - notices.since, "named": named}
    return Finding(name, level, code, fields)


def _judge_posts(facts: PanelFacts, now: datetime) -> Finding:
    if facts.refused_posts.count:
        refused = {"refused": facts.refused_posts.count, "remembered": POSTS_REMEMBERED}
        return Finding("posts", Level.WARNING, FindingCode.POSTS_REFUSED, {**facts.posts.to_fields(now), **refused})
    return _judge_waiting("posts", FindingCode.POSTS_NOT_CHARGED, facts.posts, now, POSTS_WARNING)


def _judge_unsold(unsold: UnsoldServices) -> Iterator[Finding]:
    below = FindingCode.BELOW_COST_HELD if unsold.holds else FindingCode.BELOW_COST_REFUSED
    yield _list_ids("quarantine", FindingCode.QUARANTINED, unsold.quarantined, Level.WARNING, "services")
    yield _list_ids("halted", FindingCode.HALTED, unsold.halted, Level.WARNING, "services")
    yield _list_ids("below cost", below, unsold.below_cost, Level.WARNING, "services")
    yield _list_unread(unsold)


def _list_ids(name: str, code: FindingCode, services: NamedServices, level: Level, ids_name: str) -> Finding:
    """``ids_name``: name of the field with the first ids; ``more`` counts those beside them."""
    if not services.count:
        return Finding(name, Level.OK, code, count_to_fields(0))
    fields = {"count": services.count, ids_name: services.first, "more": services.count - len(services.first)}
    return Finding(name, level, code, fields)


def _list_unread(unsold: UnsoldServices) -> Finding:
    if not unsold.unread.count:
        return Finding("unread", Level.OK, FindingCode.UNREAD_SERVICES, count_to_fields(0))
    named = tuple({"service": service, "why": why} for service, why in unsold.why_unread)
    fields = {"count": unsold.unread.count, "named": named}
    return Finding("unread", Level.WARNING, FindingCode.UNREAD_SERVICES, fields)


def _judge_database(facts: PanelFacts, now: datetime) -> Finding:
    transaction = WaitingCount(1, facts.oldest_transaction) if facts.oldest_transaction is not None else WaitingCount()
    level = transaction.judge(now, TRANSACTION_WARNING, TRANSACTION_CRITICAL)
    fields: dict[str, object] = {"mib": facts.database_bytes // (1 << 20)}
    if level is Level.OK or facts.oldest_transaction is None:
        return Finding("database", level, FindingCode.DATABASE, fields)
    open_for = {"age": now - facts.oldest_transaction}
    return Finding("database", level, FindingCode.TRANSACTION_OPEN, fields | open_for)
