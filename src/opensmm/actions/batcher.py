"""Batching: callers that wait at the same moment share a transaction."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from msgspec import Struct

from opensmm.actions.transactions import RowsLocked, StatementRejected
from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Overloaded, Unavailable
from opensmm.base.metrics import Histogram

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MAX_WEIGHT: Final = 512
"""Rows that one batch may write or read: the sum of its items' weights. An item that is heavier goes alone."""
LIGHT_SHARE: Final = 8
"""An item is heavy if it weighs more than this part of a batch."""
MAX_WAITING_BATCHES: Final = 512
"""Full batches whose items may wait, by weight. Beyond that, the next item is refused at once."""
BATCH_WITHIN_S: Final = 20.0
"""Seconds that a batch may take. A database that is silent for longer counts as unavailable."""
MAX_WAITING: Final = 4096
"""Items that may wait. Beyond that, the next item is refused at once."""
TURN_WITHIN_S: Final = 4.0
"""Seconds that an item may wait for its batch to begin. Then it is refused, and was never sent."""
CHECK_EVERY_S: Final = 0.25
"""Seconds between checks for items that have waited too long."""


class BatcherTraffic:
    """Counts of this process's batchers of one name: items submitted and refused, and the sizes of batches.

    ``batches.total`` is the number of items that a batch has taken. ``under_way`` is the number of batchers at work.
    """

    __slots__ = ("batches", "refused", "submitted", "under_way")

    def __init__(self) -> None:
        self.submitted = 0
        self.refused = 0
        self.under_way = 0
        self.batches = Histogram(BATCH_EDGES)


BATCH_EDGES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, MAX_WEIGHT)
TRAFFIC: Final[dict[str, BatcherTraffic]] = {}


def are_under_way() -> bool:
    """Returns True while a named batcher of this process has items at the database, or about to be sent to it."""
    return any(traffic.under_way for traffic in TRAFFIC.values())


