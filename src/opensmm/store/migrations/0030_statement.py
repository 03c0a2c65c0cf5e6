"""What a statement shows beside a transfer is found by the transfer's id. Orders write neither table."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0029_unclear_charges'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='deposit',
            index=models.Index(fields=['transfer_id'], name='deposit_by_transfer'),
        ),
        migrations.AddIndex(
            model_name='transferreference',
            index=models.Index(fields=['transfer_id'], name='transfer_reference_by_transfer'),
        ),
    ]
