from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0022_key_switches'),
    ]

    operations = [
        migrations.AddField(
            model_name='worker',
            name='shut',
            field=models.JSONField(null=True, db_comment='providers it cannot call, each with a code; null: not told'),
        ),
    ]
