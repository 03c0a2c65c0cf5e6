"""Circuit breaker: stops calls to a provider that fails, and lets one call at a time try whether it is back.

The number of failures is ``domain/dispatch.py:FAILURES_BEFORE_PAUSE``, the pauses are ``RETRY_STEPS_S`` beside it.
"""

import time
from collections.abc import Callable

from opensmm.domain.dispatch import pause_after_failure_s


class CircuitBreaker:
    """The circuit of one provider's polls, kept by each process for itself. Orders have one in the database.

    Closed: calls pass. Open: after failures in a row no call passes for a growing pause. Half open: the pause is over
    and one call may try. Any answer closes the circuit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None

    @property
    def is_open(self) -> bool:
        return self._open_until is not None and self._clock() < self._open_until

    @property
    def is_half_open(self) -> bool:
        return self._open_until is not None and self._clock() >= self._open_until

    def record_failure(self) -> None:
        self._failures += 1
        # A poll changes nothing at the provider: even one that cannot be reached may fail a few times before the pause.
        pause_s = pause_after_failure_s(self._failures, unclear=True, was_paused=self._open_until is not None)
        if pause_s is not None:
            self._open_until = self._clock() + pause_s

    def record_success(self) -> None:
        self._failures = 0
        self._open_until = None