class QueuedCall(Struct, Generic[Item, Answer], eq=False):
    """An item that waits for its batch. ``arrived``: how many checks the batcher had made when it came."""

    item: Item
    owner: int
    weight: int
    answer: asyncio.Future[Answer]
    arrived: int

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Batcher(Generic[Item, Answer]):
    """Runs ``batch`` over the items that queued while the last one ran. There is no timer: a single item goes at once.

    If more waits than a batch may hold, light and heavy items take turns, and each owner has a share by weight. An
    owner with many items delays the others by no more than one batch of its own.

    If ``batch`` raises StatementRejected, its items run one by one, so that a bad item fails alone. If it raises
    RowsLocked, they run owner by owner. Any other failure fails all of them, and nothing is retried. An item whose
    batch does not begin within ``turn_within_s`` (``TURN_WITHIN_S``) is refused. A batcher with a ``name`` is counted
    in ``TRAFFIC``.
    """

    def __init__(
        self,
        batch: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        name: str = "",
        max_weight: int = MAX_WEIGHT,
        max_waiting: int = MAX_WAITING,
        turn_within_s: float | None = None,
    ) -> None:
        self._batch = batch
        self._max_weight = max_weight
        self._light = max(1, max_weight // LIGHT_SHARE)
        self._max_waiting = max_waiting
        self._max_waiting_weight = max(max_waiting, MAX_WAITING_BATCHES * max_weight)
        self._weight = 0
        self._heavy_next = False
        self._last_heavy = -1
        self._queue: deque[QueuedCall[Item, Answer]] = deque()
        # Counted in checks and not in seconds: time for which the whole process was stopped is no time in the queue.
        self._max_waited_checks = (TURN_WITHIN_S if turn_within_s is None else turn_within_s) / CHECK_EVERY_S
        self._checks = 0
        self._is_checking = False
        self._runner: asyncio.Task[None] | None = None
        self._traffic = TRAFFIC.setdefault(name, BatcherTraffic()) if name else BatcherTraffic()

    def submit(self, item: Item, owner: int = 0, weight: int = 1) -> asyncio.Future[Answer]:
        """Queues an item and returns a future of its answer, or of Unavailable if its batch fails.

        ``weight`` is the number of rows that the item writes or reads, as far as that is known. Raises Overloaded if
        too many items wait.
        """
        queue = self._queue
        # Counting by owner walks through the queue: this is done only when it is half full.
        if len(queue) >= self._max_waiting // 2 or self._weight >= self._max_waiting_weight // 2:
            self._refuse_when_full(owner)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        queue.append(QueuedCall(item, owner, weight, answer, self._checks))
        self._weight += weight
        self._traffic.submitted += 1
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        elif not self._is_checking:
            self._is_checking = True
            asyncio.get_running_loop().call_later(CHECK_EVERY_S, self._check_waiting)
        return answer

    def _check_waiting(self) -> None:
        """Refuses items that have waited too long behind a batch that does not end."""
        self._checks += 1
        queue = self._queue
        while queue and self._checks - queue[0].arrived >= self._max_waited_checks:
            self._traffic.refused += 1
            self._traffic.submitted -= 1
            oldest = queue.popleft()
            self._weight -= oldest.weight
            oldest.fail(Overloaded(OutageCode.TURN_TIMED_OUT))
        self._is_checking = bool(queue)
        if queue:
            asyncio.get_running_loop().call_later(CHECK_EVERY_S, self._check_waiting)

    def _refuse_when_full(self, owner: int) -> None:
        own = [entry.weight for entry in self._queue if entry.owner == owner]
        is_full = len(self._queue) >= self._max_waiting or self._weight >= self._max_waiting_weight
        if is_full or len(own) >= self._max_waiting // 2 or sum(own) >= self._max_waiting_weight // 2:
            self._traffic.refused += 1
            raise Overloaded(OutageCode.QUEUE_FULL)

    async def _run(self) -> None:
        self._traffic.under_way += 1
        try:
            while self._queue:
                taken = self._take()
                self._traffic.batches.observe(len(taken))
                await self._serve(taken)
        finally:
            self._traffic.under_way -= 1
            self._runner = None

    def _take(self) -> list[QueuedCall[Item, Answer]]:
        """Takes the next batch from the queue: all that waits or, if that is too heavy, a fair part of it."""
        queue = self._queue
        if self._weight <= self._max_weight:
            taken = list(queue)
            queue.clear()
            self._weight = 0
            return taken
        # Light and heavy items take turns, so that neither kind starves the other.
        heavy = [entry for entry in queue if entry.weight > self._light]
        if heavy and (self._heavy_next or len(heavy) == len(queue)):
            taken = self._take_shares(self._sort_last_owner_back(heavy))
            self._last_heavy = taken[0].owner
            self._heavy_next = False
        else:
            taken = self._take_shares([entry for entry in queue if entry.weight <= self._light])
            self._heavy_next = bool(heavy)
        gone = set(map(id, taken))
        self._queue = deque(entry for entry in queue if id(entry) not in gone)
        self._weight -= sum(entry.weight for entry in taken)
        return taken

    def _sort_last_owner_back(self, heavy: list[QueuedCall[Item, Answer]]) -> list[QueuedCall[Item, Answer]]:
        """Sorts the items of the owner that was served last behind the others'."""
        return sorted(heavy, key=lambda entry: entry.owner == self._last_heavy)

    def _take_shares(self, waiting: list[QueuedCall[Item, Answer]]) -> list[QueuedCall[Item, Answer]]:
        """Takes as many items as a batch holds, in order, and of no owner more than its share by weight.

        The first item, and the first one of each owner that fits, is taken whatever its share.
        """
        share = max(1, self._max_weight // len({entry.owner for entry in waiting}))
        weights: Counter[int] = Counter()
        total = 0
        taken: list[QueuedCall[Item, Answer]] = []
        for entry in waiting:
            own = weights[entry.owner]
            if not taken or (total + entry.weight <= self._max_weight and (not own or own + entry.weight <= share)):
                weights[entry.owner] += entry.weight
                total += entry.weight
                taken.append(entry)
            if total >= self._max_weight:
                break
        return taken

    async def _serve(self, taken: list[QueuedCall[Item, Answer]]) -> None:
        try:
            async with asyncio.timeout(BATCH_WITHIN_S):
                answers = await self._batch([entry.item for entry in taken])
        except RowsLocked as error:
            await self._serve_each_owner(taken, error)
        except StatementRejected as error:
            await self._serve_each(taken, error)
        except TimeoutError:
            _fail(taken, Unavailable(OutageCode.TIMED_OUT))
        except Exception as error:  # whatever it was, the callers must not wait for ever
            _fail(taken, error)
        else:
            for entry, answer in zip(taken, answers, strict=True):
                if not entry.answer.done():
                    entry.answer.set_result(answer)

    async def _serve_each_owner(self, taken: list[QueuedCall[Item, Answer]], error: RowsLocked) -> None:
        """Runs each owner's items apart. One owner alone is refused as a whole: one wait for its rows is enough."""
        owners = {entry.owner for entry in taken}
        if len(owners) == 1:
            _fail(taken, Unavailable(error.outage, words=str(error)))
        else:
            for owner in owners:
                await self._serve([entry for entry in taken if entry.owner == owner])

    async def _serve_each(self, taken: list[QueuedCall[Item, Answer]], error: StatementRejected) -> None:
        if len(taken) == 1:
            _fail(taken, Unavailable(error.outage, words=str(error)))
        else:
            for entry in taken:
                await self._serve([entry])


def _fail(taken: Sequence[QueuedCall[Item, Answer]], error: Exception) -> None:
    for entry in taken:
        entry.fail(error)
