"""The table of the operator's policy, with its history."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from opensmm.domain.policy import RuleKind
from opensmm.store.models.fields import one_of


class PolicyRuleTable(models.Model):
    """A rule, or the removal of one. Rows are only added, so that they show each decision, its actor and its time."""

    id = models.BigAutoField(primary_key=True)
    version = models.BigIntegerField(db_comment="catalogue version from which the row applies")
    removes = models.BigIntegerField(
        null=True, db_comment="id of the rule that this row removes; null: the row adds a rule"
    )
    at = models.DateTimeField()
    actor = models.TextField()
    kind = models.TextField()
    value = models.TextField()
    reason = models.TextField(db_default="")

    class Meta:
        db_table = "policy_rule"
        constraints = [
            one_of("kind", RuleKind, "policy_rule_kind"),
            CheckConstraint(condition=~Q(value=""), name="policy_rule_value"),
            UniqueConstraint(fields=["removes"], name="policy_rule_removed_once"),
        ]
