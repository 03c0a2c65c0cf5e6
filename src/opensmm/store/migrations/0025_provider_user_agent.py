from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0024_provider_forms'),
    ]

    operations = [
        migrations.AddField(
            model_name='provider',
            name='user_agent',
            field=models.TextField(db_comment='what it is told that we are; empty: OpenSMM and its version', db_default=''),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(
                condition=models.Q(user_agent__regex='^[ -~]{0,200}$'), name='provider_user_agent'
            ),
        ),
    ]
