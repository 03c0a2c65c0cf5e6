from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0012_post_bounds'),
    ]

    operations = [
        migrations.AddField(
            model_name='audit',
            name='actor_kind',
            field=models.TextField(null=True, db_comment='null in rows from before there were kinds'),
        ),
        migrations.AddConstraint(
            model_name='audit',
            constraint=models.CheckConstraint(
                condition=models.Q(actor_kind__in=['command line', 'worker', 'staff user', 'customer']),
                name='audit_actor_kind',
            ),
        ),
        migrations.AddIndex(
            model_name='audit',
            index=models.Index(fields=['subject', 'id'], name='audit_by_subject'),
        ),
    ]
