"""The table of evidence about attempts."""

from django.db import models
from django.db.models import Index, Q

from opensmm.domain.evidence import Conclusion, EvidenceKind
from opensmm.store.models.fields import one_of


class EvidenceTable(models.Model):
    """One check of one attempt: questions and answers (``detail``), and the conclusion. Rows are never deleted.

    A notice (kind ``answer``) is on the operator's list until it is dealt with; no other column of a row changes.
    """

    id = models.BigAutoField(primary_key=True)
    order_id = models.BigIntegerField()
    provider_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    dealt_with = models.DateTimeField(
        null=True, db_comment="when the operator dealt with the notice; null: not yet, or no notice"
    )
    run = models.IntegerField()
    number = models.IntegerField(db_comment="number of the attempt; one that was never made has no row in `attempt`")
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
            Index(fields=["provider_id"], condition=Q(conclusion="late_acceptance"), name="evidence_late"),
            Index(fields=["conclusion", "id"], condition=Q(kind="answer", dealt_with=None), name="evidence_to_see"),
        ]
