"""Health of the panel: facts in, findings out, each with a level, a code and its fields."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from opensmm.base.ids import ProviderId
from opensmm.domain import clock_findings
from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.clocks import NewestStep
from opensmm.domain.codes import BY_SETTING, FindingCode, LineFault, ShutCode
from opensmm.domain.dispatch import AccountFault
from opensmm.domain.findings import SEVERITY, Finding, Level
from opensmm.domain.order_actions import AT_PROVIDER_TOO_LONG, QUEUED_TOO_LONG
from opensmm.domain.price_sync import ListDoubt
from opensmm.domain.providers import BALANCE_EVERY, MANUAL, PANEL, BalanceReading, judge_adds
from opensmm.domain.server import DatabaseServer, server_findings

ALIVE_WITHIN: Final = timedelta(seconds=15)
"""A worker whose last heartbeat is older is dead."""
DUE_WARNING: Final = timedelta(minutes=1)
UNPOLLED_INTERVALS: Final = 2
UNPOLLED_GRACE: Final = timedelta(minutes=1)
"""A delivery is overdue after this many poll intervals and this grace: young ones are polled every second."""
UNPOLLED_CRITICAL: Final = timedelta(minutes=30)
UNSURE_CRITICAL: Final = timedelta(hours=1)
UNREAD_WARNING: Final = timedelta(minutes=1)
"""A single answer that is not understood is no finding: the next poll comes within this."""
UNREAD_CRITICAL: Final = timedelta(hours=6)
HELD_CRITICAL: Final = timedelta(days=1)
REFILL_WARNING: Final = timedelta(hours=1)
CANCEL_WARNING: Final = timedelta(minutes=10)
POSTS_WARNING: Final = timedelta(minutes=30)
POSTS_REMEMBERED: Final = timedelta(days=7)
FAILURES_WARNING: Final = 3
FAILURES_CRITICAL: Final = 10
"""Failures in a row; with the pauses between them, ten take more than five minutes."""
BALANCE_WARNING_H: Final = 24
BALANCE_CRITICAL_H: Final = 6
"""A balance that lasts no longer must be topped up now: a provider without money refuses everything."""
BALANCE_LITTLE: Final = Decimal(1)
"""In the provider's currency. Most orders are refused with less, and if nothing is spent, no pace of spending warns of
it."""
ANSWERED_WITHIN: Final = 6 * BALANCE_EVERY
"""A balance read longer ago is out of date, and no proof that its provider answers."""
TRANSACTION_WARNING: Final = timedelta(minutes=5)
TRANSACTION_CRITICAL: Final = timedelta(hours=4)
LISTS_MISSED: Final = 3
"""After so many intervals without a price list its costs are out of date."""
NAMED: Final = 5
"""Services that a finding lists by id."""
COUNTED: Final = 50_000
"""Most rows counted for one fact; if there are more, the count says "at least"."""


class WorkerSeen(Struct, frozen=True):
    """A worker's last heartbeat. ``shut``: providers that it cannot call, by id, with a code; None if not reported."""

    host: str
    pid: int
    started: datetime
    seen: datetime
    clock_off: timedelta | None = None
    shut: dict[str, str] | None = None


class WaitingCount(Struct, frozen=True):
    """Number of things that wait, and since when the oldest does."""

    count: int = 0
    since: datetime | None = None


class DeliveriesAtProviders(Struct, frozen=True):
    """Deliveries at providers: all of them, those whose poll is overdue, those that take too long."""

    count: int = 0
    unpolled: WaitingCount = WaitingCount()
    long: WaitingCount = WaitingCount()


class FollowedList(Struct, frozen=True):
    """Sync of a provider's price list: its interval, when a list was last taken over, and why none was since."""

    every: timedelta
    taken: datetime | None = None
    fault: ListDoubt | str = ""


class NamedServices(Struct, frozen=True):
    """Number of services, or of orders, and the ids of the first ones."""

    count: int = 0
    first: tuple[int, ...] = ()


