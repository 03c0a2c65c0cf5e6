"""Tables of transfers and of the audit trail. Rows are never changed: the app's role may read and add them."""

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint
from django.db.models.functions import Coalesce, Lower, Trim

from opensmm.domain.audit import ActorKind
from opensmm.domain.ledger import TransferKind
from opensmm.store.models.fields import one_of


class TransferTable(models.Model):
    """A transfer of ``amount`` from the debit to the credit account. The house's own accounts have ids below 0."""

    id = models.BigAutoField(primary_key=True)
    debit = models.BigIntegerField()
    credit = models.BigIntegerField()
    amount = models.BigIntegerField()
    customer_id = models.BigIntegerField()
    order_id = models.BigIntegerField(null=True)
    corrects = models.BigIntegerField(null=True)
    created = models.DateTimeField()
    sequence = models.IntegerField(db_default=0)
    kind = models.TextField()
    note = models.TextField(db_default="")

    class Meta:
        db_table = "transfer"
        constraints = [
            one_of("kind", TransferKind, "transfer_kind"),
            CheckConstraint(condition=Q(amount__gt=0), name="transfer_amount_above_0"),
            CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_two_accounts"),
            UniqueConstraint(fields=["order_id", "kind", "sequence"], name="transfer_once"),
        ]
        indexes = [
            Index(fields=["customer_id", "id"], condition=Q(debit__gt=0) | Q(credit__gt=0), name="transfer_statement")
        ]


class DepositTable(models.Model):
    """A payment from outside. Its id at the gateway exists once."""

    pk = models.CompositePrimaryKey("gateway", "external_id")
    transfer_id = models.BigIntegerField()
    gateway = models.TextField()
    external_id = models.TextField()
    folded = models.TextField(null=True, db_comment="the id, case-folded; null in rows of older releases")

    class Meta:
        db_table = "deposit"
        indexes = [
            Index(Lower(Trim("gateway")), Coalesce("folded", Lower(Trim("external_id"))), name="deposit_like"),
            Index(fields=["transfer_id"], name="deposit_by_transfer"),
        ]


class TransferReferenceTable(models.Model):
    """The reference of a transfer by the operator, which makes a repeat harmless, and the transfer that it corrects."""

    pk = models.CompositePrimaryKey("kind", "reference")
    transfer_id = models.BigIntegerField()
    corrects = models.BigIntegerField(null=True)
    to_customer_id = models.BigIntegerField(
        null=True, db_comment="customer who received the amount that an adjustment took"
    )
    kind = models.TextField()
    reference = models.TextField()

    class Meta:
        db_table = "transfer_reference"
        indexes = [
            Index(fields=["corrects"], condition=Q(corrects__isnull=False), name="transfer_reference_corrects"),
            Index(fields=["transfer_id"], name="transfer_reference_by_transfer"),
        ]


class AuditTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor = models.TextField()
    action = models.TextField()
    subject = models.TextField()
    detail = models.JSONField()
    actor_kind = models.TextField(null=True, db_comment="kind of the actor; null in rows of older releases")

    class Meta:
        db_table = "audit"
        constraints = [one_of("actor_kind", ActorKind, "audit_actor_kind")]
        indexes = [Index(fields=["subject", "id"], name="audit_by_subject")]
