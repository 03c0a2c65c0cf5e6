"""Tables of the panel, price lists, services, providers, routes and providers' services."""

from decimal import Decimal

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from opensmm.domain.catalogue import BelowCost, DeliveryMethod, Halt, RefillMode, ServiceType
from opensmm.domain.dispatch import MAX_REFUSED_WAIT_H, AccountFault
from opensmm.domain.providers import (
    MANUAL,
    MAX_CALLS_PER_SECOND,
    MAX_CONCURRENCY,
    MAX_PRICE_SHARE,
    MAX_SYNC_EVERY_MIN,
    PANEL,
    SANDBOX,
    USER_AGENT,
)
from opensmm.domain.routes import RouteOff
from opensmm.store.models.fields import RATE_LIMIT, ExactField, above_0, one_of


class PanelTable(models.Model):
    """Settings of the whole panel: one row, which the migration makes."""

    catalogue_version = models.BigIntegerField(
        db_default=1, db_comment="incremented by each edit of services, prices or policy rules"
    )
    created = models.DateTimeField()
    id = models.SmallIntegerField(primary_key=True)
    currency = models.TextField(db_comment="three-letter code; fixed once money has moved")
    below_cost = models.TextField(
        db_default="refuse", db_comment="treatment of an order that costs more than its customer pays"
    )
    pepper_mark = models.BinaryField(null=True, db_comment="fingerprint of the pepper; null until it is first used")
    refused_wait_h = models.IntegerField(
        db_default=24, db_comment="hours that an order waits for providers that turn us away, before it is held"
    )

    class Meta:
        db_table = "panel"
        constraints = [
            CheckConstraint(condition=Q(id=1), name="panel_is_one"),
            CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="panel_currency_three_letters"),
            one_of("below_cost", BelowCost, "panel_below_cost"),
            CheckConstraint(
                condition=Q(refused_wait_h__gte=0, refused_wait_h__lte=MAX_REFUSED_WAIT_H), name="panel_refused_wait"
            ),
        ]


class PriceListTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    name = models.TextField()

    class Meta:
        db_table = "price_list"
        constraints = [UniqueConstraint(fields=["name"], name="price_list_name")]


class CategoryTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    position = models.IntegerField(db_default=0)
    name = models.TextField()

    class Meta:
        db_table = "category"
        constraints = [UniqueConstraint(fields=["name"], name="category_name")]


