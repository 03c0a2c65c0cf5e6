from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0028_adds_at_a_time'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='evidence',
            name='evidence_conclusion',
        ),
        migrations.AddConstraint(
            model_name='evidence',
            constraint=models.CheckConstraint(condition=models.Q(('conclusion__in', ['bought', 'not_bought', 'no_neighbours', 'not_growing', 'clock_stepped', 'too_many_ids', 'unanswered', 'ambiguous', 'risked', 'ended', 'late_acceptance', 'completed_with_remains', 'cancel_refused', 'charge_unclear'])), name='evidence_conclusion'),
        ),
    ]
