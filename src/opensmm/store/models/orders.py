"""Tables of orders, and of idempotency keys, links and batch marks, which keep an order from being placed twice."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q
from django.db.models.functions import Now

from opensmm.domain.orders import OrderState
from opensmm.store.models.fields import ExactField, one_of

LIVE = ("open", "active", "paused")


class OrderTable(models.Model):
    """An order. ``charge`` is held at placing; at the end ``earned + refunded = charge``. Units of 0.00001."""

    id = models.BigAutoField(primary_key=True)
    customer_id = models.BigIntegerField()
    service_id = models.BigIntegerField()
    quantity = models.BigIntegerField(db_comment="quantity of one run")
    charge = models.BigIntegerField()
    refunded = models.BigIntegerField(db_default=0)
    earned = models.BigIntegerField(db_default=0)
    start_count = models.BigIntegerField(null=True)
    remains = models.BigIntegerField(null=True, db_comment="undelivered quantity of all runs together")
    created = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    runs = models.IntegerField(db_default=1)
    interval_min = models.IntegerField(db_default=0)
    packaged = models.BooleanField()
    state = models.TextField(db_default="open")
    rate = ExactField()
    link = models.TextField()
    user_id = models.BigIntegerField(
        null=True, db_comment="signed-in user who placed it; null: an API key, or the panel"
    )

    class Meta:
        db_table = "orders"
        constraints = [
            one_of("state", OrderState, "orders_state"),
            CheckConstraint(condition=Q(quantity__gte=0), name="orders_quantity"),
            CheckConstraint(condition=Q(runs__gte=1), name="orders_runs"),
            CheckConstraint(condition=Q(interval_min__gte=0), name="orders_interval"),
            CheckConstraint(condition=Q(charge__gte=0), name="orders_charge"),
            CheckConstraint(condition=Q(refunded__gte=0, refunded__lte=F("charge")), name="orders_refunded"),
            CheckConstraint(
                condition=Q(earned__gte=0, charge__gte=F("earned") + F("refunded")), name="orders_paid_out"
            ),
            CheckConstraint(
                condition=Q(state__in=LIVE) | Q(charge=F("earned") + F("refunded")), name="orders_ended_is_settled"
            ),
            CheckConstraint(
                condition=Q(remains=None) | Q(remains__gte=0, remains__lte=F("quantity") * F("runs")),
                name="orders_remains",
            ),
            CheckConstraint(
                condition=Q(ended=None, state__in=LIVE) | (Q(ended__isnull=False) & ~Q(state__in=LIVE)),
                name="orders_ended_has_a_time",
            ),
        ]
        indexes = [Index(fields=["customer_id", "id"], name="orders_by_customer")]


class OrderDetailTable(models.Model):
    """Comments, names and other parameters of a type. They are wide, and are read only when the order is sent."""

    order_id = models.BigIntegerField(primary_key=True)
    details = models.JSONField()

    class Meta:
        db_table = "order_detail"


class IdempotencyTable(models.Model):
    pk = models.CompositePrimaryKey("customer_id", "key")
    customer_id = models.BigIntegerField()
    order_id = models.BigIntegerField()
    created = models.DateTimeField()
    key = models.TextField()
    fingerprint = models.BinaryField(db_comment="hash of the normalised request")

    class Meta:
        db_table = "idempotency"
        indexes = [Index(fields=["created"], name="idempotency_by_age")]


class ActiveLinkTable(models.Model):
    """A link with a live order, for services that allow one at a time. The row is deleted when the order ends."""

    pk = models.CompositePrimaryKey("customer_id", "link_hash")
    customer_id = models.BigIntegerField()
    order_id = models.BigIntegerField()
    link_hash = models.BinaryField()

    class Meta:
        db_table = "active_link"
        indexes = [Index(fields=["order_id"], name="active_link_by_order")]


class BatchTable(models.Model):
    """A batch mark, which shows after a lost answer to COMMIT if the transaction committed.

    ``orders`` has one id for each request of the batch, in order; null: the batch was not committed, and never will be.
    """

    id = models.UUIDField(primary_key=True)
    orders = ArrayField(models.BigIntegerField(), null=True)
    created = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "batch"
        indexes = [Index(fields=["created"], name="batch_by_age")]
