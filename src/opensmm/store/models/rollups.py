"""Tables of daily sums of the ledger, for charts and reports."""

from django.db import models
from django.db.models import Index


class RollupCursorTable(models.Model):
    """The progress of adding up a table. Rows up to ``until`` are added once no transaction before ``fence`` runs."""

    name = models.TextField(primary_key=True)
    done = models.BigIntegerField(db_default=0, db_comment="the highest id that is added up, and all below it")
    until = models.BigIntegerField(db_default=0, db_comment="the highest id that was seen when the fence was set")
    fence = models.BigIntegerField(null=True, db_comment="a transaction's number")

    class Meta:
        db_table = "rollup_cursor"


class ServiceDayTable(models.Model):
    """Money that moved on a day (UTC) for orders of a service at a provider; 0: not at one. Units of 0.00001."""

    pk = models.CompositePrimaryKey("day", "service_id", "provider_id")
    service_id = models.BigIntegerField()
    provider_id = models.BigIntegerField()
    placed = models.BigIntegerField(db_default=0, db_comment="orders")
    charged = models.BigIntegerField(db_default=0)
    earned = models.BigIntegerField(db_default=0)
    refunded = models.BigIntegerField(db_default=0)
    returned = models.BigIntegerField(db_default=0, db_comment="of what had been earned")
    cost = models.BigIntegerField(db_default=0)
    day = models.DateField()

    class Meta:
        db_table = "service_day"


class CustomerDayTable(models.Model):
    """Money that moved on a day (UTC) for a customer. Units of 0.00001."""

    pk = models.CompositePrimaryKey("customer_id", "day")
    customer_id = models.BigIntegerField()
    placed = models.BigIntegerField(db_default=0, db_comment="orders")
    charged = models.BigIntegerField(db_default=0)
    earned = models.BigIntegerField(db_default=0)
    refunded = models.BigIntegerField(db_default=0)
    returned = models.BigIntegerField(db_default=0)
    cost = models.BigIntegerField(db_default=0)
    paid = models.BigIntegerField(db_default=0, db_comment="by the customer, less what went back")
    granted = models.BigIntegerField(db_default=0, db_comment="by the house, less what it took")
    day = models.DateField()

    class Meta:
        db_table = "customer_day"
        indexes = [Index(fields=["day"], name="customer_day_by_day")]
