from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0026_key_as_panel'),
    ]

    operations = [
        migrations.AddField(
            model_name='refilltask',
            name='note',
            field=models.JSONField(null=True, db_comment='code and fields of what its operator is told: an answer not understood'),
        ),
        migrations.AddField(
            model_name='refilltask',
            name='noted',
            field=models.DateTimeField(null=True, db_comment='since when that is so'),
        ),
        migrations.AddIndex(
            model_name='refilltask',
            index=models.Index(condition=models.Q(('due__isnull', False), ('note__isnull', False)), fields=['noted'], name='refill_task_noted'),
        ),
    ]
