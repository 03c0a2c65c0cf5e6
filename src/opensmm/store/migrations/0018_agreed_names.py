"""What a route stood for when it was agreed to: as last listed, for those that are there."""

from django.db import migrations, models

AS_LISTED = """
update route r set name = o.name, category = o.category
from offer o where o.provider_id = r.provider_id and o.provider_service = r.provider_service
"""


class Migration(migrations.Migration):
    dependencies = [("store", "0017_asked_again")]

    operations = [
        migrations.AddField(
            model_name="route",
            name="name",
            field=models.TextField(db_comment="the provider's name of it, as last agreed to", null=True),
        ),
        migrations.AddField(
            model_name="route",
            name="category",
            field=models.TextField(db_comment="the provider's category of it, as last agreed to", null=True),
        ),
        migrations.RunSQL(AS_LISTED, migrations.RunSQL.noop),
    ]
