from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("store", "0013_audit_kinds")]

    operations = [
        migrations.AddField(
            model_name="route",
            name="unread",
            field=models.TextField(db_comment="why its line in the price list could not be read", null=True),
        ),
    ]
