"""The table of orders that providers make for posts of subscriptions."""

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from opensmm.domain.subscriptions import PostState
from opensmm.store.models.fields import one_of, order_key


class PostTable(models.Model):
    """A provider's order for one post of a subscription, from its first report on. ``child_id`` is our order for it."""

    pk = models.CompositePrimaryKey("order_id", "provider_order")
    order_id = models.BigIntegerField(db_comment="order id of the subscription")
    provider_id = models.BigIntegerField()
    child_id = models.BigIntegerField(null=True)
    seen = models.DateTimeField(db_comment="when the provider first reported it")
    missing = models.DateTimeField(
        null=True, db_comment="time since which the provider no longer lists it; null: it does"
    )
    state = models.TextField()
    provider_order = models.TextField()
    collides = models.BooleanField(
        null=True, db_comment="true: in an older release, another row got the same id but for leading zeros"
    )
    provider_order_key = order_key()

    class Meta:
        db_table = "post"
        constraints = [
            one_of("state", PostState, "post_state"),
            UniqueConstraint(fields=["child_id"], name="post_child_once"),
            UniqueConstraint(
                fields=["provider_id", "provider_order_key"], condition=~Q(state="taken"), name="post_key_once"
            ),
            CheckConstraint(
                condition=Q(state="made", child_id__isnull=False) | (~Q(state="made") & Q(child_id=None)),
                name="post_made_is_an_order",
            ),
        ]
        indexes = [
            Index(fields=["seen"], condition=Q(state__in=("untold", "unpaid")), name="post_waiting"),
            Index(fields=["seen"], condition=Q(state__in=("taken", "lost", "beyond", "expired")), name="post_refused"),
        ]
