"""Tables of the sandbox provider's own books, which are independent of the panel's."""

from django.db import models


class SandboxOrderTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    quantity = models.BigIntegerField()
    start_count = models.BigIntegerField()
    placed = models.DateTimeField()
    canceled = models.DateTimeField(null=True)
    account = models.IntegerField(db_default=0, db_comment="account that ordered; 0: this panel; others: strangers")
    parent_id = models.BigIntegerField(
        null=True, db_comment="id of the subscription whose post it is; null: not for a post"
    )
    post = models.IntegerField(null=True, db_comment="number of the post in its subscription, from 1")
    service = models.TextField()
    link = models.TextField()
    subscription = models.JSONField(null=True, db_comment="parameters of a subscription; null: an ordinary order")

    class Meta:
        db_table = "sandbox_order"
        constraints = [models.UniqueConstraint(fields=["parent_id", "post"], name="sandbox_post_once")]


class SandboxRefillTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    order_id = models.BigIntegerField()
    asked = models.DateTimeField()

    class Meta:
        db_table = "sandbox_refill"
        indexes = [models.Index(fields=["order_id"], name="sandbox_refill_by_order")]
