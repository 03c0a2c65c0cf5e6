"""Whether the panel is well: facts in, findings out, each with a level and words that say what to do."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from opensmm.base.ids import ProviderId
from opensmm.base.spans import span
from opensmm.domain import clock_findings
from opensmm.domain.clocks import Stepped
from opensmm.domain.codes import BY_SETTING, FindingCode, ShutCode
from opensmm.domain.dispatch import AccountFault
from opensmm.domain.findings import SEVERITY, Finding, Level
from opensmm.domain.interventions import AT_PROVIDER_TOO_LONG, QUEUED_TOO_LONG
from opensmm.domain.providers import BALANCE_EVERY, PANEL, STAFF, Reading
from opensmm.domain.server import Server, server_findings

ALIVE_WITHIN: Final = timedelta(seconds=15)
"""A worker not heard of for longer is taken for dead."""
DUE_LOOK: Final = timedelta(minutes=1)
UNPOLLED_INTERVALS: Final = 2
UNPOLLED_GRACE: Final = timedelta(minutes=1)
"""A delivery is unheard of after so many of its poll intervals and this: young ones are asked after every second."""
UNPOLLED_ACT: Final = timedelta(minutes=30)
UNSURE_ACT: Final = timedelta(hours=1)
UNREAD_LOOK: Final = timedelta(minutes=1)
"""An answer that is not understood may be one alone: the next one is asked for within this."""
UNREAD_ACT: Final = timedelta(hours=6)
HELD_ACT: Final = timedelta(days=1)
REFILL_LOOK: Final = timedelta(hours=1)
CANCEL_LOOK: Final = timedelta(minutes=10)
POSTS_LOOK: Final = timedelta(minutes=30)
POSTS_REMEMBERED: Final = timedelta(days=7)
FAILURES_LOOK: Final = 3
FAILURES_ACT: Final = 10
"""Failures in a row; with the pauses between them, ten take more than five minutes."""
BALANCE_LOOK_H: Final = 24
BALANCE_ACT_H: Final = 6
"""A balance that lasts no longer is topped up now: a provider without money refuses everything."""
BALANCE_LITTLE: Final = Decimal(1)
"""In the provider's currency: with less most orders are refused, and where nothing is spent no pace tells of it."""
ANSWERED_WITHIN: Final = 6 * BALANCE_EVERY
"""A balance read longer ago is no longer taken for known, nor is its provider said to answer."""
TRANSACTION_LOOK: Final = timedelta(minutes=5)
TRANSACTION_ACT: Final = timedelta(hours=4)
LISTS_MISSED: Final = 3
"""After so many intervals without a price list its costs are no longer taken for known."""
NAMED: Final = 5
"""Services that a finding names one by one."""
COUNTED: Final = 50_000
"""Rows that are looked at for one fact; where there are more, the count says "at least"."""


class WorkerSeen(Struct, frozen=True):
    """``shut``: the providers that it cannot call, by id, each with the code of the reason; None: it did not tell."""

    host: str
    pid: int
    started: datetime
    seen: datetime
    clock_off: timedelta | None = None
    shut: dict[str, str] | None = None


class Waiting(Struct, frozen=True):
    """How many wait, and since when the oldest of them does."""

    count: int = 0
    since: datetime | None = None


class Moving(Struct, frozen=True):
    """Deliveries at providers: all, those whose provider has not been heard for too long, those there for too long."""

    count: int = 0
    unpolled: Waiting = Waiting()
    long: Waiting = Waiting()


class Followed(Struct, frozen=True):
    """How a provider's price list is followed: how often, when it was last taken over, and why not since."""

    every: timedelta
    taken: datetime | None = None
    fault: str = ""


class Named(Struct, frozen=True):
    """How many services, or orders, and the ids of the first of them."""

    count: int = 0
    first: tuple[int, ...] = ()


class Shelf(Struct, frozen=True):
    """Services on sale that are not sold, or not at this price: those that wait for approval, those that no provider
    lists as they are sold, those that cost more than a price list asks, and those whose line in a provider's price list
    cannot be read, with why of the first."""

    quarantined: Named = Named()
    halted: Named = Named()
    below_cost: Named = Named()
    holds: bool = False
    unread: Named = Named()
    why_unread: tuple[tuple[int, str], ...] = ()


class Notices(Struct, frozen=True):
    """Providers' answers that the operator has yet to deal with: how many orders, since when, and the first of them,
    each as our order and their order at a provider."""

    count: int = 0
    since: datetime | None = None
    first: tuple[tuple[int, str, str], ...] = ()


