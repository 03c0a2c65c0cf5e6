"""The table of worker processes: one row each, for as long as its heartbeats come."""

from django.db import models


class WorkerTable(models.Model):
    id = models.UUIDField(primary_key=True)
    started = models.DateTimeField()
    seen = models.DateTimeField(db_comment="time of the newest heartbeat")
    clock_off = models.DurationField(null=True, db_comment="clock of its machine minus the database's clock")
    shut = models.JSONField(
        null=True, db_comment="providers that it cannot call, with a reason code each; null: not reported"
    )
    pid = models.IntegerField()
    host = models.TextField()

    class Meta:
        db_table = "worker"
