"""The table of worker processes: one row each, for as long as its heartbeats come."""

from django.db import models


class WorkerTable(models.Model):
    id = models.UUIDField(primary_key=True)
    started = models.DateTimeField()
    seen = models.DateTimeField(db_comment="the newest heartbeat")
    clock_off = models.DurationField(null=True, db_comment="its machine's clock, less the database's")
    shut = models.JSONField(null=True, db_comment="providers it cannot call, each with a code; null: not told")
    pid = models.IntegerField()
    host = models.TextField()

    class Meta:
        db_table = "worker"