class NotUnderstood(Struct, frozen=True):
    """Deliveries at providers whose newest answer is not understood: how many, since when, and the words of the one
    that is so for longest."""

    count: int = 0
    since: datetime | None = None
    provider_name: str = ""
    words: str = ""


class ProviderSeen(Struct, frozen=True):
    """``failures`` are of sends, in a row; ``resting_until`` is when it is tried again; ``accepted`` is when it last
    took an order. ``balance`` is the newest that it told, ``balance_asked`` when a worker last went to ask for it, and
    ``hours_left`` how long it lasts from now on, where a pace is known. ``shut``: why it is not called, as far as is
    known. ``unpolled`` are its deliveries that were not heard of for too long. ``followed`` is None where its
    price list is not. ``refuses``: why it turns us away, in the words of ``fault``."""

    id: ProviderId
    name: str
    kind: str = PANEL
    enabled: bool = True
    currency: str = ""
    failures: int = 0
    resting_until: datetime | None = None
    accepted: datetime | None = None
    balance_asked: datetime | None = None
    balance: Reading | None = None
    hours_left: Decimal | None = None
    shut: ShutCode | None = None
    unpolled: Waiting = Waiting()
    followed: Followed | None = None
    refuses: AccountFault | None = None
    fault: str = ""


class Facts(Struct, frozen=True):
    """The panel at one moment. ``due`` could be sent and is not; ``forgotten`` nobody will ever see to; ``refills``
    and ``cancels`` their providers have yet to hear of. ``posts`` are orders that providers made for posts and that are
    not ours yet; ``refused_posts`` never will be, and ``since`` is the newest of them."""

    workers: tuple[WorkerSeen, ...]
    providers: tuple[ProviderSeen, ...]
    catalogue_version: int
    database_bytes: int
    oldest_transaction: datetime | None = None
    due: Waiting = Waiting()
    sending: int = 0
    moving: Moving = Moving()
    unsure: Waiting = Waiting()
    held: Waiting = Waiting()
    refills: Waiting = Waiting()
    cancels: Waiting = Waiting()
    shelf: Shelf = Shelf()
    posts: Waiting = Waiting()
    refused_posts: Waiting = Waiting()
    not_understood: NotUnderstood = NotUnderstood()
    forgotten: Named = Named()
    stepped: Stepped | None = None
    late: Notices = Notices()
    odd: Notices = Notices()
    unheard: Notices = Notices()
    unclear_refills: Notices = Notices()
    server: Server = Server()


def alive(facts: Facts, now: datetime) -> list[WorkerSeen]:
    return _alive(facts.workers, now)


def _alive(workers: Sequence[WorkerSeen], now: datetime) -> list[WorkerSeen]:
    return [worker for worker in workers if now - worker.seen <= ALIVE_WITHIN]


def shut_at_workers(workers: Sequence[WorkerSeen], now: datetime) -> dict[ProviderId, ShutCode] | None:
    """Returns the providers that a living worker cannot call, and why; None where no worker has told."""
    told = [worker.shut for worker in _alive(workers, now) if worker.shut is not None]
    # A newer release may know other codes.
    pairs = [pair for shut in told for pair in shut.items() if pair[1] in set(ShutCode)]
    return {ProviderId(int(provider)): ShutCode(code) for provider, code in pairs} if told else None


def judge(facts: Facts, now: datetime) -> list[Finding]:
    """What an operator must know, in the order in which to read it. There is a finding of every name, well or not;
    providers have one each, one for a price list that is followed, and where they are paid in advance one for when
    the balance was read and, once it was, one for what it is."""
    return [
        _workers(facts, now),
        _due(facts.due, now),
        _forgotten(facts.forgotten),
        _unpolled(facts.moving, now),
        _long(facts.moving, now),
        _answers_read(facts.not_understood, now),
        _for_operator("unsure", "unsure whether the provider took them", facts.unsure, UNSURE_ACT, _SETTLE, now),
        _noticed("late", FindingCode.LATE_ACCEPTANCES, facts.late, Level.ACT, now),
        _for_operator("held", "held for you", facts.held, HELD_ACT, _DECIDE, now),
        _noticed("odd", FindingCode.ODD_ENDS, facts.odd, Level.LOOK, now),
        _passing("refills", facts.refills, REFILL_LOOK, now),
        _passing("cancels", facts.cancels, CANCEL_LOOK, now),
        _noticed("unheard cancels", FindingCode.CANCELS_UNHEARD, facts.unheard, Level.ACT, now),
        _noticed("unclear refills", FindingCode.REFILLS_UNCLEAR, facts.unclear_refills, Level.ACT, now),
        _posts(facts, now),
        *_providers(facts.providers, now),
        *_balances(facts.providers, now),
        *_price_lists(facts.providers, now),
        *_shelf(facts.shelf),
        _database(facts, now),
        clock_findings.steps(facts.stepped, now),
        clock_findings.machines((one.host, one.pid, one.clock_off) for one in alive(facts, now)),
        *server_findings(facts.server),
        Finding("catalogue", Level.OK, f"version {facts.catalogue_version}"),
    ]


