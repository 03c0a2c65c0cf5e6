"""Orders that a signed-in user has placed bear the user's id; the others' rows grow by nothing."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0030_statement'),
    ]

    operations = [
        migrations.AddField(
            model_name='order',
            name='user_id',
            field=models.BigIntegerField(db_comment='who placed it, signed in; null: an API key, or the panel', null=True),
        ),
    ]
