"""Tables of the sandbox provider's own books, which are independent of the panel's."""

from django.db import models


class SandboxOrderTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    quantity = models.BigIntegerField()
    start_count = models.BigIntegerField()
    placed = models.DateTimeField()
    canceled = models.DateTimeField(null=True)
    account = models.IntegerField(db_default=0, db_comment="whose order it is: 0 is the panel, others are strangers")
    parent_id = models.BigIntegerField(null=True, db_comment="the subscription that it is a post of")
    post = models.IntegerField(null=True, db_comment="its number there, from 1")
    service = models.TextField()
    link = models.TextField()
    subscription = models.JSONField(null=True, db_comment="what a subscription asks for; null: an ordinary order")

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