_START: Final = "start `opensmm worker` or `opensmm serve`; its log says why it went"
_SEND: Final = "see the workers and the providers below; workers that are all busy need another beside them"
_POLL: Final = "see the providers below, and `a provider did not answer` in the worker's log"
_ASK: Final = "`opensmm orders list --stuck` names them; ask the provider about the oldest"
_SETTLE: Final = "look each up at its provider: nothing is sent again or paid back until it is settled"
_DECIDE: Final = "`opensmm orders show ORDER` tells why; they wait for your decision"
_TELL: Final = "see the providers below; one that knows no such action must be told by hand"
_CHARGE: Final = "`opensmm orders show ORDER` of a paused subscription tells why; without funds for a day it is stopped"
_REACH: Final = "see whether it can be reached from here, and what the worker's log says of it"
_TOP_UP: Final = "top it up there; `opensmm provider balance NAME` asks again"
_READ: Final = "`opensmm provider balance NAME` asks again, and says why it cannot be had"
_SYNC: Final = "`opensmm provider sync NAME` reads it again, and says why; --confirm takes a list that lacks much"
_TRANSACTION: Final = "find it in pg_stat_activity; while it lasts, dead rows of every table stay"


def _workers(facts: Facts, now: datetime) -> Finding:
    living = alive(facts, now)
    silent = [worker for worker in facts.workers if worker not in living]
    if not living:
        return Finding("workers", Level.ACT, "no worker is alive: nothing is sent or followed", _START)
    if not silent:
        return Finding("workers", Level.OK, f"{len(living)} alive")
    last = max(silent, key=lambda worker: worker.seen)
    words = f"{len(living)} alive, {len(silent)} fell silent; the last: {last.host} pid {last.pid}"
    return Finding("workers", Level.LOOK, f"{words}, {span(now - last.seen)} ago", _START)


def _due(due: Waiting, now: datetime) -> Finding:
    level = _by_age(due, now, DUE_LOOK, QUEUED_TOO_LONG)
    return Finding("due", level, f"{_count(due)} due to be sent{_since(due, now)}", _SEND if level != Level.OK else "")


def _unpolled(moving: Moving, now: datetime) -> Finding:
    level = _by_age(moving.unpolled, now, timedelta(0), UNPOLLED_ACT)
    if level is Level.OK:
        return Finding("unpolled", level, f"{_number(moving.count)} at providers, all heard of in time")
    late = moving.unpolled
    words = f"{_count(late)} at providers not heard of in twice their time{_since(late, now)}"
    return Finding("unpolled", level, words, _POLL)


def _long(moving: Moving, now: datetime) -> Finding:
    level = _by_age(moving.long, now, timedelta(0), None)
    words = f"{_count(moving.long)} at providers for more than {span(AT_PROVIDER_TOO_LONG)}{_since(moving.long, now)}"
    return Finding("long", level, words, _ASK if level != Level.OK else "")


def _answers_read(found: NotUnderstood, now: datetime) -> Finding:
    if found.since is None or now - found.since < UNREAD_LOOK:
        return Finding("answers", Level.OK, "none")
    level = Level.ACT if now - found.since >= UNREAD_ACT else Level.LOOK
    fields = {"count": found.count, "provider": found.provider_name, "words": found.words, "age": now - found.since}
    return Finding("answers", level, code=FindingCode.ANSWERS_NOT_UNDERSTOOD, fields=fields)


def _for_operator(name: str, words: str, found: Waiting, act: timedelta, do: str, now: datetime) -> Finding:
    level = _by_age(found, now, timedelta(0), act)
    return Finding(name, level, f"{_count(found)} {words}{_since(found, now)}", do if level != Level.OK else "")


