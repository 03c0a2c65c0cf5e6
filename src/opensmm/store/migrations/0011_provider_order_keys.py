"""Ids of providers are kept as written and compared by a key without leading zeros."""

import structlog
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models.expressions import RawSQL

KEY = (
    "case when collides then null else case when ltrim(provider_order, '0123456789') = '' "
    "then ltrim(provider_order, '0') else provider_order end end"
)
# Only ids with a leading zero can collide with another text: looked for first, so that large tables are read once.
COLLIDING = """
with zeros as materialized (
  select distinct provider_id, ltrim(provider_order, '0') as key from {table}
  where provider_order like '0%%' and ltrim(provider_order, '0123456789') = '' and {which}
), later as (
  select t.ctid as row, row_number() over (partition by t.provider_id, z.key order by t.order_id) as turn
  from {table} t join zeros z on z.provider_id = t.provider_id and z.key = ltrim(t.provider_order, '0')
  where ltrim(t.provider_order, '0123456789') = '' and {which}
)
update {table} t set collides = true from later where t.ctid = later.row and turn > 1
returning t.provider_id, t.provider_order, t.order_id
"""


def mark_colliding(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """The later of two that share an id but for zeros has no key from now on; each is named in the log."""
    for table, which in (("attempt", "provider_order is not null"), ("post", "state <> 'taken'")):
        with editor.connection.cursor() as cursor:
            cursor.execute(COLLIDING.format(table=table, which=which), [])
            for provider, theirs, order in cursor.fetchall():
                told = {"provider": provider, "provider_order": theirs, "order": order, "table": table}
                structlog.get_logger().warning("two orders bear one id at their provider, but for zeros", **told)


def key() -> models.GeneratedField:
    return models.GeneratedField(db_persist=True, expression=RawSQL(KEY, []), null=True, output_field=models.TextField())


class Migration(migrations.Migration):
    dependencies = [("store", "0010_notices")]

    operations = [
        *(
            migrations.AddField(
                model_name=model,
                name="collides",
                field=models.BooleanField(
                    db_comment="from before its id was compared without leading zeros", null=True
                ),
            )
            for model in ("attempt", "post")
        ),
        migrations.RunPython(mark_colliding, migrations.RunPython.noop),
        migrations.AddField(model_name="attempt", name="provider_order_key", field=key()),
        migrations.AddField(model_name="post", name="provider_order_key", field=key()),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("provider_order_key__isnull", False)),
                fields=("provider_id", "provider_order_key"),
                name="attempt_provider_order_key_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="post",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "taken"), _negated=True),
                fields=("provider_id", "provider_order_key"),
                name="post_key_once",
            ),
        ),
        # The keys' indexes refuse all that these refused.
        migrations.RemoveConstraint(model_name="attempt", name="attempt_provider_order_once"),
        migrations.RemoveConstraint(model_name="post", name="post_once"),
    ]
