"""Settings of a provider as the operator types them: one rule for each, with its limit."""

from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct, structs

from opensmm.domain.api_keys import is_key
from opensmm.domain.codes import FieldCode
from opensmm.domain.currencies import currency_code
from opensmm.domain.names import check_name, check_range
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.pricing import MAX_DECIMALS
from opensmm.domain.providers import (
    KEY_CHARS,
    MAX_CALLS_PER_SECOND,
    MAX_CONCURRENCY,
    MAX_NAME,
    MAX_PRICE_SHARE,
    MAX_SYNC_EVERY_MIN,
    MAX_USER_AGENT,
    USER_AGENT,
    default_adds_at_a_time,
    url_fault,
)

DIALECTS: Final = ("v1", "v2")
EXCHANGE_RATE_BELOW: Final = 10**9
MOST_ADDED: Final = 100_000
"""Per cent of a margin, or an amount per 1000 in the panel's currency."""
DEFAULT_CONCURRENCY: Final = 16
"""Concurrent calls to a new provider: few enough for a small panel."""
DEFAULT_CURRENCY: Final = "USD"


class ProviderSettings(Struct, frozen=True, kw_only=True):
    """Settings of a provider; None keeps a setting, or uses its default.

    ``exchange_rate``: the panel's currency for one of the provider's. ``calls_per_second``: 0 is no limit.
    ``adds_at_a_time``: 0 is as many as calls. ``user_agent``: empty is OpenSMM and its version.
    """

    name: str | None = None
    url: str | None = None
    dialect: str | None = None
    currency: str | None = None
    exchange_rate: Decimal | None = None
    concurrency: int | None = None
    calls_per_second: int | None = None
    adds_at_a_time: int | None = None
    user_agent: str | None = None
    enabled: bool | None = None

    @property
    def given(self) -> dict[str, object]:
        """The settings that are not None, by name."""
        return {name: value for name, value in structs.asdict(self).items() if value is not None}


def check_settings(settings: ProviderSettings, *, private: bool) -> ProviderSettings:
    """Returns the settings as they are stored.

    ``private``: providers may be at private addresses. Raises OperatorRefusal for the first setting that is not
    allowed.
    """
    if settings.name is not None:
        check_name(settings.name, MAX_NAME)
    if settings.url is not None:
        check_address(settings.url, private=private)
    if settings.dialect is not None and settings.dialect not in DIALECTS:
        raise OperatorRefusal(RefusalCode.BAD_DIALECT, dialect=settings.dialect)
    currency = None if settings.currency is None else currency_code(settings.currency)
    if settings.exchange_rate is not None and not 0 < settings.exchange_rate < EXCHANGE_RATE_BELOW:
        raise OperatorRefusal(RefusalCode.BAD_EXCHANGE_RATE, below=EXCHANGE_RATE_BELOW)
    for number, least, most, field in (
        (settings.concurrency, 1, MAX_CONCURRENCY, FieldCode.CONCURRENCY),
        (settings.calls_per_second, 0, MAX_CALLS_PER_SECOND, FieldCode.CALLS_PER_SECOND),
        (settings.adds_at_a_time, 0, MAX_CONCURRENCY, FieldCode.ADDS_AT_A_TIME),
    ):
        if number is not None:
            check_range(number, least, most, field)
    if settings.user_agent is not None and not USER_AGENT.fullmatch(settings.user_agent):
        raise OperatorRefusal(RefusalCode.BAD_USER_AGENT, most=MAX_USER_AGENT)
    return structs.replace(settings, currency=currency)


def with_defaults(settings: ProviderSettings) -> ProviderSettings:
    """Returns the settings of a new provider, with defaults for those that are None.

    An address that ends in ``/v1`` has the dialect v1.
    """
    by_address = "v1" if urlsplit(settings.url or "").path.rstrip("/").endswith("/v1") else "v2"
    dialect = settings.dialect or by_address
    adds = default_adds_at_a_time(dialect) if settings.adds_at_a_time is None else settings.adds_at_a_time
    return structs.replace(
        settings,
        dialect=dialect,
        currency=settings.currency or DEFAULT_CURRENCY,
        exchange_rate=Decimal(1) if settings.exchange_rate is None else settings.exchange_rate,
        concurrency=settings.concurrency or DEFAULT_CONCURRENCY,
        adds_at_a_time=adds,
    )


def check_address(url: str, *, private: bool) -> None:
    """Raises OperatorRefusal if no provider at this address may be called."""
    if (why := url_fault(url, private=private)) is not None:
        raise OperatorRefusal(RefusalCode.BAD_ADDRESS, url=url, why=why)


def check_provider_key(key: str) -> None:
    """Raises OperatorRefusal if a text cannot be a provider's key."""
    if not is_key(key, KEY_CHARS):
        least, most = KEY_CHARS
        raise OperatorRefusal(RefusalCode.BAD_PROVIDER_KEY, least=least, most=most)


class FollowingSettings(Struct, frozen=True, kw_only=True):
    """Settings of the sync of a provider's price list; None keeps a setting.

    ``sync_every_min``: 0 is never. ``price_share``: per cent that a cost may move by without approval. ``margin``: per
    cent on top of costs; with ``own_prices`` prices are the operator's instead. ``added``: on top of that, per 1000, in
    the panel's currency. ``decimals``: decimal places to which prices are rounded up.
    """

    sync_every_min: int | None = None
    price_share: int | None = None
    margin: Decimal | None = None
    own_prices: bool = False
    added: Decimal | None = None
    decimals: int | None = None

    @property
    def given(self) -> dict[str, object]:
        """The settings to write, by name; a ``margin`` of None is written for own prices."""
        given = {name: value for name, value in structs.asdict(self).items() if value is not None}
        given.pop("own_prices")
        return given | ({"margin": None} if self.own_prices else {})


def check_following(settings: FollowingSettings) -> None:
    """Raises OperatorRefusal for the first setting that is not allowed."""
    if settings.own_prices and settings.margin is not None:
        raise OperatorRefusal(RefusalCode.MARGIN_OR_OWN_PRICES)
    for number, most, field in (
        (settings.sync_every_min, MAX_SYNC_EVERY_MIN, FieldCode.SYNC_EVERY_MIN),
        (settings.price_share, MAX_PRICE_SHARE, FieldCode.PRICE_SHARE),
        (settings.decimals, MAX_DECIMALS, FieldCode.DECIMALS),
    ):
        if number is not None:
            check_range(number, 0, most, field)
    check_added(settings.margin, FieldCode.MARGIN)
    check_added(settings.added, FieldCode.ADDED)


def check_added(number: Decimal | None, field: FieldCode) -> None:
    """Raises OperatorRefusal for a margin or an amount on top of costs that is below 0 or above ``MOST_ADDED``."""
    if number is not None and not 0 <= number <= MOST_ADDED:
        raise OperatorRefusal(RefusalCode.FIELD_OUT_OF_RANGE, field=field, least=0, most=MOST_ADDED)
