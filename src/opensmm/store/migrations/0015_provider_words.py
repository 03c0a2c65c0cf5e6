from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0014_unread_lines'),
    ]

    operations = [
        migrations.AddField(
            model_name='delivery',
            name='note',
            field=models.JSONField(db_comment='code and fields of what its operator is told: why it waits or is held', null=True),
        ),
        migrations.AddField(
            model_name='delivery',
            name='noted',
            field=models.DateTimeField(db_comment='since when that is so', null=True),
        ),
        migrations.AddField(
            model_name='panel',
            name='refused_wait_h',
            field=models.IntegerField(db_comment='how long an order waits for providers that turn us away, before it is held', db_default=24),
        ),
        migrations.AddField(
            model_name='provider',
            name='refuses',
            field=models.TextField(db_comment='why it turns us away, whatever is ordered; null: it does not', null=True),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('note__isnull', False), ('state__in', ['in_progress', 'pending', 'processing', 'queued'])), fields=['noted'], name='delivery_noted'),
        ),
        migrations.AddConstraint(
            model_name='panel',
            constraint=models.CheckConstraint(condition=models.Q(('refused_wait_h__gte', 0), ('refused_wait_h__lte', 720)), name='panel_refused_wait'),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('refuses__in', ['key', 'funds'])), name='provider_refuses'),
        ),
    ]
