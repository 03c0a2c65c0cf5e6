"""Tables of deliveries and of the attempts to send them."""

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from opensmm.domain.dispatch import ACCEPTED_STATES, END_STATES, AttemptOutcome, DeliveryState
from opensmm.store.models.fields import ExactField, one_of, order_key, texts


class DeliveryTable(models.Model):
    """One run of an order. Ended deliveries have no due time, and so are in no index of due ones."""

    pk = models.CompositePrimaryKey("order_id", "run")
    order_id = models.BigIntegerField()
    service_id = models.BigIntegerField()
    quantity = models.BigIntegerField()
    start_count = models.BigIntegerField(null=True)
    remains = models.BigIntegerField(null=True)
    due = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    cancel_asked = models.DateTimeField(null=True)
    cancel_passed = models.DateTimeField(null=True)
    cancel_again = models.DateTimeField(null=True, db_comment="when the cancel is sent to the provider again")
    cancel_tries = models.IntegerField(db_default=0, db_comment="number of cancel requests without a clear answer")
    sent = models.DateTimeField(null=True)
    polled = models.DateTimeField(null=True, db_comment="request time of the newest answer that was applied")
    run = models.IntegerField()
    fence = models.IntegerField(
        db_default=0, db_comment="incremented by each claim; results with a lower value are ignored"
    )
    route = models.IntegerField(db_default=0, db_comment="position of the route to try")
    attempt = models.IntegerField(db_default=0, db_comment="number of the newest attempt")
    state = models.TextField(db_default="queued")
    note = models.JSONField(
        null=True, db_comment="code and fields of the note for the operator: why it waits or is held"
    )
    noted = models.DateTimeField(null=True, db_comment="time since which the note applies")
    ceiling = ExactField(null=True, db_comment="highest allowed cost of 1000, in the panel's currency; null: no limit")

    class Meta:
        db_table = "delivery"
        constraints = [
            one_of("state", DeliveryState, "delivery_state"),
            CheckConstraint(condition=Q(quantity__gte=0), name="delivery_quantity"),
            CheckConstraint(
                condition=Q(remains=None) | Q(remains__gte=0, remains__lte=F("quantity")), name="delivery_remains"
            ),
        ]
        indexes = [
            Index(fields=["due"], condition=Q(state="queued", due__isnull=False), name="delivery_to_send"),
            Index(
                fields=["due"],
                condition=Q(state__in=texts(ACCEPTED_STATES), due__isnull=False),
                name="delivery_to_poll",
            ),
            # Deliveries at a provider are polled at their due time, but for the manual provider's, which have none.
            Index(
                fields=["order_id"],
                condition=Q(state__in=texts(ACCEPTED_STATES), due=None),
                name="delivery_at_staff",
            ),
            # A delivery of no units is a subscription's. These are few, and are watched, not polled.
            Index(
                fields=["due"],
                condition=Q(state__in=texts(ACCEPTED_STATES), due__isnull=False, quantity=0),
                name="delivery_to_watch",
            ),
            Index(
                fields=["order_id"],
                condition=Q(quantity=0) & ~Q(state__in=texts(END_STATES)),
                name="delivery_subscribed",
            ),
            Index(fields=["lease_until"], condition=Q(state="sending"), name="delivery_sending"),
            Index(
                fields=["order_id"],
                condition=Q(cancel_asked__isnull=False, cancel_passed=None),
                name="delivery_to_cancel",
            ),
            Index(fields=["order_id"], condition=Q(state__in=("unsure", "held")), name="delivery_for_operator"),
            # Deliveries that wait for a provider that turns us away, or whose provider's answers are not understood.
            Index(
                fields=["noted"],
                condition=Q(note__isnull=False, state__in=texts((DeliveryState.QUEUED, *ACCEPTED_STATES))),
                name="delivery_noted",
            ),
            # Always empty, since a first run is due from the beginning; `health` checks that it is.
            Index(fields=["order_id"], condition=Q(state="queued", due=None, run=1), name="delivery_never_due"),
        ]


class AttemptTable(models.Model):
    """One attempt to send a delivery to a provider: its outcome, the provider's order id, cost and answer."""

    pk = models.CompositePrimaryKey("order_id", "run", "number")
    order_id = models.BigIntegerField()
    provider_id = models.BigIntegerField()
    sent = models.DateTimeField(null=True)
    answered = models.DateTimeField(null=True)
    run = models.IntegerField()
    number = models.IntegerField()
    fence = models.IntegerField()
    outcome = models.TextField()
    provider_service = models.TextField()
    provider_order = models.TextField(null=True)
    collides = models.BooleanField(
        null=True, db_comment="true: in an older release, another row got the same id but for leading zeros"
    )
    provider_order_key = order_key()
    cost = ExactField(null=True, db_comment="newest charge that the provider reported, in `currency`")
    currency = models.TextField(null=True)
    exchange_rate = ExactField(null=True)
    quoted = ExactField(null=True, db_comment="cost of 1000 when sent, in the panel's currency; null: unknown")
    answer = models.TextField(db_default="")

    class Meta:
        db_table = "attempt"
        constraints = [
            one_of("outcome", AttemptOutcome, "attempt_outcome"),
            UniqueConstraint(
                fields=["provider_id", "provider_order_key"],
                condition=Q(provider_order_key__isnull=False),
                name="attempt_provider_order_key_once",
            ),
            UniqueConstraint(
                fields=["order_id", "run"],
                condition=Q(outcome__in=("sending", "accepted", "unsure")),
                name="attempt_one_open",
            ),
        ]
        indexes = [
            # For the neighbours of an unsure attempt: the accepted ones that were answered around it.
            Index(fields=["provider_id", "answered"], condition=Q(outcome="accepted"), name="attempt_accepted"),
        ]