def _forgotten(forgotten: Named) -> Finding:
    if not forgotten.count:
        return Finding("forgotten", Level.OK, "none")
    fields = {"count": forgotten.count, "orders": forgotten.first}
    return Finding("forgotten", Level.ACT, code=FindingCode.FORGOTTEN_ORDERS, fields=fields)


def _noticed(name: str, code: FindingCode, notices: Notices, level: Level, now: datetime) -> Finding:
    if not notices.count or notices.since is None:
        return Finding(name, Level.OK, "none")
    named = tuple(f"{order} ({provider}: {theirs})" for order, provider, theirs in notices.first)
    fields = {"count": notices.count, "age": now - notices.since, "named": named}
    return Finding(name, level, code=code, fields=fields)


def _passing(name: str, waiting: Waiting, look: timedelta, now: datetime) -> Finding:
    level = _by_age(waiting, now, look, None)
    words = f"{_number(waiting.count)} to be passed on{_since(waiting, now)}"
    return Finding(name, level, words, _TELL if level != Level.OK else "")


def _posts(facts: Facts, now: datetime) -> Finding:
    level = Level.LOOK if facts.refused_posts.count else _by_age(facts.posts, now, POSTS_LOOK, None)
    words = f"{_number(facts.posts.count)} made by providers and not charged yet{_since(facts.posts, now)}"
    if facts.refused_posts.count:
        words += f"; {_number(facts.refused_posts.count)} in the last {span(POSTS_REMEMBERED)} never will be"
    return Finding("posts", level, words, _CHARGE if level != Level.OK else "")


def _providers(providers: tuple[ProviderSeen, ...], now: datetime) -> Iterator[Finding]:
    if not providers:
        yield Finding("providers", Level.LOOK, "there is none: nothing can be fulfilled", "add one")
    for provider in providers:
        if provider.enabled and provider.refuses is not None:
            fields = {"provider": provider.name, "words": provider.fault}
            yield Finding(f"provider {provider.name}", Level.ACT, code=_REFUSES[provider.refuses], fields=fields)
            continue
        if provider.enabled and provider.shut is not None:
            code = FindingCode.PROVIDER_NOT_ALLOWED if provider.shut in BY_SETTING else FindingCode.PROVIDER_NOT_OPENED
            fields = {"provider": provider.name, "why": provider.shut}
            yield Finding(f"provider {provider.name}", Level.ACT, code=code, fields=fields)
            continue
        level, words, do = _fares(provider, now)
        yield Finding(f"provider {provider.name}", level, words, do)


_REFUSES: Final = {
    AccountFault.KEY: FindingCode.PROVIDER_REFUSES_KEY,
    AccountFault.FUNDS: FindingCode.PROVIDER_WITHOUT_FUNDS,
}


def _fares(provider: ProviderSeen, now: datetime) -> tuple[Level, str, str]:
    """How a provider fares, in no other words than what is known of it bears out."""
    levels, words = [Level.OK], []
    if not provider.enabled:
        words.append("disabled: it is sent nothing")
    elif provider.failures:
        resting = provider.resting_until is not None and provider.resting_until > now
        words.append(
            f"failed {provider.failures} times in a row{', and is left alone for a moment' if resting else ''}"
        )
        levels.append(_by_failures(provider.failures))
    if provider.unpolled.count:
        words.append(f"{_count(provider.unpolled)} not heard of in twice their time{_since(provider.unpolled, now)}")
        levels.append(_by_age(provider.unpolled, now, timedelta(0), UNPOLLED_ACT))
    level = max(levels, key=SEVERITY.__getitem__)
    return level, "; ".join(words) or _answers(provider, now), _REACH if level != Level.OK else ""


def _answers(provider: ProviderSeen, now: datetime) -> str:
    if provider.kind == STAFF:
        return "your own staff: it is not called"
    told = [provider.balance.at] if provider.balance else []
    told += [provider.accepted] if provider.accepted else []
    if not told:
        return "not called yet" if provider.balance_asked is None else "has told no balance and taken no order yet"
    age = now - max(told)
    return "answers" if age <= ANSWERED_WITHIN else f"last told its balance or took an order {span(age)} ago"


def _balances(providers: tuple[ProviderSeen, ...], now: datetime) -> Iterator[Finding]:
    for provider in providers:
        if not provider.enabled or provider.kind != PANEL:
            continue
        if provider.balance is not None:
            level, words = _left(provider, provider.balance.balance)
            yield Finding(f"balance {provider.name}", level, words, _TOP_UP if level != Level.OK else "")
        level, words = _read(provider, now)
        yield Finding(f"reading {provider.name}", level, words, _READ if level != Level.OK else "")


