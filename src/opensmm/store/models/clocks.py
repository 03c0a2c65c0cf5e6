"""Tables of the database's clock: the last reading, and the steps."""

from django.db import models
from django.db.models import CheckConstraint, Q

from opensmm.domain.clocks import StepCause
from opensmm.store.models.fields import one_of


class ClockTable(models.Model):
    """The last reading of the database's clock: one row."""

    id = models.SmallIntegerField(primary_key=True)
    at = models.DateTimeField(db_comment="highest time read since the last step")
    started = models.DateTimeField(db_comment="start time of the database server")
    timeline = models.TextField()

    class Meta:
        db_table = "clock"
        constraints = [CheckConstraint(condition=Q(id=1), name="clock_is_one")]


class ClockStepTable(models.Model):
    """A step of the clock, or a period without a worker. Rows are never deleted: times of any age are compared."""

    id = models.BigAutoField(primary_key=True)
    noted = models.DateTimeField(db_comment="time of recording, by the clock after the step")
    since = models.DateTimeField(db_comment="start of the period whose times prove nothing")
    until = models.DateTimeField(db_comment="end of that period")
    moved = models.DurationField(db_comment="size of the step; below 0: backwards")
    cause = models.TextField()

    class Meta:
        db_table = "clock_step"
        constraints = [one_of("cause", StepCause, "clock_step_cause")]