class UnsoldServices(Struct, frozen=True):
    """Services on sale that are not sold, or not at this price.

    They wait for approval, no provider lists them as they are sold, they cost more than a price list asks, or their
    line in a provider's price list cannot be read. ``why_unread`` has the reasons of the first of the last kind.
    """

    quarantined: NamedServices = NamedServices()
    halted: NamedServices = NamedServices()
    below_cost: NamedServices = NamedServices()
    holds: bool = False
    unread: NamedServices = NamedServices()
    why_unread: tuple[tuple[int, LineFault], ...] = ()


class NoticeCounts(Struct, frozen=True):
    """Provider answers that the operator has yet to deal with: number of orders, and since when.

    ``first``: our order, the provider's name and its order id of the first ones.
    """

    count: int = 0
    since: datetime | None = None
    first: tuple[tuple[int, str, str], ...] = ()


class UnreadAnswers(Struct, frozen=True):
    """Deliveries, or refills, at providers whose newest answer is not understood.

    ``words`` are those of the answer that has not been understood for longest.
    """

    count: int = 0
    since: datetime | None = None
    provider_name: str = ""
    words: str = ""


class ProviderSeen(Struct, frozen=True):
    """A provider as last seen.

    ``failures``: sends that failed in a row; ``resting_until``: when it is tried again; ``accepted``: when it last took
    an order. ``balance``: the newest reading; ``balance_asked``: when a worker last requested it; ``hours_left``: how
    long it lasts from now, if the pace of spending is known. ``shut``: why it is not called, if known. ``unpolled``:
    its deliveries whose poll is overdue. ``followed``: None if its price list is not synced. ``refuses``: why it turns
    us away, with its answer in ``fault``.
    """

    id: ProviderId
    name: str
    kind: str = PANEL
    enabled: bool = True
    currency: str = ""
    failures: int = 0
    resting_until: datetime | None = None
    accepted: datetime | None = None
    balance_asked: datetime | None = None
    balance: BalanceReading | None = None
    hours_left: Decimal | None = None
    shut: ShutCode | None = None
    unpolled: WaitingCount = WaitingCount()
    followed: FollowedList | None = None
    refuses: AccountFault | None = None
    fault: CallAnswer = ""
    dialect: str = "v2"
    adds_at_a_time: int | None = None
    concurrency: int = 1


class PanelFacts(Struct, frozen=True):
    """The panel at one moment.

    ``due``: deliveries that could be sent and are not; ``forgotten``: orders that no loop will ever pick up;
    ``refills`` and ``cancels``: not yet passed on to their providers. ``posts``: orders that providers made for posts
    and that are not ours yet; ``refused_posts``: those that never will be, with ``since`` of the newest.
    """

    workers: tuple[WorkerSeen, ...]
    providers: tuple[ProviderSeen, ...]
    catalogue_version: int
    database_bytes: int
    oldest_transaction: datetime | None = None
    due: WaitingCount = WaitingCount()
    sending: int = 0
    moving: DeliveriesAtProviders = DeliveriesAtProviders()
    unsure: WaitingCount = WaitingCount()
    held: WaitingCount = WaitingCount()
    refills: WaitingCount = WaitingCount()
    cancels: WaitingCount = WaitingCount()
    unsold: UnsoldServices = UnsoldServices()
    posts: WaitingCount = WaitingCount()
    refused_posts: WaitingCount = WaitingCount()
    not_understood: UnreadAnswers = UnreadAnswers()
    refills_not_understood: UnreadAnswers = UnreadAnswers()
    forgotten: NamedServices = NamedServices()
    stepped: NewestStep | None = None
    late: NoticeCounts = NoticeCounts()
    odd: NoticeCounts = NoticeCounts()
    unheard: NoticeCounts = NoticeCounts()
    unclear_refills: NoticeCounts = NoticeCounts()
    server: DatabaseServer = DatabaseServer()


def alive(workers: Sequence[WorkerSeen], now: datetime) -> list[WorkerSeen]:
    """Returns the workers whose heartbeat is recent enough."""
    return [worker for worker in workers if now - worker.seen <= ALIVE_WITHIN]


