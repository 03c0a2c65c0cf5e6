"""What was looked into about attempts, and what was concluded."""

from django.db import models
from django.db.models import Index, Q

from opensmm.domain.evidence import Conclusion, EvidenceKind
from opensmm.store.models.fields import one_of


class Evidence(models.Model):
    """One look at one attempt: what was asked and said (``detail``), and what it proved. Rows are for ever."""

    id = models.BigAutoField(primary_key=True)
    order_id = models.BigIntegerField()
    provider_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    run = models.IntegerField()
    number = models.IntegerField(db_comment="of the attempt; one that was never made has no row of its own")
    kind = models.TextField()
    conclusion = models.TextField()
    detail = models.JSONField()

    class Meta:
        db_table = "evidence"
        constraints = [
            one_of("kind", EvidenceKind, "evidence_kind"),
            one_of("conclusion", Conclusion, "evidence_conclusion"),
        ]
        indexes = [
            Index(fields=["order_id", "run", "number"], name="evidence_by_attempt"),
            Index(fields=["provider_id", "at"], condition=Q(kind="operator"), name="evidence_of_operator"),
        ]
