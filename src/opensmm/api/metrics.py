"""Metrics of the API: request times by dialect, action and outcome, and refusals by reason."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from opensmm.base.metrics import MILLISECOND, SECOND, Histograms
from opensmm.domain.request_refusals import Refusal, Refused

OK: Final = "ok"
REFUSED: Final = "refused"
OVERSIZED: Final = "too_large"
LIMITED: Final = "too_many"
UNREADY: Final = "unavailable"
FAILED: Final = "failed"
OUTCOMES: Final = (OK, REFUSED, OVERSIZED, LIMITED, UNREADY, FAILED)

REQUEST_EDGES: Final = (
    *(tenths * MILLISECOND // 10 for tenths in (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)),
    *(tenths * SECOND // 10 for tenths in (10, 25, 50, 100, 200)),
)
"""Edges from half a millisecond to the twenty seconds after which a batcher gives up."""

REQUESTS: Final[Histograms[tuple[str, type | None, str]]] = Histograms(REQUEST_EDGES)
"""Keyed by dialect, type of the request (None if it could not be decoded) and outcome."""
REFUSALS: Final[Counter[Refusal]] = Counter()


def count_refused(outcomes: Iterable[object]) -> None:
    """Counts the refusals among the outcomes of a list."""
    for outcome in outcomes:
        if isinstance(outcome, Refused):
            REFUSALS[outcome.why] += 1
