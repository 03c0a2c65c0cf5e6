"""A lane: callers that wait at the same moment share a transaction."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from opensmm.base.counting import Spread
from opensmm.base.faults import Fault, Overloaded, Unavailable

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

MOST: Final = 512
"""Asks in one batch."""
WITHIN_S: Final = 20.0
"""How long a batch may take; a database that is longer silent is taken to be away."""
BOUND: Final = 4096
"""Asks that may wait; beyond it the next one is refused at once."""


class Traffic:
    """What went through the lanes of one name in this process: ``batches.total`` of what was asked has been taken."""

    __slots__ = ("asked", "batches", "refused")

    def __init__(self) -> None:
        self.asked = 0
        self.refused = 0
        self.batches = Spread(BATCH_EDGES)


BATCH_EDGES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, MOST)
TRAFFIC: Final[dict[str, Traffic]] = {}


class Rejected(Fault):
    """A statement of the batch reported an error, so that nothing of the batch was kept."""


class Lane(Generic[Ask, Answer]):
    """Runs ``batch`` over whatever queued while the last batch ran. There is no timer: one alone goes at once.

    Where a batch is Rejected its asks are tried one by one, so that a bad one hurts nobody else.
    Any other failure fails them all, and nothing is tried again. A lane with a name is counted.
    """

    def __init__(
        self,
        batch: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]],
        *,
        name: str = "",
        most: int = MOST,
        bound: int = BOUND,
    ) -> None:
        self._batch = batch
        self._most = most
        self._bound = bound
        self._queue: deque[tuple[Ask, int, asyncio.Future[Answer]]] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._traffic = TRAFFIC.setdefault(name, Traffic()) if name else Traffic()

    def ask(self, ask: Ask, owner: int = 0) -> asyncio.Future[Answer]:
        """The answer to one ask, Unavailable where its batch failed; raises Overloaded where too many wait."""
        queue = self._queue
        if len(queue) >= self._bound // 2:
            self._refuse_when_full(owner)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        queue.append((ask, owner, answer))
        self._traffic.asked += 1
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return answer

    def _refuse_when_full(self, owner: int) -> None:
        waiting = len(self._queue)
        own = sum(1 for entry in self._queue if entry[1] == owner)
        if waiting >= self._bound or own >= self._bound // 2:
            self._traffic.refused += 1
            raise Overloaded("too many asks wait")

    async def _run(self) -> None:
        try:
            while self._queue:
                taken = self._take()
                self._traffic.batches.observe(len(taken))
                await self._serve(taken)
        finally:
            self._runner = None

    def _take(self) -> list[tuple[Ask, int, asyncio.Future[Answer]]]:
        """The next batch, oldest first. Where not all fit, no owner gets more than its share while others wait."""
        queue = self._queue
        if len(queue) <= self._most:
            taken = list(queue)
            queue.clear()
            return taken
        share = max(1, self._most // len({owner for _, owner, _ in queue}))
        counts: Counter[int] = Counter()
        taken, left = [], deque[tuple[Ask, int, asyncio.Future[Answer]]]()
        for entry in queue:
            if len(taken) < self._most and counts[entry[1]] < share:
                counts[entry[1]] += 1
                taken.append(entry)
            else:
                left.append(entry)
        self._queue = left
        return taken

    async def _serve(self, taken: list[tuple[Ask, int, asyncio.Future[Answer]]]) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                answers = await self._batch([ask for ask, _, _ in taken])
        except Rejected as error:
            await self._one_by_one(taken, error)
        except TimeoutError:
            _fail(taken, Unavailable("the database did not answer in time"))
        except Exception as error:  # whatever it was, the callers must hear of it
            _fail(taken, error)
        else:
            for (_, _, future), answer in zip(taken, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def _one_by_one(self, taken: list[tuple[Ask, int, asyncio.Future[Answer]]], error: Rejected) -> None:
        if len(taken) == 1:
            _fail(taken, Unavailable(f"the database refused: {error}"))
        else:
            for entry in taken:
                await self._serve([entry])


def _fail(taken: list[tuple[Ask, int, asyncio.Future[Answer]]], error: Exception) -> None:
    for _, _, future in taken:
        if not future.done():
            future.set_exception(error)
