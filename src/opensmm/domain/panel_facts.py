"""Facts of the panel and of its providers at one moment, which ``monitoring`` judges."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from opensmm.base.ids import ProviderId
from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.clocks import NewestStep
from opensmm.domain.codes import LineFault, ShutCode
from opensmm.domain.dispatch import AccountFault
from opensmm.domain.findings import Level
from opensmm.domain.price_sync import ListDoubt
from opensmm.domain.providers import PANEL, BalanceReading
from opensmm.domain.server import DatabaseServer

ALIVE_WITHIN: Final = timedelta(seconds=15)
"""A worker whose last heartbeat is older is dead."""
UNPOLLED_INTERVALS: Final = 2
UNPOLLED_GRACE: Final = timedelta(minutes=1)
"""A delivery is overdue after this many poll intervals and this grace: young ones are polled every second."""
POSTS_REMEMBERED: Final = timedelta(days=7)
NAMED: Final = 5
"""Services that a finding lists by id."""
AT_ONCE: Final = timedelta(0)
"""The age from which on a finding warns of anything at all that waits."""
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

    def judge(self, now: datetime, warning: timedelta, critical: timedelta | None = None) -> Level:
        """Returns the level by the age of the oldest, from which on it is a warning, or critical."""
        if not self.count or self.since is None:
            return Level.OK
        age = now - self.since
        if critical is not None and age >= critical:
            return Level.CRITICAL
        return Level.WARNING if age >= warning else Level.OK

    def to_fields(self, now: datetime) -> dict[str, object]:
        """Returns the fields of a finding: the count, and the age of the oldest."""
        age = None if self.since is None or not self.count else now - self.since
        return count_to_fields(self.count) | {"age": age}


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


def count_to_fields(count: int) -> dict[str, object]:
    """Field of a count; ``at_least`` is added if counting stopped there."""
    return {"count": count, "at_least": True} if count >= COUNTED else {"count": count}
