"""Money that the operator moves: references, corrections, chargebacks, and credit limits that are told of."""

import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.text
from django.db import migrations, models


# Top-ups from before that came without a reference get the transfer's own number.
LEGACY_DEPOSITS = """
insert into deposit (gateway, external_id, folded, transfer_id)
select 'legacy', t.id::text, t.id::text, t.id from transfer t
where t.kind = 'topup' and not exists (select from deposit d where d.transfer_id = t.id)
"""
# A credit limit names the row that says who set it; of those that stand nobody knows who did.
CREDIT_LIMITS = """
with standing as (
  insert into credit_change (customer_id, amount, reference, at, actor, reason)
  select id, credit_limit, 'legacy ' || id, now(), 'OpenSMM', '' from customer where credit_limit > 0
  returning id, customer_id, amount
), told as (
  insert into audit (at, actor, action, subject, detail)
  select now(), 'OpenSMM', 'customer.credit_limit', customer_id::text,
    jsonb_build_object('changes', jsonb_build_object('credit_limit', jsonb_build_array(0, amount)),
      'reference', 'legacy ' || customer_id)
  from standing
)
update customer c set credit_change_id = s.id from standing s where c.id = s.customer_id
"""
# Whoever may update a credit limit has to have added the row that tells of it: no trigger and no function is needed.
CREDIT_LIMIT_IS_TOLD = """
alter table customer add constraint customer_credit_change foreign key (credit_change_id, id, credit_limit)
references credit_change (id, customer_id, amount)
"""
NOT_TOLD = "alter table customer drop constraint customer_credit_change"


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0019_clocks'),
    ]

    operations = [
        migrations.CreateModel(
            name='CreditChange',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('customer_id', models.BigIntegerField()),
                ('amount', models.BigIntegerField()),
                ('at', models.DateTimeField()),
                ('reference', models.TextField()),
                ('actor', models.TextField()),
                ('reason', models.TextField()),
            ],
            options={
                'db_table': 'credit_change',
            },
        ),
        migrations.CreateModel(
            name='TransferReference',
            fields=[
                ('pk', models.CompositePrimaryKey('kind', 'reference', blank=True, editable=False, primary_key=True, serialize=False)),
                ('transfer_id', models.BigIntegerField()),
                ('corrects', models.BigIntegerField(null=True)),
                ('to_customer_id', models.BigIntegerField(db_comment='who got what an adjustment took', null=True)),
                ('kind', models.TextField()),
                ('reference', models.TextField()),
            ],
            options={
                'db_table': 'transfer_reference',
            },
        ),
        migrations.RemoveConstraint(
            model_name='customer',
            name='customer_funds',
        ),
        migrations.RemoveConstraint(
            model_name='transfer',
            name='transfer_kind',
        ),
        migrations.AddField(
            model_name='customer',
            name='credit_change_id',
            field=models.BigIntegerField(db_comment='the row that says who set the credit limit', null=True),
        ),
        migrations.AddField(
            model_name='customer',
            name='overdrawn',
            field=models.BigIntegerField(db_comment='how far chargebacks put it below the credit limit', db_default=0),
        ),
        migrations.AddField(
            model_name='deposit',
            name='folded',
            field=models.TextField(db_comment='the id without case; null in rows from before it was kept', null=True),
        ),
        migrations.AddIndex(
            model_name='deposit',
            index=models.Index(django.db.models.functions.text.Lower(django.db.models.functions.text.Trim('gateway')), django.db.models.functions.comparison.Coalesce('folded', django.db.models.functions.text.Lower(django.db.models.functions.text.Trim('external_id'))), name='deposit_like'),
        ),
        migrations.AddConstraint(
            model_name='customer',
            constraint=models.CheckConstraint(condition=models.Q(('overdrawn__gte', 0)), name='customer_overdrawn'),
        ),
        migrations.AddConstraint(
            model_name='customer',
            constraint=models.CheckConstraint(condition=models.Q(('balance__gte', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('credit_limit'), '*', models.Value(-1)), '-', models.F('overdrawn')))), name='customer_funds'),
        ),
        migrations.RunSQL(LEGACY_DEPOSITS, migrations.RunSQL.noop),
        migrations.RunSQL(CREDIT_LIMITS, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='customer',
            constraint=models.CheckConstraint(condition=models.Q(('credit_limit', 0), ('credit_change_id__isnull', False), _connector='OR'), name='customer_credit_limit_is_told'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['charge', 'earn', 'refund', 'return', 'cost', 'topup', 'bonus', 'adjustment', 'payout', 'chargeback'])), name='transfer_kind'),
        ),
        migrations.AddConstraint(
            model_name='creditchange',
            constraint=models.UniqueConstraint(fields=('reference',), name='credit_change_once'),
        ),
        migrations.AddConstraint(
            model_name='creditchange',
            constraint=models.UniqueConstraint(fields=('id', 'customer_id', 'amount'), name='credit_change_named'),
        ),
        migrations.AddIndex(
            model_name='transferreference',
            index=models.Index(condition=models.Q(('corrects__isnull', False)), fields=['corrects'], name='transfer_reference_corrects'),
        ),
        migrations.RunSQL(CREDIT_LIMIT_IS_TOLD, NOT_TOLD),
    ]
