import opensmm.store.models.fields
from decimal import Decimal
from django.db import migrations, models

# What was ordered before may not cost more than it was sold at either.
CEILINGS = """
update delivery d set ceiling = nullif(o.rate, 0) from orders o
where o.id = d.order_id and d.state not in ('completed', 'partial', 'canceled');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0006_policy'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempt',
            name='quoted',
            field=opensmm.store.models.fields.ExactField(db_comment="what 1000 cost as far as was known, in the panel's currency", null=True),
        ),
        migrations.AddField(
            model_name='delivery',
            name='ceiling',
            field=opensmm.store.models.fields.ExactField(db_comment="the most that 1000 may cost, in the panel's currency; null: anything", null=True),
        ),
        migrations.AddField(
            model_name='panel',
            name='below_cost',
            field=models.TextField(db_comment='what becomes of an order that would cost more', db_default='refuse'),
        ),
        migrations.AddField(
            model_name='provider',
            name='added',
            field=opensmm.store.models.fields.ExactField(db_comment="on top of that, per 1000, in the panel's currency", db_default=Decimal('0')),
        ),
        migrations.AddField(
            model_name='provider',
            name='decimals',
            field=models.IntegerField(db_comment='of prices that follow', db_default=4),
        ),
        migrations.AddField(
            model_name='provider',
            name='margin',
            field=opensmm.store.models.fields.ExactField(db_comment='per cent on top; null: prices do not follow costs', null=True),
        ),
        migrations.AddField(
            model_name='provider',
            name='price_share',
            field=models.IntegerField(db_comment='per cent a cost may move by without approval', db_default=20),
        ),
        migrations.AddField(
            model_name='provider',
            name='sync_asked',
            field=models.DateTimeField(db_comment='when a worker last went to read its price list', null=True),
        ),
        migrations.AddField(
            model_name='provider',
            name='sync_every_min',
            field=models.IntegerField(db_comment='0: its price list is not read by itself', db_default=30),
        ),
        migrations.AddField(
            model_name='provider',
            name='sync_fault',
            field=models.TextField(db_comment='why its newest price list was not taken over', db_default=''),
        ),
        migrations.AddField(
            model_name='provider',
            name='synced',
            field=models.DateTimeField(db_comment='when its price list was last taken over', null=True),
        ),
        migrations.AddField(
            model_name='route',
            name='agreed',
            field=opensmm.store.models.fields.ExactField(null=True),
        ),
        migrations.AddField(
            model_name='route',
            name='cost',
            field=opensmm.store.models.fields.ExactField(db_comment='null: no price list has told it', null=True),
        ),
        migrations.AddField(
            model_name='route',
            name='off',
            field=models.TextField(db_comment='why it is not used', null=True),
        ),
        migrations.AddField(
            model_name='route',
            name='quarantined',
            field=models.DateTimeField(db_comment='since its cost moved too far from what was agreed to', null=True),
        ),
        migrations.AddField(
            model_name='service',
            name='cost',
            field=opensmm.store.models.fields.ExactField(db_comment="of 1000 at its cheapest route, in the panel's currency; null: unknown", null=True),
        ),
        migrations.AddField(
            model_name='service',
            name='halted',
            field=models.TextField(db_comment='why it is not sold although it is on sale', null=True),
        ),
        migrations.AlterField(
            model_name='offer',
            name='cancel',
            field=models.BooleanField(null=True),
        ),
        migrations.AlterField(
            model_name='offer',
            name='dripfeed',
            field=models.BooleanField(null=True),
        ),
        migrations.AlterField(
            model_name='offer',
            name='refill',
            field=models.BooleanField(db_comment='null, here and below: the list does not say', null=True),
        ),
        migrations.RunSQL(CEILINGS, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='price',
            index=models.Index(fields=['service_id', 'rate'], name='price_by_service'),
        ),
        migrations.AddConstraint(
            model_name='panel',
            constraint=models.CheckConstraint(condition=models.Q(('below_cost__in', ['refuse', 'hold'])), name='panel_below_cost'),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('sync_every_min__gte', 0), ('sync_every_min__lte', 10080)), name='provider_sync_every'),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('price_share__gte', 0), ('price_share__lte', 10000)), name='provider_price_share'),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('margin', None), models.Q(('margin__gte', 0), ('margin__lt', 1000000000)), _connector='OR'), name='provider_margin'),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('added__gte', 0), ('added__lt', 1000000000)), name='provider_added'),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('decimals__gte', 0), ('decimals__lte', 8)), name='provider_decimals'),
        ),
        migrations.AddConstraint(
            model_name='route',
            constraint=models.CheckConstraint(condition=models.Q(('off__in', ['gone', 'type', 'moved'])), name='route_off'),
        ),
        migrations.AddConstraint(
            model_name='service',
            constraint=models.CheckConstraint(condition=models.Q(('halted__in', ['gone', 'type', 'quarantine'])), name='service_halted'),
        ),
    ]