def shut_at_workers(workers: Sequence[WorkerSeen], now: datetime) -> dict[ProviderId, ShutCode] | None:
    """Returns the providers that a living worker cannot call, and why; None if no worker has reported."""
    reports = [worker.shut for worker in alive(workers, now) if worker.shut is not None]
    # A newer release may know other codes.
    pairs = [pair for shut in reports for pair in shut.items() if pair[1] in set(ShutCode)]
    return {ProviderId(int(provider)): ShutCode(code) for provider, code in pairs} if reports else None


def judge(facts: PanelFacts, now: datetime) -> list[Finding]:
    """Returns the findings, in the order in which an operator reads them.

    Every name has a finding, well or not. Each provider has one; v1 panels have one for their adds, a synced price list
    has one, and a provider that is paid in advance has one for reading its balance and, once it was read, one for its
    amount.
    """
    return [
        _workers(facts, now),
        _waiting("due", FindingCode.DUE, facts.due, _by_age(facts.due, now, DUE_WARNING, QUEUED_TOO_LONG), now),
        _named("forgotten", FindingCode.FORGOTTEN_ORDERS, facts.forgotten, Level.CRITICAL, "orders"),
        _unpolled(facts.moving, now),
        _long(facts.moving, now),
        _answers_read("answers", FindingCode.ANSWERS_NOT_UNDERSTOOD, facts.not_understood, now),
        _for_operator("unsure", FindingCode.UNSURE_DELIVERIES, facts.unsure, UNSURE_CRITICAL, now),
        _noticed("late", FindingCode.LATE_ACCEPTANCES, facts.late, Level.CRITICAL, now),
        _for_operator("held", FindingCode.HELD_DELIVERIES, facts.held, HELD_CRITICAL, now),
        _noticed("odd", FindingCode.ODD_ENDS, facts.odd, Level.WARNING, now),
        _passing("refills", FindingCode.REFILLS_NOT_PASSED, facts.refills, REFILL_WARNING, now),
        _answers_read("refill answers", FindingCode.REFILL_ANSWERS_NOT_UNDERSTOOD, facts.refills_not_understood, now),
        _passing("cancels", FindingCode.CANCELS_NOT_PASSED, facts.cancels, CANCEL_WARNING, now),
        _noticed("unheard cancels", FindingCode.CANCELS_UNHEARD, facts.unheard, Level.CRITICAL, now),
        _noticed("unclear refills", FindingCode.REFILLS_UNCLEAR, facts.unclear_refills, Level.CRITICAL, now, "refill"),
        _posts(facts, now),
        *_providers(facts.providers, now),
        *_adds(facts.providers),
        *_balances(facts.providers, now),
        *_price_lists(facts.providers, now),
        *_unsold(facts.unsold),
        _database(facts, now),
        clock_findings.steps(facts.stepped, now),
        clock_findings.machines((worker.host, worker.pid, worker.clock_off) for worker in alive(facts.workers, now)),
        *server_findings(facts.server),
        Finding("catalogue", Level.OK, FindingCode.CATALOGUE, {"version": facts.catalogue_version}),
    ]


def _workers(facts: PanelFacts, now: datetime) -> Finding:
    living = alive(facts.workers, now)
    silent = [worker for worker in facts.workers if worker not in living]
    if not living:
        return Finding("workers", Level.CRITICAL, FindingCode.NO_WORKER)
    if not silent:
        return Finding("workers", Level.OK, FindingCode.WORKERS_ALIVE, {"count": len(living)})
    last = max(silent, key=lambda worker: worker.seen)
    fields = {"alive": len(living), "silent": len(silent), "host": last.host, "pid": last.pid, "age": now - last.seen}
    return Finding("workers", Level.WARNING, FindingCode.WORKERS_SILENT, fields)


def _waiting(name: str, code: FindingCode, waiting: WaitingCount, level: Level, now: datetime) -> Finding:
    return Finding(name, level, code, _counted(waiting, now))


