"""Tables of daily sums of the ledger, for charts and reports."""

from django.db import models
from django.db.models import Index


class RollupCursorTable(models.Model):
    """The progress of adding up a table. Rows up to ``until`` are added once no transaction before ``fence`` runs."""

    name = models.TextField(primary_key=True)
    done = models.BigIntegerField(db_default=0, db_comment="highest id such that it and all lower ids are added up")
    until = models.BigIntegerField(db_default=0, db_comment="highest id when the fence was set")
    fence = models.BigIntegerField(
        null=True, db_comment="transaction id; when no earlier one runs, ids to until may be added up"
    )

    class Meta:
        db_table = "rollup_cursor"


class ServiceDayTable(models.Model):
    """Money that moved on a day (UTC) for orders of a service at a provider; 0: not at one. Units of 0.00001."""

    pk = models.CompositePrimaryKey("day", "service_id", "provider_id")
    service_id = models.BigIntegerField()
    provider_id = models.BigIntegerField()
    placed = models.BigIntegerField(db_default=0, db_comment="number of orders")
    charged = models.BigIntegerField(db_default=0)
    earned = models.BigIntegerField(db_default=0)
    refunded = models.BigIntegerField(db_default=0)
    returned = models.BigIntegerField(db_default=0, db_comment="refunds of what had been earned")
    cost = models.BigIntegerField(db_default=0)
    day = models.DateField()

    class Meta:
        db_table = "service_day"


class CustomerDayTable(models.Model):
    """Money that moved on a day (UTC) for a customer. Units of 0.00001."""

    pk = models.CompositePrimaryKey("customer_id", "day")
    customer_id = models.BigIntegerField()
    placed = models.BigIntegerField(db_default=0, db_comment="number of orders")
    charged = models.BigIntegerField(db_default=0)
    earned = models.BigIntegerField(db_default=0)
    refunded = models.BigIntegerField(db_default=0)
    returned = models.BigIntegerField(db_default=0)
    cost = models.BigIntegerField(db_default=0)
    paid = models.BigIntegerField(db_default=0, db_comment="top-ups less payouts and chargebacks")
    granted = models.BigIntegerField(
        db_default=0, db_comment="bonuses and adjustments, less adjustments that took money"
    )
    day = models.DateField()

    class Meta:
        db_table = "customer_day"
        indexes = [Index(fields=["day"], name="customer_day_by_day")]