class ProviderTable(models.Model):
    """A provider: another panel, the operator's own staff, or the sandbox."""

    id = models.BigAutoField(primary_key=True)
    resting_until = models.DateTimeField(
        null=True, db_comment="end of its pause or open circuit; one call tests it then"
    )
    balance_asked = models.DateTimeField(null=True, db_comment="when a worker last requested its balance")
    sync_asked = models.DateTimeField(null=True, db_comment="when a worker last requested its price list")
    synced = models.DateTimeField(null=True, db_comment="when the price list that was last taken over was requested")
    failures = models.IntegerField(db_default=0, db_comment="failures in a row; the next success resets it to 0")
    concurrency = models.IntegerField(db_default=64, db_comment="limit of concurrent calls, of all workers together")
    calls_per_second = models.IntegerField(db_default=0, db_comment="limit for all workers together; 0: no limit")
    adds_at_a_time = models.IntegerField(
        null=True,
        db_comment="limit of concurrent adds, of all workers together; 0: as many as calls; null: not decided",
    )
    sync_every_min = models.IntegerField(
        db_default=30, db_comment="minutes between reads of its price list; 0: read only on command"
    )
    price_share = models.IntegerField(db_default=20, db_comment="per cent by which a cost may move without approval")
    decimals = models.IntegerField(db_default=4, db_comment="decimal places of rates that follow costs")
    margin = ExactField(null=True, db_comment="per cent added to the cost; null: rates do not follow costs")
    added = ExactField(
        db_default=Decimal(0), db_comment="amount added after the margin, per 1000, in the panel's currency"
    )
    enabled = models.BooleanField(db_default=True)
    name = models.TextField()
    kind = models.TextField()
    url = models.TextField(db_default="")
    dialect = models.TextField(db_default="v2")
    currency = models.TextField()
    exchange_rate = ExactField(
        db_default=Decimal(1), db_comment="units of the panel's currency for one of the provider's"
    )
    fault = models.TextField(db_default="", db_comment="cause or text of the newest failure; empty: none")
    refuses = models.TextField(null=True, db_comment="why it refuses whatever is ordered; null: it does not")
    sync_fault = models.TextField(
        db_default="", db_comment="why its newest price list was not taken over; empty: it was"
    )
    sealed_key = models.BinaryField(
        null=True, db_comment="API key, encrypted and bound to the provider's id and address"
    )
    user_agent = models.TextField(
        db_default="", db_comment="User-Agent header sent to it; empty: OpenSMM and its version"
    )
    forms = models.JSONField(null=True, db_comment="form of ids in requests, by action; null: as documented")

    class Meta:
        db_table = "provider"
        constraints = [
            UniqueConstraint(fields=["name"], name="provider_name"),
            one_of("kind", (SANDBOX, PANEL, MANUAL), "provider_kind"),
            one_of("dialect", ("v1", "v2"), "provider_dialect"),
            one_of("refuses", AccountFault, "provider_refuses"),
            above_0("exchange_rate", "provider_exchange_rate_above_0"),
            CheckConstraint(
                condition=Q(concurrency__gte=1, concurrency__lte=MAX_CONCURRENCY), name="provider_concurrency"
            ),
            CheckConstraint(
                condition=Q(calls_per_second__gte=0, calls_per_second__lte=MAX_CALLS_PER_SECOND),
                name="provider_calls_per_second",
            ),
            CheckConstraint(
                condition=Q(adds_at_a_time=None) | Q(adds_at_a_time__gte=0, adds_at_a_time__lte=MAX_CONCURRENCY),
                name="provider_adds_at_a_time",
            ),
            CheckConstraint(
                condition=Q(sync_every_min__gte=0, sync_every_min__lte=MAX_SYNC_EVERY_MIN), name="provider_sync_every"
            ),
            CheckConstraint(
                condition=Q(price_share__gte=0, price_share__lte=MAX_PRICE_SHARE), name="provider_price_share"
            ),
            CheckConstraint(condition=Q(user_agent__regex=f"^{USER_AGENT.pattern}$"), name="provider_user_agent"),
            CheckConstraint(condition=Q(margin=None) | Q(margin__gte=0, margin__lt=RATE_LIMIT), name="provider_margin"),
            CheckConstraint(condition=Q(added__gte=0, added__lt=RATE_LIMIT), name="provider_added"),
            CheckConstraint(condition=Q(decimals__gte=0, decimals__lte=8), name="provider_decimals"),
        ]


class ServiceTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    category = models.ForeignKey(CategoryTable, models.PROTECT, db_constraint=False, db_index=False)
    min = models.BigIntegerField()
    max = models.BigIntegerField()
    version = models.BigIntegerField(db_default=1, db_comment="catalogue version of the last change to this row")
    position = models.IntegerField(db_default=0)
    average_time_min = models.IntegerField(null=True)
    refill_wait_h = models.IntegerField(db_default=0)
    refill_days = models.IntegerField(
        null=True, db_comment="days after completion in which a refill may be requested; null: no limit"
    )
    refill = models.BooleanField(db_default=False)
    cancel = models.BooleanField(db_default=False)
    dripfeed = models.BooleanField(db_default=False)
    free = models.BooleanField(db_default=False)
    one_active_per_link = models.BooleanField(db_default=False)
    hold_when_refused = models.BooleanField(db_default=False)
    on_sale = models.BooleanField(db_default=True)
    cheapest_first = models.BooleanField(db_default=False, db_comment="its routes are ordered by their cost")
    name = models.TextField()
    type = models.TextField()
    rate = ExactField(db_comment="price of 1000, or of one package; digits as typed")
    description = models.TextField(db_default="")
    delivery_method = models.TextField(db_default="undisclosed")
    cost = ExactField(
        null=True, db_comment="cost of 1000 by its cheapest route, in the panel's currency; null: unknown"
    )
    halted = models.TextField(null=True, db_comment="why it is not sold although it is on sale; null: it is sold")
    refill_mode = models.TextField(db_default="provider")

    class Meta:
        db_table = "service"
        constraints = [
            one_of("type", ServiceType, "service_type"),
            one_of("delivery_method", DeliveryMethod, "service_delivery_method"),
            one_of("halted", Halt, "service_halted"),
            CheckConstraint(
                condition=Q(on_sale=False) | ~Q(delivery_method="undisclosed"), name="service_on_sale_is_disclosed"
            ),
            CheckConstraint(
                condition=Q(rate__gt=0, rate__lt=RATE_LIMIT) | Q(rate=0, free=True), name="service_rate_above_0_or_free"
            ),
            CheckConstraint(condition=Q(min__gte=0), name="service_min"),
            CheckConstraint(condition=Q(max__gte=F("min")), name="service_max_not_below_min"),
            CheckConstraint(condition=Q(refill_wait_h__gte=0), name="service_refill_wait"),
            CheckConstraint(condition=Q(refill_days=None) | Q(refill_days__gt=0), name="service_refill_days"),
            one_of("refill_mode", RefillMode, "service_refill_mode"),
        ]
        indexes = [Index(fields=["version"], name="service_by_version")]


