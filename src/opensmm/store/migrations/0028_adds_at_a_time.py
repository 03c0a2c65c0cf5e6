from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0027_refill_notes'),
    ]

    operations = [
        migrations.AddField(
            model_name='provider',
            name='adds_at_a_time',
            field=models.IntegerField(null=True, db_comment='of all workers together; 0: as many as calls; null: the operator has not said'),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=Q(('adds_at_a_time', None), Q(('adds_at_a_time__gte', 0), ('adds_at_a_time__lte', 1000)), _connector='OR'), name='provider_adds_at_a_time'),
        ),
    ]