def _left(provider: ProviderSeen, balance: Decimal) -> tuple[Level, str]:
    """An empty balance is told whatever was spent: of a provider that refuses everything nothing is bought any more."""
    if balance <= 0:
        return Level.ACT, "nothing is left"
    if provider.hours_left is not None:
        return _by_hours(provider.hours_left), f"lasts {provider.hours_left} h at the pace of the last day"
    if balance < BALANCE_LITTLE:
        return Level.LOOK, f"{balance} {provider.currency} are left, too little for most orders"
    return Level.OK, f"{balance} {provider.currency}; how long it lasts is not known"


def _read(provider: ProviderSeen, now: datetime) -> tuple[Level, str]:
    if provider.balance is not None:
        age = now - provider.balance.at
        return Level.OK if age <= ANSWERED_WITHIN else Level.LOOK, f"its balance was read {span(age)} ago"
    if provider.balance_asked is not None:
        return Level.LOOK, "its balance was asked for, and never read"
    return Level.OK, "its balance was not asked for yet"


def _price_lists(providers: tuple[ProviderSeen, ...], now: datetime) -> Iterator[Finding]:
    for provider in providers:
        followed = provider.followed
        if followed is None:
            continue
        name = f"price list {provider.name}"
        words = "never read" if followed.taken is None else f"taken over {span(now - followed.taken)} ago"
        late = followed.taken is None or now - followed.taken > LISTS_MISSED * followed.every
        why = f"; the newest was not: {followed.fault}" if followed.fault else ""
        # A disabled provider may be gone for good, and was disabled for that.
        look = provider.enabled and (late or followed.fault)
        yield Finding(name, Level.LOOK if look else Level.OK, f"{words}{why}", _SYNC if look else "")


def _shelf(shelf: Shelf) -> Iterator[Finding]:
    below = FindingCode.BELOW_COST_HELD if shelf.holds else FindingCode.BELOW_COST_REFUSED
    told = (
        ("quarantine", shelf.quarantined, FindingCode.QUARANTINED),
        ("halted", shelf.halted, FindingCode.HALTED),
        ("below cost", shelf.below_cost, below),
    )
    for name, found, code in told:
        if not found.count:
            yield Finding(name, Level.OK, "none")
            continue
        more = (f"and {found.count - len(found.first)} more",) if found.count > len(found.first) else ()
        yield Finding(name, Level.LOOK, code=code, fields={"count": found.count, "services": (*found.first, *more)})
    yield _unread(shelf)


def _unread(shelf: Shelf) -> Finding:
    if not shelf.unread.count:
        return Finding("unread", Level.OK, "none")
    fields = {"count": shelf.unread.count, "named": "; ".join(f"{service} {why}" for service, why in shelf.why_unread)}
    return Finding("unread", Level.LOOK, code=FindingCode.UNREAD_SERVICES, fields=fields)


def _by_hours(hours_left: Decimal) -> Level:
    if hours_left < BALANCE_ACT_H:
        return Level.ACT
    return Level.LOOK if hours_left < BALANCE_LOOK_H else Level.OK


def _by_failures(failures: int) -> Level:
    if failures >= FAILURES_ACT:
        return Level.ACT
    return Level.LOOK if failures >= FAILURES_LOOK else Level.OK


def _database(facts: Facts, now: datetime) -> Finding:
    open_one = Waiting(1, facts.oldest_transaction) if facts.oldest_transaction is not None else Waiting()
    level = _by_age(open_one, now, TRANSACTION_LOOK, TRANSACTION_ACT)
    size = f"{facts.database_bytes // (1 << 20)} MiB"
    if level is Level.OK:
        return Finding("database", level, size)
    return Finding("database", level, f"{size}; a transaction is open{_since(open_one, now)}", _TRANSACTION)


def _by_age(waiting: Waiting, now: datetime, look: timedelta, act: timedelta | None) -> Level:
    if not waiting.count or waiting.since is None:
        return Level.OK
    age = now - waiting.since
    if act is not None and age >= act:
        return Level.ACT
    return Level.LOOK if age >= look else Level.OK


def _number(count: int) -> str:
    return f"at least {count}" if count >= COUNTED else str(count)


def _count(waiting: Waiting) -> str:
    return f"{_number(waiting.count)} {'delivery' if waiting.count == 1 else 'deliveries'}"


def _since(waiting: Waiting, now: datetime) -> str:
    return "" if waiting.since is None or not waiting.count else f", the oldest for {span(now - waiting.since)}"
