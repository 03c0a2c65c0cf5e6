from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0020_money'),
    ]

    operations = [
        migrations.AddField(
            model_name='panel',
            name='pepper_mark',
            field=models.BinaryField(null=True, db_comment='by what the pepper is known; null until it is first used'),
        ),
    ]
