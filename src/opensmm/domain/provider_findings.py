"""Findings of ``health`` about providers: calls to them, their balances and their price lists."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from opensmm.domain.codes import BY_SETTING, FindingCode
from opensmm.domain.dispatch import AccountFault
from opensmm.domain.findings import SEVERITY, Finding, Level
from opensmm.domain.panel_facts import AT_ONCE, ProviderSeen
from opensmm.domain.providers import BALANCE_EVERY, MANUAL, PANEL, judge_adds

UNPOLLED_CRITICAL: Final = timedelta(minutes=30)
"""The time for which a delivery may be overdue to be polled."""
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
LISTS_MISSED: Final = 3
"""After so many intervals without a price list its costs are out of date."""
_REFUSES: Final = {
    AccountFault.KEY: FindingCode.PROVIDER_REFUSES_KEY,
    AccountFault.FUNDS: FindingCode.PROVIDER_WITHOUT_FUNDS,
}


def judge_providers(providers: Sequence[ProviderSeen], now: datetime) -> list[Finding]:
    """Returns the findings on all providers.

    Each provider has one for the calls to it. A v1 panel has one for its adds, and a provider whose price list is
    synced has one for that. A panel, which is paid in advance, has one for reading its balance and, once that was read,
    one for its amount.
    """
    if not providers:
        return [Finding("providers", Level.WARNING, FindingCode.NO_PROVIDER)]
    return [
        *(_judge_provider(provider, now) for provider in providers),
        *_judge_adds(providers),
        *_judge_balances(providers, now),
        *_judge_price_lists(providers, now),
    ]


def _judge_provider(provider: ProviderSeen, now: datetime) -> Finding:
    name, fields = f"provider {provider.name}", _identify(provider)
    if provider.enabled and provider.refuses is not None:
        return Finding(name, Level.CRITICAL, _REFUSES[provider.refuses], {**fields, "words": provider.fault})
    if provider.enabled and provider.shut is not None:
        code = FindingCode.PROVIDER_NOT_ALLOWED if provider.shut in BY_SETTING else FindingCode.PROVIDER_NOT_OPENED
        return Finding(name, Level.CRITICAL, code, {**fields, "why": provider.shut})
    return _judge_calls(name, provider, now)


def _identify(provider: ProviderSeen) -> dict[str, object]:
    return {"provider": provider.id, "provider_name": provider.name}


def _judge_calls(name: str, provider: ProviderSeen, now: datetime) -> Finding:
    """Judges the calls to a provider, and claims no more than is known of them."""
    unheard = provider.unpolled.judge(now, AT_ONCE, UNPOLLED_CRITICAL)
    counted = provider.unpolled.to_fields(now) if provider.unpolled.count else {}
    fields = {**_identify(provider), **counted}
    if not provider.enabled:
        return Finding(name, unheard, FindingCode.PROVIDER_DISABLED, fields)
    if provider.failures:
        is_paused = provider.resting_until is not None and provider.resting_until > now
        fields |= {"failures": provider.failures, "paused_until": provider.resting_until if is_paused else None}
        level = max(unheard, _judge_failures(provider.failures), key=SEVERITY.__getitem__)
        return Finding(name, level, FindingCode.PROVIDER_FAILS, fields)
    if provider.unpolled.count:
        return Finding(name, unheard, FindingCode.PROVIDER_UNHEARD_OF, fields)
    code, age = _judge_answers(provider, now)
    return Finding(name, unheard, code, fields | age)


def _judge_answers(provider: ProviderSeen, now: datetime) -> tuple[FindingCode, dict[str, object]]:
    if provider.kind == MANUAL:
        return FindingCode.PROVIDER_IS_STAFF, {}
    answered = [provider.balance.at] if provider.balance else []
    answered += [provider.accepted] if provider.accepted else []
    if not answered:
        called = provider.balance_asked is not None
        return FindingCode.PROVIDER_SILENT if called else FindingCode.PROVIDER_NOT_CALLED_YET, {}
    age = now - max(answered)
    return FindingCode.PROVIDER_ANSWERS if age <= ANSWERED_WITHIN else FindingCode.PROVIDER_ANSWERED, {"age": age}


def _judge_adds(providers: Sequence[ProviderSeen]) -> Iterator[Finding]:
    for provider in providers:
        if not provider.enabled or provider.kind != PANEL or provider.dialect != "v1":
            continue
        code, count = judge_adds(provider.dialect, provider.adds_at_a_time, provider.concurrency)
        level = Level.WARNING if code is FindingCode.ADDS_NOT_DECIDED else Level.OK
        fields = _identify(provider) | {"count": count}
        yield Finding(f"adds {provider.name}", level, code=code, fields=fields)


def _judge_balances(providers: Sequence[ProviderSeen], now: datetime) -> Iterator[Finding]:
    for provider in providers:
        if not provider.enabled or provider.kind != PANEL:
            continue
        if provider.balance is not None:
            yield _judge_balance(provider, provider.balance.balance)
        yield _judge_reading(provider, now)


def _judge_balance(provider: ProviderSeen, balance: Decimal) -> Finding:
    """Judges a balance.

    An empty one is reported whatever was spent: nothing is spent at a provider that refuses everything.
    """
    name, fields = f"balance {provider.name}", _identify(provider) | {"balance": balance, "currency": provider.currency}
    if balance <= 0:
        return Finding(name, Level.CRITICAL, FindingCode.BALANCE_GONE, fields)
    if provider.hours_left is not None:
        level, hours = _judge_hours(provider.hours_left), {"hours": provider.hours_left}
        return Finding(name, level, FindingCode.BALANCE_LASTS, fields | hours)
    if balance < BALANCE_LITTLE:
        return Finding(name, Level.WARNING, FindingCode.BALANCE_TOO_LITTLE, fields)
    return Finding(name, Level.OK, FindingCode.BALANCE_AT_NO_PACE, fields)


def _judge_reading(provider: ProviderSeen, now: datetime) -> Finding:
    name, fields = f"reading {provider.name}", _identify(provider)
    if provider.balance is not None:
        age = now - provider.balance.at
        level = Level.OK if age <= ANSWERED_WITHIN else Level.WARNING
        return Finding(name, level, FindingCode.BALANCE_READ, fields | {"age": age})
    if provider.balance_asked is not None:
        return Finding(name, Level.WARNING, FindingCode.BALANCE_NEVER_READ, fields)
    return Finding(name, Level.OK, FindingCode.BALANCE_NOT_ASKED_YET, fields)


def _judge_price_lists(providers: Sequence[ProviderSeen], now: datetime) -> Iterator[Finding]:
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


def _judge_hours(hours_left: Decimal) -> Level:
    if hours_left < BALANCE_CRITICAL_H:
        return Level.CRITICAL
    return Level.WARNING if hours_left < BALANCE_WARNING_H else Level.OK


def _judge_failures(failures: int) -> Level:
    if failures >= FAILURES_CRITICAL:
        return Level.CRITICAL
    return Level.WARNING if failures >= FAILURES_WARNING else Level.OK
