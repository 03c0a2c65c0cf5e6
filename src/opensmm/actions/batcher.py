"""A lane: callers that wait at the same moment share a transaction."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from msgspec import Struct

from opensmm.actions.transactions import RowsLocked, StatementRejected
from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Overloaded, Unavailable
from opensmm.base.metrics import Histogram

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

MOST: Final = 512
"""Rows that the asks of one batch may write or read together: the sum of their weights. One heavier ask goes alone."""
LIGHT_SHARE: Final = 8
"""An ask of more than one such part of a batch is heavy."""
BOUND_BATCHES: Final = 512
"""Full batches whose asks may wait by weight; beyond it the next one is refused at once."""
WITHIN_S: Final = 20.0
"""How long a batch may take; a database that is longer silent is taken to be away."""
BOUND: Final = 4096
"""Asks that may wait; beyond it the next one is refused at once."""
TURN_WITHIN_S: Final = 4.0
"""How long an ask may wait for its batch to begin; then it is refused, and was never sent."""
LOOK_S: Final = 0.25
"""Between looks for asks that waited too long."""


class BatcherTraffic:
    """What went through the lanes of one name in this process: ``batches.total`` of what was asked has been taken."""

    __slots__ = ("asked", "batches", "refused", "under_way")

    def __init__(self) -> None:
        self.asked = 0
        self.refused = 0
        self.under_way = 0
        self.batches = Histogram(BATCH_EDGES)


BATCH_EDGES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, MOST)
TRAFFIC: Final[dict[str, BatcherTraffic]] = {}


def are_under_way() -> bool:
    """True while a named lane of this process has asks with the database, or about to be sent to it."""
    return any(traffic.under_way for traffic in TRAFFIC.values())


class QueuedCall(Struct, Generic[Ask, Answer], eq=False):
    """One ask, and when it came, counted in the lane's looks."""

    request: Ask
    owner: int
    weight: int
    answer: asyncio.Future[Answer]
    came: int

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Batcher(Generic[Ask, Answer]):
    """Runs ``batch`` over whatever queued while the last batch ran. There is no timer: one alone goes at once.

    Where more waits than a batch may hold, light asks and heavy ones take turns, and each owner has its share by
    weight: what one owner asks keeps nobody else waiting for more than a batch of its own.

    Where a batch is Rejected its asks are tried one by one, so that a bad one hurts nobody else; where it waited for
    locked rows, owner by owner. Any other failure fails them all, and nothing is tried again. An ask whose batch does
    not begin within ``turn_within_s`` (``TURN_WITHIN_S``) is refused. A lane with a name is counted.
    """

    def __init__(
        self,
        batch: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]],
        *,
        name: str = "",
        most: int = MOST,
        bound: int = BOUND,
        turn_within_s: float | None = None,
    ) -> None:
        self._batch = batch
        self._most = most
        self._light = max(1, most // LIGHT_SHARE)
        self._bound = bound
        self._bound_weight = max(bound, BOUND_BATCHES * most)
        self._weight = 0
        self._heavy_next = False
        self._last_heavy = -1
        self._queue: deque[QueuedCall[Ask, Answer]] = deque()
        # Counted in looks and not in seconds: a process that stood still for long has not kept anybody waiting.
        self._patience = (TURN_WITHIN_S if turn_within_s is None else turn_within_s) / LOOK_S
        self._looks = 0
        self._looking = False
        self._runner: asyncio.Task[None] | None = None
        self._traffic = TRAFFIC.setdefault(name, BatcherTraffic()) if name else BatcherTraffic()

    def submit(self, request: Ask, owner: int = 0, weight: int = 1) -> asyncio.Future[Answer]:
        """The answer to one ask, Unavailable where its batch failed; raises Overloaded where too many wait.

        ``weight``: the rows that it writes or reads, as far as they are known.
        """
        queue = self._queue
        if len(queue) >= self._bound // 2 or self._weight >= self._bound_weight // 2:
            self._refuse_when_full(owner)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        queue.append(QueuedCall(request, owner, weight, answer, self._looks))
        self._weight += weight
        self._traffic.asked += 1
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        elif not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_S, self._look)
        return answer

    def _look(self) -> None:
        """Refuses what has waited too long behind a batch that does not end."""
        self._looks += 1
        queue = self._queue
        while queue and self._looks - queue[0].came >= self._patience:
            self._traffic.refused += 1
            self._traffic.asked -= 1
            oldest = queue.popleft()
            self._weight -= oldest.weight
            oldest.fail(Overloaded(OutageCode.TURN_TIMED_OUT))
        self._looking = bool(queue)
        if queue:
            asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _refuse_when_full(self, owner: int) -> None:
        own = [entry.weight for entry in self._queue if entry.owner == owner]
        is_full = len(self._queue) >= self._bound or self._weight >= self._bound_weight
        if is_full or len(own) >= self._bound // 2 or sum(own) >= self._bound_weight // 2:
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

    def _take(self) -> list[QueuedCall[Ask, Answer]]:
        """The next batch: everything that waits, or where not all fit, a fair part of it."""
        queue = self._queue
        if self._weight <= self._most:
            taken = list(queue)
            queue.clear()
            self._weight = 0
            return taken
        heavy = [entry for entry in queue if entry.weight > self._light]
        if heavy and (self._heavy_next or len(heavy) == len(queue)):
            taken = self._shares(self._others_first(heavy))
            self._last_heavy = taken[0].owner
            self._heavy_next = False
        else:
            taken = self._shares([entry for entry in queue if entry.weight <= self._light])
            self._heavy_next = bool(heavy)
        gone = set(map(id, taken))
        self._queue = deque(entry for entry in queue if id(entry) not in gone)
        self._weight -= sum(entry.weight for entry in taken)
        return taken

    def _others_first(self, heavy: list[QueuedCall[Ask, Answer]]) -> list[QueuedCall[Ask, Answer]]:
        """The owner who was served last waits for the others."""
        return sorted(heavy, key=lambda entry: entry.owner == self._last_heavy)

    def _shares(self, waiting: list[QueuedCall[Ask, Answer]]) -> list[QueuedCall[Ask, Answer]]:
        """Of those that wait as many as a batch holds, in their order; no owner has more than its share of it.

        The first one is taken whatever it weighs.
        """
        share = max(1, self._most // len({entry.owner for entry in waiting}))
        weights: Counter[int] = Counter()
        total = 0
        taken: list[QueuedCall[Ask, Answer]] = []
        for entry in waiting:
            own = weights[entry.owner]
            if not taken or (total + entry.weight <= self._most and (not own or own + entry.weight <= share)):
                weights[entry.owner] += entry.weight
                total += entry.weight
                taken.append(entry)
            if total >= self._most:
                break
        return taken

    async def _serve(self, taken: list[QueuedCall[Ask, Answer]]) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                answers = await self._batch([entry.request for entry in taken])
        except RowsLocked as error:
            await self._owner_by_owner(taken, error)
        except StatementRejected as error:
            await self._one_by_one(taken, error)
        except TimeoutError:
            _fail(taken, Unavailable(OutageCode.TIMED_OUT))
        except Exception as error:  # whatever it was, the callers must hear of it
            _fail(taken, error)
        else:
            for entry, answer in zip(taken, answers, strict=True):
                if not entry.answer.done():
                    entry.answer.set_result(answer)

    async def _owner_by_owner(self, taken: list[QueuedCall[Ask, Answer]], error: RowsLocked) -> None:
        """An owner whose rows are held is refused as a whole: one wait for them is enough."""
        owners = {entry.owner for entry in taken}
        if len(owners) == 1:
            _fail(taken, Unavailable(error.outage, words=str(error)))
        else:
            for owner in owners:
                await self._serve([entry for entry in taken if entry.owner == owner])

    async def _one_by_one(self, taken: list[QueuedCall[Ask, Answer]], error: StatementRejected) -> None:
        if len(taken) == 1:
            _fail(taken, Unavailable(error.outage, words=str(error)))
        else:
            for entry in taken:
                await self._serve([entry])


def _fail(taken: Sequence[QueuedCall[Ask, Answer]], error: Exception) -> None:
    for entry in taken:
        entry.fail(error)
