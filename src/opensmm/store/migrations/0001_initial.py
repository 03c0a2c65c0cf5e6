import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import django.utils.timezone
import opensmm.store.models.fields
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Audit',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('actor', models.TextField()),
                ('action', models.TextField()),
                ('subject', models.TextField()),
                ('detail', models.JSONField()),
            ],
            options={
                'db_table': 'audit',
            },
        ),
        migrations.CreateModel(
            name='Deposit',
            fields=[
                ('pk', models.CompositePrimaryKey('gateway', 'external_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('transfer_id', models.BigIntegerField()),
                ('gateway', models.TextField()),
                ('external_id', models.TextField()),
            ],
            options={
                'db_table': 'deposit',
            },
        ),
        migrations.CreateModel(
            name='OrderDetail',
            fields=[
                ('order_id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('details', models.JSONField()),
            ],
            options={
                'db_table': 'order_detail',
            },
        ),
        migrations.CreateModel(
            name='Route',
            fields=[
                ('pk', models.CompositePrimaryKey('service_id', 'position', blank=True, editable=False, primary_key=True, serialize=False)),
                ('service_id', models.BigIntegerField()),
                ('provider_id', models.BigIntegerField()),
                ('position', models.IntegerField()),
                ('provider_service', models.TextField()),
            ],
            options={
                'db_table': 'route',
            },
        ),
        migrations.CreateModel(
            name='SandboxOrder',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('quantity', models.BigIntegerField()),
                ('start_count', models.BigIntegerField()),
                ('placed', models.DateTimeField()),
                ('canceled', models.DateTimeField(null=True)),
                ('service', models.TextField()),
                ('link', models.TextField()),
            ],
            options={
                'db_table': 'sandbox_order',
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'db_table': 'users',
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name='ActiveLink',
            fields=[
                ('pk', models.CompositePrimaryKey('customer_id', 'link_hash', blank=True, editable=False, primary_key=True, serialize=False)),
                ('customer_id', models.BigIntegerField()),
                ('order_id', models.BigIntegerField()),
                ('link_hash', models.BinaryField()),
            ],
            options={
                'db_table': 'active_link',
                'indexes': [models.Index(fields=['order_id'], name='active_link_by_order')],
            },
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('customer_id', models.BigIntegerField()),
                ('created', models.DateTimeField()),
                ('revoked', models.DateTimeField(null=True)),
                ('title_case', models.BooleanField(db_default=False)),
                ('hash', models.BinaryField()),
                ('hint', models.TextField()),
                ('label', models.TextField(db_default='')),
                ('addresses', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), db_comment='empty: from anywhere', db_default=[], size=None)),
            ],
            options={
                'db_table': 'api_key',
                'indexes': [models.Index(fields=['customer_id'], name='api_key_by_customer')],
                'constraints': [models.UniqueConstraint(fields=('hash',), name='api_key_hash')],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('pk', models.CompositePrimaryKey('order_id', 'run', 'number', blank=True, editable=False, primary_key=True, serialize=False)),
                ('order_id', models.BigIntegerField()),
                ('provider_id', models.BigIntegerField()),
                ('sent', models.DateTimeField(null=True)),
                ('answered', models.DateTimeField(null=True)),
                ('run', models.IntegerField()),
                ('number', models.IntegerField()),
                ('fence', models.IntegerField()),
                ('outcome', models.TextField()),
                ('provider_service', models.TextField()),
                ('provider_order', models.TextField(null=True)),
                ('cost', opensmm.store.models.fields.ExactField(db_comment="in the provider's currency", null=True)),
                ('currency', models.TextField(null=True)),
                ('exchange_rate', opensmm.store.models.fields.ExactField(null=True)),
                ('answer', models.TextField(db_default='')),
            ],
            options={
                'db_table': 'attempt',
                'constraints': [models.CheckConstraint(condition=models.Q(('outcome__in', ['sending', 'accepted', 'declined', 'unsure'])), name='attempt_outcome'), models.UniqueConstraint(condition=models.Q(('provider_order__isnull', False)), fields=('provider_id', 'provider_order'), name='attempt_provider_order_once'), models.UniqueConstraint(condition=models.Q(('outcome__in', ('sending', 'accepted', 'unsure'))), fields=('order_id', 'run'), name='attempt_one_open')],
            },
        ),
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('orders', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), null=True, size=None)),
                ('created', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'batch',
                'indexes': [models.Index(fields=['created'], name='batch_by_age')],
            },
        ),
        migrations.CreateModel(
            name='Category',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('position', models.IntegerField(db_default=0)),
                ('name', models.TextField()),
            ],
            options={
                'db_table': 'category',
                'constraints': [models.UniqueConstraint(fields=('name',), name='category_name')],
            },
        ),
        migrations.CreateModel(
            name='Customer',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('price_list_id', models.BigIntegerField(db_default=1)),
                ('balance', models.BigIntegerField(db_comment='units of 0.00001; changed with the transfer', db_default=0)),
                ('credit_limit', models.BigIntegerField(db_default=0)),
                ('created', models.DateTimeField()),
                ('suspended', models.BooleanField(db_default=False)),
                ('name', models.TextField()),
            ],
            options={
                'db_table': 'customer',
                'constraints': [models.UniqueConstraint(fields=('name',), name='customer_name'), models.CheckConstraint(condition=models.Q(('credit_limit__gte', 0)), name='customer_credit_limit'), models.CheckConstraint(condition=models.Q(('balance__gte', django.db.models.expressions.CombinedExpression(models.F('credit_limit'), '*', models.Value(-1)))), name='customer_funds')],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('pk', models.CompositePrimaryKey('order_id', 'run', blank=True, editable=False, primary_key=True, serialize=False)),
                ('order_id', models.BigIntegerField()),
                ('service_id', models.BigIntegerField()),
                ('quantity', models.BigIntegerField()),
                ('start_count', models.BigIntegerField(null=True)),
                ('remains', models.BigIntegerField(null=True)),
                ('due', models.DateTimeField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('cancel_asked', models.DateTimeField(null=True)),
                ('cancel_passed', models.DateTimeField(null=True)),
                ('sent', models.DateTimeField(null=True)),
                ('polled', models.DateTimeField(db_comment='when the newest applied answer was asked for', null=True)),
                ('run', models.IntegerField()),
                ('fence', models.IntegerField(db_comment='grows with every claim; an older one is refused', db_default=0)),
                ('route', models.IntegerField(db_comment='position of the route to try', db_default=0)),
                ('attempt', models.IntegerField(db_comment='number of the newest attempt', db_default=0)),
                ('state', models.TextField(db_default='queued')),
            ],
            options={
                'db_table': 'delivery',
                'indexes': [models.Index(condition=models.Q(('due__isnull', False), ('state', 'queued')), fields=['due'], name='delivery_to_send'), models.Index(condition=models.Q(('due__isnull', False), ('state__in', ['in_progress', 'pending', 'processing'])), fields=['due'], name='delivery_to_poll'), models.Index(condition=models.Q(('state', 'sending')), fields=['lease_until'], name='delivery_sending'), models.Index(condition=models.Q(('cancel_asked__isnull', False), ('cancel_passed', None)), fields=['order_id'], name='delivery_to_cancel'), models.Index(condition=models.Q(('state__in', ('unsure', 'held'))), fields=['order_id'], name='delivery_for_operator')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'sending', 'unsure', 'pending', 'processing', 'in_progress', 'held', 'completed', 'partial', 'canceled'])), name='delivery_state'), models.CheckConstraint(condition=models.Q(('quantity__gte', 0)), name='delivery_quantity'), models.CheckConstraint(condition=models.Q(('remains', None), models.Q(('remains__gte', 0), ('remains__lte', models.F('quantity'))), _connector='OR'), name='delivery_remains')],
            },
        ),
        migrations.CreateModel(
            name='Idempotency',
            fields=[
                ('pk', models.CompositePrimaryKey('customer_id', 'key', blank=True, editable=False, primary_key=True, serialize=False)),
                ('customer_id', models.BigIntegerField()),
                ('order_id', models.BigIntegerField()),
                ('created', models.DateTimeField()),
                ('key', models.TextField()),
                ('fingerprint', models.BinaryField(db_comment='hash of the normalised ask')),
            ],
            options={
                'db_table': 'idempotency',
                'indexes': [models.Index(fields=['created'], name='idempotency_by_age')],
            },
        ),
        migrations.CreateModel(
            name='Order',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('customer_id', models.BigIntegerField()),
                ('service_id', models.BigIntegerField()),
                ('quantity', models.BigIntegerField(db_comment='of one run')),
                ('charge', models.BigIntegerField()),
                ('refunded', models.BigIntegerField(db_default=0)),
                ('earned', models.BigIntegerField(db_default=0)),
                ('start_count', models.BigIntegerField(null=True)),
                ('remains', models.BigIntegerField(db_comment='of all runs together', null=True)),
                ('created', models.DateTimeField()),
                ('ended', models.DateTimeField(null=True)),
                ('runs', models.IntegerField(db_default=1)),
                ('interval_min', models.IntegerField(db_default=0)),
                ('packaged', models.BooleanField()),
                ('state', models.TextField(db_default='open')),
                ('rate', opensmm.store.models.fields.ExactField()),
                ('link', models.TextField()),
            ],
            options={
                'db_table': 'orders',
                'indexes': [models.Index(fields=['customer_id', 'id'], name='orders_by_customer')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['open', 'active', 'paused', 'completed', 'partial', 'canceled'])), name='orders_state'), models.CheckConstraint(condition=models.Q(('quantity__gte', 0)), name='orders_quantity'), models.CheckConstraint(condition=models.Q(('runs__gte', 1)), name='orders_runs'), models.CheckConstraint(condition=models.Q(('interval_min__gte', 0)), name='orders_interval'), models.CheckConstraint(condition=models.Q(('charge__gte', 0)), name='orders_charge'), models.CheckConstraint(condition=models.Q(('refunded__gte', 0), ('refunded__lte', models.F('charge'))), name='orders_refunded'), models.CheckConstraint(condition=models.Q(('charge__gte', django.db.models.expressions.CombinedExpression(models.F('earned'), '+', models.F('refunded'))), ('earned__gte', 0)), name='orders_paid_out'), models.CheckConstraint(condition=models.Q(('state__in', ('open', 'active', 'paused')), ('charge', django.db.models.expressions.CombinedExpression(models.F('earned'), '+', models.F('refunded'))), _connector='OR'), name='orders_ended_is_settled'), models.CheckConstraint(condition=models.Q(('remains', None), models.Q(('remains__gte', 0), ('remains__lte', django.db.models.expressions.CombinedExpression(models.F('quantity'), '*', models.F('runs')))), _connector='OR'), name='orders_remains'), models.CheckConstraint(condition=models.Q(models.Q(('ended', None), ('state__in', ('open', 'active', 'paused'))), models.Q(('ended__isnull', False), models.Q(('state__in', ('open', 'active', 'paused')), _negated=True)), _connector='OR'), name='orders_ended_has_a_time')],
            },
        ),
        migrations.CreateModel(
            name='Panel',
            fields=[
                ('catalogue_version', models.BigIntegerField(db_comment='moves with every edit of the price list', db_default=1)),
                ('created', models.DateTimeField()),
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('currency', models.TextField(db_comment='three letters; fixed once money has moved')),
            ],
            options={
                'db_table': 'panel',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='panel_is_one'), models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='panel_currency_three_letters')],
            },
        ),
        migrations.CreateModel(
            name='Price',
            fields=[
                ('pk', models.CompositePrimaryKey('price_list_id', 'service_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('price_list_id', models.BigIntegerField()),
                ('service_id', models.BigIntegerField()),
                ('version', models.BigIntegerField(db_default=1)),
                ('rate', opensmm.store.models.fields.ExactField()),
            ],
            options={
                'db_table': 'price',
                'indexes': [models.Index(fields=['version'], name='price_by_version')],
                'constraints': [models.CheckConstraint(condition=models.Q(('rate__gt', 0), ('rate__lt', 1000000000)), name='price_rate_above_0')],
            },
        ),
        migrations.CreateModel(
            name='PriceList',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('name', models.TextField()),
            ],
            options={
                'db_table': 'price_list',
                'constraints': [models.UniqueConstraint(fields=('name',), name='price_list_name')],
            },
        ),
        migrations.CreateModel(
            name='Provider',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('resting_until', models.DateTimeField(null=True)),
                ('failures', models.IntegerField(db_comment='in a row; the next success sets it to 0', db_default=0)),
                ('enabled', models.BooleanField(db_default=True)),
                ('name', models.TextField()),
                ('kind', models.TextField()),
                ('url', models.TextField(db_default='')),
                ('dialect', models.TextField(db_default='v2')),
                ('currency', models.TextField()),
                ('exchange_rate', opensmm.store.models.fields.ExactField(db_comment="the panel's currency for one of the provider's", db_default=Decimal('1'))),
            ],
            options={
                'db_table': 'provider',
                'constraints': [models.UniqueConstraint(fields=('name',), name='provider_name'), models.CheckConstraint(condition=models.Q(('kind__in', ['sandbox', 'panel', 'manual'])), name='provider_kind'), models.CheckConstraint(condition=models.Q(('dialect__in', ['v1', 'v2'])), name='provider_dialect'), models.CheckConstraint(condition=models.Q(('exchange_rate__gt', 0), ('exchange_rate__lt', 1000000000)), name='provider_exchange_rate_above_0')],
            },
        ),
        migrations.CreateModel(
            name='Refill',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('order_id', models.BigIntegerField()),
                ('customer_id', models.BigIntegerField()),
                ('created', models.DateTimeField()),
                ('ended', models.DateTimeField(null=True)),
                ('state', models.TextField()),
            ],
            options={
                'db_table': 'refill',
                'indexes': [models.Index(fields=['order_id', 'id'], name='refill_by_order')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'in_progress', 'completed', 'rejected', 'canceled'])), name='refill_state'), models.UniqueConstraint(condition=models.Q(('state__in', ['in_progress', 'pending'])), fields=('order_id',), name='refill_one_open')],
            },
        ),
        migrations.CreateModel(
            name='RefillTask',
            fields=[
                ('pk', models.CompositePrimaryKey('refill_id', 'run', blank=True, editable=False, primary_key=True, serialize=False)),
                ('refill_id', models.BigIntegerField()),
                ('order_id', models.BigIntegerField()),
                ('provider_id', models.BigIntegerField()),
                ('due', models.DateTimeField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('polled', models.DateTimeField(null=True)),
                ('run', models.IntegerField()),
                ('fence', models.IntegerField(db_default=0)),
                ('state', models.TextField(db_default='queued')),
                ('provider_order', models.TextField()),
                ('provider_refill', models.TextField(null=True)),
            ],
            options={
                'db_table': 'refill_task',
                'indexes': [models.Index(condition=models.Q(('due__isnull', False)), fields=['due'], name='refill_task_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'in_progress', 'completed', 'rejected', 'canceled', 'queued', 'sending', 'unsure'])), name='refill_task_state')],
            },
        ),
        migrations.CreateModel(
            name='SandboxRefill',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('order_id', models.BigIntegerField()),
                ('asked', models.DateTimeField()),
            ],
            options={
                'db_table': 'sandbox_refill',
                'indexes': [models.Index(fields=['order_id'], name='sandbox_refill_by_order')],
            },
        ),
        migrations.CreateModel(
            name='Transfer',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('debit', models.BigIntegerField()),
                ('credit', models.BigIntegerField()),
                ('amount', models.BigIntegerField()),
                ('customer_id', models.BigIntegerField()),
                ('order_id', models.BigIntegerField(null=True)),
                ('corrects', models.BigIntegerField(null=True)),
                ('created', models.DateTimeField()),
                ('sequence', models.IntegerField(db_default=0)),
                ('kind', models.TextField()),
                ('note', models.TextField(db_default='')),
            ],
            options={
                'db_table': 'transfer',
                'indexes': [models.Index(condition=models.Q(('debit__gt', 0), ('credit__gt', 0), _connector='OR'), fields=['customer_id', 'id'], name='transfer_statement')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['charge', 'earn', 'refund', 'cost', 'topup', 'bonus', 'adjustment'])), name='transfer_kind'), models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='transfer_amount_above_0'), models.CheckConstraint(condition=models.Q(('debit', models.F('credit')), _negated=True), name='transfer_two_accounts'), models.UniqueConstraint(fields=('order_id', 'kind', 'sequence'), name='transfer_once')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('customer', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, to='store.customer')),
                ('user', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'membership',
                'constraints': [models.UniqueConstraint(fields=('user', 'customer'), name='membership_once')],
            },
        ),
        migrations.CreateModel(
            name='Service',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('min', models.BigIntegerField()),
                ('max', models.BigIntegerField()),
                ('version', models.BigIntegerField(db_comment="the catalogue's version that last changed this row", db_default=1)),
                ('position', models.IntegerField(db_default=0)),
                ('average_time_min', models.IntegerField(null=True)),
                ('refill_wait_h', models.IntegerField(db_default=0)),
                ('refill', models.BooleanField(db_default=False)),
                ('cancel', models.BooleanField(db_default=False)),
                ('dripfeed', models.BooleanField(db_default=False)),
                ('free', models.BooleanField(db_default=False)),
                ('one_active_per_link', models.BooleanField(db_default=False)),
                ('hold_when_refused', models.BooleanField(db_default=False)),
                ('on_sale', models.BooleanField(db_default=True)),
                ('name', models.TextField()),
                ('type', models.TextField()),
                ('rate', opensmm.store.models.fields.ExactField(db_comment='per 1000, of a package for one; digits as typed')),
                ('description', models.TextField(db_default='')),
                ('category', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to='store.category')),
            ],
            options={
                'db_table': 'service',
                'indexes': [models.Index(fields=['version'], name='service_by_version')],
                'constraints': [models.CheckConstraint(condition=models.Q(('type__in', ['Default', 'Package', 'SEO', 'Custom Comments', 'Custom Comments Package', 'Mentions', 'Mentions with Hashtags', 'Mentions Custom List', 'Mentions Hashtag', 'Mentions User Followers', 'Mentions Media Likers', 'Comment Likes', 'Comment Replies', 'Poll', 'Invites from Groups', 'Subscriptions', 'Web Traffic'])), name='service_type'), models.CheckConstraint(condition=models.Q(models.Q(('rate__gt', 0), ('rate__lt', 1000000000)), models.Q(('free', True), ('rate', 0)), _connector='OR'), name='service_rate_above_0_or_free'), models.CheckConstraint(condition=models.Q(('min__gte', 0)), name='service_min'), models.CheckConstraint(condition=models.Q(('max__gte', models.F('min'))), name='service_max_not_below_min'), models.CheckConstraint(condition=models.Q(('refill_wait_h__gte', 0)), name='service_refill_wait')],
            },
        ),
    ]
