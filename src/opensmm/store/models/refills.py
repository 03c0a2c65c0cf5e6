"""Tables of refills, which are requests to deliver again what an ended order lost, and of their tasks at providers."""

from django.db import models
from django.db.models import Index, Q, UniqueConstraint

from opensmm.domain.catalogue import RefillMode
from opensmm.domain.refills import OPEN_REFILLS, UNCLEAR, RefillStatus
from opensmm.store.models.fields import one_of, texts

UNDERWAY = ("queued", "sending", "unsure")


class RefillTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    order_id = models.BigIntegerField()
    customer_id = models.BigIntegerField()
    created = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    purchase_id = models.BigIntegerField(
        null=True, db_comment="in mode other: id of the house's order for what was lost"
    )
    state = models.TextField()
    mode = models.TextField(db_default="provider")

    class Meta:
        db_table = "refill"
        constraints = [
            one_of("state", RefillStatus, "refill_state"),
            one_of("mode", RefillMode, "refill_mode"),
            UniqueConstraint(fields=["purchase_id"], name="refill_purchase_once"),
            UniqueConstraint(fields=["order_id"], condition=Q(state__in=texts(OPEN_REFILLS)), name="refill_one_open"),
        ]
        indexes = [
            Index(fields=["order_id", "id"], name="refill_by_order"),
            Index(fields=["id"], condition=Q(mode="other", state__in=texts(OPEN_REFILLS)), name="refill_to_buy"),
        ]


class RefillTaskTable(models.Model):
    """A refill's part at the provider that delivered one run.

    No code reads or writes ``fence`` and ``lease_until``: the next release drops them.
    """

    pk = models.CompositePrimaryKey("refill_id", "run")
    refill_id = models.BigIntegerField()
    order_id = models.BigIntegerField()
    provider_id = models.BigIntegerField()
    due = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    polled = models.DateTimeField(null=True)
    run = models.IntegerField()
    fence = models.IntegerField(db_default=0)
    tries = models.IntegerField(db_default=0, db_comment="number of refill requests without a clear answer")
    state = models.TextField(db_default="queued")
    provider_order = models.TextField()
    provider_refill = models.TextField(null=True)
    note = models.JSONField(
        null=True, db_comment="code and fields of the note for the operator: an answer that is not understood"
    )
    noted = models.DateTimeField(null=True, db_comment="time since which the note applies")

    class Meta:
        db_table = "refill_task"
        constraints = [one_of("state", (*RefillStatus, *UNDERWAY), "refill_task_state")]
        indexes = [
            Index(fields=["due"], condition=Q(due__isnull=False), name="refill_task_due"),
            Index(fields=["refill_id"], condition=Q(state=UNCLEAR), name="refill_task_unsure"),
            Index(fields=["noted"], condition=Q(note__isnull=False, due__isnull=False), name="refill_task_noted"),
        ]
