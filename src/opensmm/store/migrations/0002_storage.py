from django.db import migrations

# Room on each page keeps updates of hot rows on it; their dead versions are cleared long before a fifth of the table.
STORAGE = """
alter table customer set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
alter table orders set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
alter table delivery set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
"""

# Django's own foreign keys are checked at COMMIT, where one bad row would take a whole batch along.
FOREIGN_KEYS = """
alter table service add constraint service_category foreign key (category_id) references category (id);
alter table membership add constraint membership_user foreign key (user_id) references users (id) on delete cascade;
alter table membership add constraint membership_customer foreign key (customer_id) references customer (id);
"""

FIRST_ROWS = """
insert into panel (id, currency, created) values (1, 'USD', now());
insert into price_list (name) values ('standard');
"""


class Migration(migrations.Migration):
    dependencies = [("store", "0001_initial")]
    operations = [
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(FOREIGN_KEYS, migrations.RunSQL.noop),
        migrations.RunSQL(FIRST_ROWS, migrations.RunSQL.noop),
    ]
