from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0025_provider_user_agent'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='as_panel',
            field=models.BooleanField(db_comment='served as a panel of the v1 family; null: as the client needs it', null=True),
        ),
    ]
