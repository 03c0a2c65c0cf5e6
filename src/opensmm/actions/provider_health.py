"""The health of providers, as the outcomes of sending show it: failures are counted, and pauses grow with them."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from opensmm.base.ids import ProviderId
from opensmm.domain.call_faults import CallCode, CallFault, shortened
from opensmm.domain.dispatch import (
    Accepted,
    Declined,
    Deferred,
    SendOutcome,
    TurnedAway,
    Unsure,
    pause_after_failure_s,
    pause_when_turned_away,
)
from opensmm.store import providers
from opensmm.store.connection import Connection
from opensmm.store.dispatch import DeliveryClaim
from opensmm.store.providers import ProviderFailure

MAX_FAULT: Final = 300
"""Characters that are stored of a provider's last failure."""
LATE: Final = Deferred(CallFault(CallCode.NO_TURN))
"""The outcome of a call whose turn came too late. It says nothing about the provider."""


async def note_health(
    connection: Connection, batch: Sequence[tuple[DeliveryClaim, SendOutcome]], now: datetime
) -> None:
    """Ends the pauses of providers that answered clearly, and counts the failures of the others.

    A provider that fails or turns us away is paused, each time for longer.
    """
    answered = {claim.provider for claim, outcome in batch if isinstance(outcome, Accepted | Declined)}
    failures = [(claim.provider, outcome) for claim, outcome in batch if _is_failure(outcome)]
    failed, times = dict(failures), Counter(provider for provider, _ in failures)
    fared = await providers.lock_changed(connection, sorted(failed.keys() - answered), sorted(answered))
    failures_now = [
        _build_failure(provider, failed[provider], times[provider], fared[provider], now)
        for provider in fared.keys() - answered
    ]
    # One clear answer in a batch counts for more than its failures.
    if well := fared.keys() & answered:
        await providers.record_answers(connection, sorted(well))
    if failures_now:
        await providers.record_failures(connection, failures_now)


def _build_failure(
    provider: ProviderId, outcome: SendOutcome, times: int, before: tuple[int, bool], now: datetime
) -> ProviderFailure:
    """Builds a provider's new count of failures and its next pause.

    It failed ``times`` times, last with ``outcome``. ``before`` is (failures so far, True if it was paused).
    """
    failures, was_paused = before
    if isinstance(outcome, TurnedAway):
        count, turned_away_s = pause_when_turned_away(failures + 1)
        until: datetime | None = now + timedelta(seconds=turned_away_s)
        return ProviderFailure(provider, count, until, shortened(outcome.answer, MAX_FAULT), outcome.fault)
    # Deliveries that could not be sent came back together and count as one failure; each silence was a call of its own.
    count = failures + (times if isinstance(outcome, Unsure) else 1)
    pause_s = pause_after_failure_s(count, unclear=isinstance(outcome, Unsure), was_paused=was_paused)
    until = None if pause_s is None else now + timedelta(seconds=pause_s)
    return ProviderFailure(provider, count, until, shortened(outcome.answer, MAX_FAULT), None)


def _is_failure(outcome: SendOutcome) -> bool:
    """Returns True if an outcome counts against the provider. A refusal of one service does not."""
    if isinstance(outcome, Deferred) and outcome.one_service:
        return False
    return isinstance(outcome, Deferred | TurnedAway | Unsure) and outcome != LATE
