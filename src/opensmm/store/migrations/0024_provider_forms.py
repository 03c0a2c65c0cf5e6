from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0023_worker_shut'),
    ]

    operations = [
        migrations.AddField(
            model_name='provider',
            name='forms',
            field=models.JSONField(null=True, db_comment="in which it is asked after ids, by action; null: the pages'"),
        ),
    ]
