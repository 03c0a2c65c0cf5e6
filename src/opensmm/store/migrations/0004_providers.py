import opensmm.store.models.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0003_evidence'),
    ]

    operations = [
        migrations.CreateModel(
            name='BalanceReading',
            fields=[
                ('pk', models.CompositePrimaryKey('provider_id', 'at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('provider_id', models.BigIntegerField()),
                ('at', models.DateTimeField()),
                ('balance', opensmm.store.models.fields.ExactField()),
            ],
            options={
                'db_table': 'balance_reading',
            },
        ),
        migrations.CreateModel(
            name='Offer',
            fields=[
                ('pk', models.CompositePrimaryKey('provider_id', 'provider_service', blank=True, editable=False, primary_key=True, serialize=False)),
                ('provider_id', models.BigIntegerField()),
                ('min', models.BigIntegerField()),
                ('max', models.BigIntegerField()),
                ('seen', models.DateTimeField()),
                ('gone', models.DateTimeField(null=True)),
                ('refill', models.BooleanField(db_default=False)),
                ('cancel', models.BooleanField(db_default=False)),
                ('dripfeed', models.BooleanField(db_default=False)),
                ('provider_service', models.TextField()),
                ('name', models.TextField()),
                ('category', models.TextField()),
                ('type', models.TextField(db_comment="null: a word that is none of the trade's", null=True)),
                ('rate', opensmm.store.models.fields.ExactField(db_comment="in the provider's currency")),
                ('description', models.TextField(db_default='')),
            ],
            options={
                'db_table': 'offer',
            },
        ),
        migrations.AddField(
            model_name='provider',
            name='balance_asked',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='provider',
            name='calls_per_second',
            field=models.IntegerField(db_comment='of one worker; 0: as many as there are', db_default=0),
        ),
        migrations.AddField(
            model_name='provider',
            name='concurrency',
            field=models.IntegerField(db_comment='calls of one worker at a time', db_default=64),
        ),
        migrations.AddField(
            model_name='provider',
            name='fault',
            field=models.TextField(db_comment='what the newest failure said', db_default=''),
        ),
        migrations.AddField(
            model_name='provider',
            name='sealed_key',
            field=models.BinaryField(db_comment="encrypted; bound to the provider's id and address", null=True),
        ),
        migrations.AddField(
            model_name='service',
            name='cheapest_first',
            field=models.BooleanField(db_comment='its routes are kept in the order of their cost', db_default=False),
        ),
        migrations.AlterField(
            model_name='provider',
            name='resting_until',
            field=models.DateTimeField(db_comment='left alone until then, and then tried with one call', null=True),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('concurrency__gte', 1), ('concurrency__lte', 1000)), name='provider_concurrency'),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('calls_per_second__gte', 0), ('calls_per_second__lte', 10000)), name='provider_calls_per_second'),
        ),
        migrations.AddConstraint(
            model_name='offer',
            constraint=models.CheckConstraint(condition=models.Q(('rate__gte', 0), ('rate__lt', 1000000000000000)), name='offer_rate'),
        ),
        migrations.AddConstraint(
            model_name='offer',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['Default', 'Package', 'SEO', 'Custom Comments', 'Custom Comments Package', 'Mentions', 'Mentions with Hashtags', 'Mentions Custom List', 'Mentions Hashtag', 'Mentions User Followers', 'Mentions Media Likers', 'Comment Likes', 'Comment Replies', 'Poll', 'Invites from Groups', 'Subscriptions', 'Web Traffic'])), name='offer_type'),
        ),
    ]