def _unpolled(moving: DeliveriesAtProviders, now: datetime) -> Finding:
    level = _by_age(moving.unpolled, now, timedelta(0), UNPOLLED_CRITICAL)
    if level is Level.OK:
        return Finding("unpolled", level, FindingCode.DELIVERIES_HEARD_OF, _count(moving.count))
    return _waiting("unpolled", FindingCode.DELIVERIES_UNHEARD_OF, moving.unpolled, level, now)


def _long(moving: DeliveriesAtProviders, now: datetime) -> Finding:
    level = _by_age(moving.long, now, timedelta(0), None)
    fields = {"limit": AT_PROVIDER_TOO_LONG, **_counted(moving.long, now)}
    return Finding("long", level, FindingCode.LONG_AT_PROVIDERS, fields)


def _answers_read(name: str, code: FindingCode, answers: UnreadAnswers, now: datetime) -> Finding:
    if answers.since is None or now - answers.since < UNREAD_WARNING:
        return Finding(name, Level.OK, code, _count(0))
    level = Level.CRITICAL if now - answers.since >= UNREAD_CRITICAL else Level.WARNING
    words = {"provider_name": answers.provider_name, "words": answers.words}
    return Finding(name, level, code, {**_count(answers.count), **words, "age": now - answers.since})


def _for_operator(name: str, code: FindingCode, waiting: WaitingCount, critical: timedelta, now: datetime) -> Finding:
    return _waiting(name, code, waiting, _by_age(waiting, now, timedelta(0), critical), now)


def _noticed(
    name: str, code: FindingCode, notices: NoticeCounts, level: Level, now: datetime, of: str = "order"
) -> Finding:
    """``of``: name of the field with the number of each order or refill."""
    if not notices.count or notices.since is None:
        return Finding(name, Level.OK, code, _count(0))
    named = tuple(
        {of: number, "provider_name": provider, "provider_order": theirs} for number, provider, theirs in notices.first
    )
    fields = {"count": notices.count, "age": now - notices.since, "named": named}
    return Finding(name, level, code, fields)


def _passing(name: str, code: FindingCode, waiting: WaitingCount, warning: timedelta, now: datetime) -> Finding:
    return _waiting(name, code, waiting, _by_age(waiting, now, warning, None), now)


def _posts(facts: PanelFacts, now: datetime) -> Finding:
    if facts.refused_posts.count:
        refused = {"refused": facts.refused_posts.count, "remembered": POSTS_REMEMBERED}
        return Finding("posts", Level.WARNING, FindingCode.POSTS_REFUSED, {**_counted(facts.posts, now), **refused})
    level = _by_age(facts.posts, now, POSTS_WARNING, None)
    return _waiting("posts", FindingCode.POSTS_NOT_CHARGED, facts.posts, level, now)


def _providers(providers: tuple[ProviderSeen, ...], now: datetime) -> Iterator[Finding]:
    if not providers:
        yield Finding("providers", Level.WARNING, FindingCode.NO_PROVIDER)
    for provider in providers:
        yield _provider(provider, now)


def _provider(provider: ProviderSeen, now: datetime) -> Finding:
    name, of_provider = f"provider {provider.name}", _identify(provider)
    if provider.enabled and provider.refuses is not None:
        return Finding(name, Level.CRITICAL, _REFUSES[provider.refuses], {**of_provider, "words": provider.fault})
    if provider.enabled and provider.shut is not None:
        code = FindingCode.PROVIDER_NOT_ALLOWED if provider.shut in BY_SETTING else FindingCode.PROVIDER_NOT_OPENED
        return Finding(name, Level.CRITICAL, code, {**of_provider, "why": provider.shut})
    return _judge_calls(name, provider, now)


def _identify(provider: ProviderSeen) -> dict[str, object]:
    return {"provider": provider.id, "provider_name": provider.name}


_REFUSES: Final = {
    AccountFault.KEY: FindingCode.PROVIDER_REFUSES_KEY,
    AccountFault.FUNDS: FindingCode.PROVIDER_WITHOUT_FUNDS,
}