class PriceTable(models.Model):
    """A rate that a price list sets instead of the service's own."""

    pk = models.CompositePrimaryKey("price_list_id", "service_id")
    price_list_id = models.BigIntegerField()
    service_id = models.BigIntegerField()
    version = models.BigIntegerField(db_default=1)
    rate = ExactField(null=True, db_comment="price of 1000, or of one package; null: the service's own rate")

    class Meta:
        db_table = "price"
        constraints = [above_0("rate", "price_rate_above_0")]
        indexes = [
            Index(fields=["version"], name="price_by_version"),
            Index(fields=["service_id", "rate"], name="price_by_service"),
        ]


class RouteTable(models.Model):
    """A provider of a service, its position among the service's providers, and its state by the provider's price list.

    ``cost`` and ``agreed`` are prices of 1000 in the panel's currency: as last listed, and as last approved.
    """

    pk = models.CompositePrimaryKey("service_id", "position")
    service_id = models.BigIntegerField()
    provider_id = models.BigIntegerField()
    position = models.IntegerField()
    provider_service = models.TextField()
    quarantined = models.DateTimeField(null=True, db_comment="start of the quarantine; null: not in quarantine")
    cost = ExactField(null=True, db_comment="newest cost of 1000, in the panel's currency; null: not listed yet")
    agreed = ExactField(null=True, db_comment="approved cost of 1000, in the panel's currency; null: not listed yet")
    off = models.TextField(null=True, db_comment="why it is set aside; null: it is used")
    name = models.TextField(null=True, db_comment="the provider's name of the service, as last approved")
    category = models.TextField(null=True, db_comment="the provider's category of the service, as last approved")
    unread = models.TextField(
        null=True, db_comment="why its line in the provider's price list could not be read; null: it was read"
    )

    class Meta:
        db_table = "route"
        constraints = [one_of("off", RouteOff, "route_off")]


class OfferTable(models.Model):
    """A service in a provider's price list, as last read. ``gone``: the time from which it was not listed."""

    pk = models.CompositePrimaryKey("provider_id", "provider_service")
    provider_id = models.BigIntegerField()
    min = models.BigIntegerField()
    max = models.BigIntegerField()
    seen = models.DateTimeField()
    gone = models.DateTimeField(null=True)
    refill = models.BooleanField(null=True, db_comment="null: the price list does not say")
    cancel = models.BooleanField(null=True, db_comment="null: the price list does not say")
    dripfeed = models.BooleanField(null=True, db_comment="null: the price list does not say")
    provider_service = models.TextField()
    name = models.TextField()
    category = models.TextField()
    type = models.TextField(null=True, db_comment="service type; null: listed under an unknown type")
    rate = ExactField(db_comment="price of 1000, or of one package, in the provider's currency")
    description = models.TextField(db_default="")

    class Meta:
        db_table = "offer"
        constraints = [
            CheckConstraint(condition=Q(rate__gte=0, rate__lt=10**15), name="offer_rate"),
            one_of("type", ServiceType, "offer_type"),
        ]


class BalanceReadingTable(models.Model):
    """A provider's balance at one time, in the provider's currency. Old rows are pruned."""

    pk = models.CompositePrimaryKey("provider_id", "at")
    provider_id = models.BigIntegerField()
    at = models.DateTimeField()
    balance = ExactField()

    class Meta:
        db_table = "balance_reading"
