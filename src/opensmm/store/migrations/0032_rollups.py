"""Sums by day. A worker adds up what is there already, a piece at a time."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0031_buyers'),
    ]

    operations = [
        migrations.CreateModel(
            name='RollupCursor',
            fields=[
                ('name', models.TextField(primary_key=True, serialize=False)),
                ('done', models.BigIntegerField(db_comment='the highest id that is added up, and all below it', db_default=0)),
                ('until', models.BigIntegerField(db_comment='the highest id that was seen when the fence was set', db_default=0)),
                ('fence', models.BigIntegerField(db_comment="a transaction's number", null=True)),
            ],
            options={
                'db_table': 'rollup_cursor',
            },
        ),
        migrations.CreateModel(
            name='ServiceDay',
            fields=[
                ('pk', models.CompositePrimaryKey('day', 'service_id', 'provider_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('service_id', models.BigIntegerField()),
                ('provider_id', models.BigIntegerField()),
                ('placed', models.BigIntegerField(db_comment='orders', db_default=0)),
                ('charged', models.BigIntegerField(db_default=0)),
                ('earned', models.BigIntegerField(db_default=0)),
                ('refunded', models.BigIntegerField(db_default=0)),
                ('returned', models.BigIntegerField(db_comment='of what had been earned', db_default=0)),
                ('cost', models.BigIntegerField(db_default=0)),
                ('day', models.DateField()),
            ],
            options={
                'db_table': 'service_day',
            },
        ),
        migrations.CreateModel(
            name='CustomerDay',
            fields=[
                ('pk', models.CompositePrimaryKey('customer_id', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                ('customer_id', models.BigIntegerField()),
                ('placed', models.BigIntegerField(db_comment='orders', db_default=0)),
                ('charged', models.BigIntegerField(db_default=0)),
                ('earned', models.BigIntegerField(db_default=0)),
                ('refunded', models.BigIntegerField(db_default=0)),
                ('returned', models.BigIntegerField(db_default=0)),
                ('cost', models.BigIntegerField(db_default=0)),
                ('paid', models.BigIntegerField(db_comment='by the customer, less what went back', db_default=0)),
                ('granted', models.BigIntegerField(db_comment='by the house, less what it took', db_default=0)),
                ('day', models.DateField()),
            ],
            options={
                'db_table': 'customer_day',
            },
        ),
        migrations.AddIndex(
            model_name='customerday',
            index=models.Index(fields=['day'], name='customer_day_by_day'),
        ),
        migrations.RunSQL("insert into rollup_cursor (name) values ('transfer'), ('orders')", 'delete from rollup_cursor'),
    ]