def _judge_calls(name: str, provider: ProviderSeen, now: datetime) -> Finding:
    """Judges the calls to a provider, and claims no more than is known of them."""
    unheard = _by_age(provider.unpolled, now, timedelta(0), UNPOLLED_CRITICAL)
    counted = _counted(provider.unpolled, now) if provider.unpolled.count else {}
    fields = {**_identify(provider), **counted}
    if not provider.enabled:
        return Finding(name, unheard, FindingCode.PROVIDER_DISABLED, fields)
    if provider.failures:
        rests = provider.resting_until is not None and provider.resting_until > now
        fields |= {"failures": provider.failures, "paused_until": provider.resting_until if rests else None}
        level = max(unheard, _by_failures(provider.failures), key=SEVERITY.__getitem__)
        return Finding(name, level, FindingCode.PROVIDER_FAILS, fields)
    if provider.unpolled.count:
        return Finding(name, unheard, FindingCode.PROVIDER_UNHEARD_OF, fields)
    code, age = _answers(provider, now)
    return Finding(name, unheard, code, fields | age)


def _answers(provider: ProviderSeen, now: datetime) -> tuple[FindingCode, dict[str, object]]:
    if provider.kind == MANUAL:
        return FindingCode.PROVIDER_IS_STAFF, {}
    answered = [provider.balance.at] if provider.balance else []
    answered += [provider.accepted] if provider.accepted else []
    if not answered:
        called = provider.balance_asked is not None
        return FindingCode.PROVIDER_SILENT if called else FindingCode.PROVIDER_NOT_CALLED_YET, {}
    age = now - max(answered)
    return FindingCode.PROVIDER_ANSWERS if age <= ANSWERED_WITHIN else FindingCode.PROVIDER_ANSWERED, {"age": age}


def _adds(providers: tuple[ProviderSeen, ...]) -> Iterator[Finding]:
    for provider in providers:
        if not provider.enabled or provider.kind != PANEL or provider.dialect != "v1":
            continue
        code, count = judge_adds(provider.dialect, provider.adds_at_a_time, provider.concurrency)
        level = Level.WARNING if code is FindingCode.ADDS_NOT_DECIDED else Level.OK
        fields = _identify(provider) | {"count": count}
        yield Finding(f"adds {provider.name}", level, code=code, fields=fields)


def _balances(providers: tuple[ProviderSeen, ...], now: datetime) -> Iterator[Finding]:
    for provider in providers:
        if not provider.enabled or provider.kind != PANEL:
            continue
        if provider.balance is not None:
            yield _balance(provider, provider.balance.balance)
        yield _reading(provider, now)


def _balance(provider: ProviderSeen, balance: Decimal) -> Finding:
    """Judges a balance.

    An empty one is reported whatever was spent: nothing is spent at a provider that refuses everything.
    """
    name, fields = f"balance {provider.name}", _identify(provider) | {"balance": balance, "currency": provider.currency}
    if balance <= 0:
        return Finding(name, Level.CRITICAL, FindingCode.BALANCE_GONE, fields)
    if provider.hours_left is not None:
        level, hours = _by_hours(provider.hours_left), {"hours": provider.hours_left}
        return Finding(name, level, FindingCode.BALANCE_LASTS, fields | hours)
    if balance < BALANCE_LITTLE:
        return Finding(name, Level.WARNING, FindingCode.BALANCE_TOO_LITTLE, fields)
    return Finding(name, Level.OK, FindingCode.BALANCE_AT_NO_PACE, fields)


def _reading(provider: ProviderSeen, now: datetime) -> Finding:
    name, fields = f"reading {provider.name}", _identify(provider)
    if provider.balance is not None:
        age = now - provider.balance.at
        level = Level.OK if age <= ANSWERED_WITHIN else Level.WARNING
        return Finding(name, level, FindingCode.BALANCE_READ, fields | {"age": age})
    if provider.balance_asked is not None:
        return Finding(name, Level.WARNING, FindingCode.BALANCE_NEVER_READ, fields)
    return Finding(name, Level.OK, FindingCode.BALANCE_NOT_ASKED_YET, fields)


def _price_lists(providers: tuple[ProviderSeen, ...], now: datetime) -> Iterator[Finding]:
    for provider in providers:
        followed = provider.followed
        if followed is None:
            continue
        fields = _identify(provider) | {"fault": followed.fault}
        late = followed.taken is None or now - followed.taken > LISTS_MISSED * followed.every
        # A disabled provider may be gone for good, and was disabled for that.
        level = Level.WARNING if provider.enabled and (late or followed.fault) else Level.OK
        code = FindingCode.PRICE_LIST_NEVER_READ if followed.taken is None else FindingCode.PRICE_LIST_TAKEN
        age = {} if followed.taken is None else {"age": now - followed.taken}
        yield Finding(f"price list {provider.name}", level, code, fields | age)


def _unsold(unsold: UnsoldServices) -> Iterator[Finding]:
    below = FindingCode.BELOW_COST_HELD if unsold.holds else FindingCode.BELOW_COST_REFUSED
    yield _named("quarantine", FindingCode.QUARANTINED, unsold.quarantined, Level.WARNING, "services")
    yield _named("halted", FindingCode.HALTED, unsold.halted, Level.WARNING, "services")
    yield _named("below cost", below, unsold.below_cost, Level.WARNING, "services")
    yield _unread(unsold)


def _named(name: str, code: FindingCode, services: NamedServices, level: Level, ids_name: str) -> Finding:
    """``ids_name``: name of the field with the first ids; ``more`` counts those beside them."""
    if not services.count:
        return Finding(name, Level.OK, code, _count(0))
    fields = {"count": services.count, ids_name: services.first, "more": services.count - len(services.first)}
    return Finding(name, level, code, fields)


def _unread(unsold: UnsoldServices) -> Finding:
    if not unsold.unread.count:
        return Finding("unread", Level.OK, FindingCode.UNREAD_SERVICES, _count(0))
    named = tuple({"service": service, "why": why} for service, why in unsold.why_unread)
    fields = {"count": unsold.unread.count, "named": named}
    return Finding("unread", Level.WARNING, FindingCode.UNREAD_SERVICES, fields)


def _by_hours(hours_left: Decimal) -> Level:
    if hours_left < BALANCE_CRITICAL_H:
        return Level.CRITICAL
    return Level.WARNING if hours_left < BALANCE_WARNING_H else Level.OK


def _by_failures(failures: int) -> Level:
    if failures >= FAILURES_CRITICAL:
        return Level.CRITICAL
    return Level.WARNING if failures >= FAILURES_WARNING else Level.OK


def _database(facts: PanelFacts, now: datetime) -> Finding:
    transaction = WaitingCount(1, facts.oldest_transaction) if facts.oldest_transaction is not None else WaitingCount()
    level = _by_age(transaction, now, TRANSACTION_WARNING, TRANSACTION_CRITICAL)
    fields: dict[str, object] = {"mib": facts.database_bytes // (1 << 20)}
    if level is Level.OK or facts.oldest_transaction is None:
        return Finding("database", level, FindingCode.DATABASE, fields)
    open_for = {"age": now - facts.oldest_transaction}
    return Finding("database", level, FindingCode.TRANSACTION_OPEN, fields | open_for)


def _by_age(waiting: WaitingCount, now: datetime, warning: timedelta, critical: timedelta | None) -> Level:
    if not waiting.count or waiting.since is None:
        return Level.OK
    age = now - waiting.since
    if critical is not None and age >= critical:
        return Level.CRITICAL
    return Level.WARNING if age >= warning else Level.OK


def _counted(waiting: WaitingCount, now: datetime) -> dict[str, object]:
    """Fields of a count and of the age of the oldest."""
    age = None if waiting.since is None or not waiting.count else now - waiting.since
    return _count(waiting.count) | {"age": age}


def _count(count: int) -> dict[str, object]:
    """Field of a count; ``at_least`` is added if counting stopped there."""
    return {"count": count, "at_least": True} if count >= COUNTED else {"count": count}
