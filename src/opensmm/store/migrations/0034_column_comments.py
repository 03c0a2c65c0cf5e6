"""Comments of columns in plain words. Nothing else changes, and no table is locked against reads or writes."""

from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

from opensmm.store.models.fields import ExactField


class AlterComment(migrations.AlterField):
    """Changes a column's comment. Django's own operation also sets the column's type, which locks the table."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        field = model._meta.get_field(self.name)
        table, column = map(schema_editor.quote_name, (model._meta.db_table, field.column))
        comment = schema_editor.quote_value(field.db_comment)
        schema_editor.execute(f"comment on column {table}.{column} is {comment}", params=None)


def alter(model: str, /, **fields: "models.Field[Any, Any]") -> list[AlterComment]:
    return [AlterComment(model, name, field) for name, field in fields.items()]


class Migration(migrations.Migration):
    dependencies = [("store", "0033_table_classes")]
    operations = [
        *alter(
            "apikeytable",
            addresses=ArrayField(
                models.TextField(), db_comment="IP addresses that may use the key; empty: any", db_default=[]
            ),
            as_panel=models.BooleanField(
                db_comment="its client is a panel of the v1 family; null: by the User-Agent", null=True
            ),
            title_case=models.BooleanField(
                db_comment="v1 statuses in title case; null: by the client's User-Agent", null=True
            ),
        ),
        *alter(
            "attempttable",
            collides=models.BooleanField(
                db_comment="true: in an older release, another row got the same id but for leading zeros", null=True
            ),
            cost=ExactField(db_comment="newest charge that the provider reported, in `currency`", null=True),
            quoted=ExactField(db_comment="cost of 1000 when sent, in the panel's currency; null: unknown", null=True),
        ),
        *alter(
            "audittable",
            actor_kind=models.TextField(db_comment="kind of the actor; null in rows of older releases", null=True),
        ),
        *alter(
            "clocksteptable",
            moved=models.DurationField(db_comment="size of the step; below 0: backwards"),
            noted=models.DateTimeField(db_comment="time of recording, by the clock after the step"),
            since=models.DateTimeField(db_comment="start of the period whose times prove nothing"),
            until=models.DateTimeField(db_comment="end of that period"),
        ),
        *alter(
            "clocktable",
            at=models.DateTimeField(db_comment="highest time read since the last step"),
            started=models.DateTimeField(db_comment="start time of the database server"),
        ),
        *alter(
            "customerdaytable",
            granted=models.BigIntegerField(
                db_comment="bonuses and adjustments, less adjustments that took money", db_default=0
            ),
            paid=models.BigIntegerField(db_comment="top-ups less payouts and chargebacks", db_default=0),
            placed=models.BigIntegerField(db_comment="number of orders", db_default=0),
        ),
        *alter(
            "customertable",
            balance=models.BigIntegerField(
                db_comment="units of 0.00001; changed in the transaction of each transfer", db_default=0
            ),
            credit_change_id=models.BigIntegerField(
                db_comment="the change that set the credit limit; null: never set", null=True
            ),
            overdrawn=models.BigIntegerField(
                db_comment="how far chargebacks took the balance below the credit limit, in units of 0.00001",
                db_default=0,
            ),
        ),
        *alter(
            "deliverytable",
            cancel_again=models.DateTimeField(db_comment="when the cancel is sent to the provider again", null=True),
            cancel_tries=models.IntegerField(
                db_comment="number of cancel requests without a clear answer", db_default=0
            ),
            ceiling=ExactField(
                db_comment="highest allowed cost of 1000, in the panel's currency; null: no limit", null=True
            ),
            fence=models.IntegerField(
                db_comment="incremented by each claim; results with a lower value are ignored", db_default=0
            ),
            note=models.JSONField(
                db_comment="code and fields of the note for the operator: why it waits or is held", null=True
            ),
            noted=models.DateTimeField(db_comment="time since which the note applies", null=True),
            polled=models.DateTimeField(db_comment="request time of the newest answer that was applied", null=True),
        ),
        *alter(
            "deposittable",
            folded=models.TextField(db_comment="the id, case-folded; null in rows of older releases", null=True),
        ),
        *alter(
            "evidencetable",
            dealt_with=models.DateTimeField(
                db_comment="when the operator dealt with the notice; null: not yet, or no notice", null=True
            ),
            number=models.IntegerField(
                db_comment="number of the attempt; one that was never made has no row in `attempt`"
            ),
        ),
        *alter(
            "idempotencytable",
            fingerprint=models.BinaryField(db_comment="hash of the normalised request"),
        ),
        *alter(
            "offertable",
            cancel=models.BooleanField(db_comment="null: the price list does not say", null=True),
            dripfeed=models.BooleanField(db_comment="null: the price list does not say", null=True),
            rate=ExactField(db_comment="price of 1000, or of one package, in the provider's currency"),
            refill=models.BooleanField(db_comment="null: the price list does not say", null=True),
            type=models.TextField(db_comment="service type; null: listed under an unknown type", null=True),
        ),
        *alter(
            "ordertable",
            quantity=models.BigIntegerField(db_comment="quantity of one run"),
            remains=models.BigIntegerField(db_comment="undelivered quantity of all runs together", null=True),
            user_id=models.BigIntegerField(
                db_comment="signed-in user who placed it; null: an API key, or the panel", null=True
            ),
        ),
        *alter(
            "paneltable",
            below_cost=models.TextField(
                db_comment="treatment of an order that costs more than its customer pays", db_default="refuse"
            ),
            catalogue_version=models.BigIntegerField(
                db_comment="incremented by each edit of services, prices or policy rules", db_default=1
            ),
            currency=models.TextField(db_comment="three-letter code; fixed once money has moved"),
            pepper_mark=models.BinaryField(
                db_comment="fingerprint of the pepper; null until it is first used", null=True
            ),
            refused_wait_h=models.IntegerField(
                db_comment="hours that an order waits for providers that turn us away, before it is held", db_default=24
            ),
        ),
        *alter(
            "policyruletable",
            removes=models.BigIntegerField(
                db_comment="id of the rule that this row removes; null: the row adds a rule", null=True
            ),
            version=models.BigIntegerField(db_comment="catalogue version from which the row applies"),
        ),
        *alter(
            "posttable",
            collides=models.BooleanField(
                db_comment="true: in an older release, another row got the same id but for leading zeros", null=True
            ),
            missing=models.DateTimeField(
                db_comment="time since which the provider no longer lists it; null: it does", null=True
            ),
            order_id=models.BigIntegerField(db_comment="order id of the subscription"),
            seen=models.DateTimeField(db_comment="when the provider first reported it"),
        ),
        *alter(
            "pricetable",
            rate=ExactField(db_comment="price of 1000, or of one package; null: the service's own rate", null=True),
        ),
        *alter(
            "providertable",
            added=ExactField(
                db_comment="amount added after the margin, per 1000, in the panel's currency", db_default=Decimal("0")
            ),
            adds_at_a_time=models.IntegerField(
                db_comment="limit of concurrent adds, of all workers together; 0: as many as calls; null: not decided",
                null=True,
            ),
            balance_asked=models.DateTimeField(db_comment="when a worker last requested its balance", null=True),
            calls_per_second=models.IntegerField(
                db_comment="limit for all workers together; 0: no limit", db_default=0
            ),
            concurrency=models.IntegerField(
                db_comment="limit of concurrent calls, of all workers together", db_default=64
            ),
            decimals=models.IntegerField(db_comment="decimal places of rates that follow costs", db_default=4),
            exchange_rate=ExactField(
                db_comment="units of the panel's currency for one of the provider's", db_default=Decimal("1")
            ),
            failures=models.IntegerField(db_comment="failures in a row; the next success resets it to 0", db_default=0),
            fault=models.TextField(db_comment="cause or text of the newest failure; empty: none", db_default=""),
            forms=models.JSONField(db_comment="form of ids in requests, by action; null: as documented", null=True),
            margin=ExactField(db_comment="per cent added to the cost; null: rates do not follow costs", null=True),
            price_share=models.IntegerField(
                db_comment="per cent by which a cost may move without approval", db_default=20
            ),
            refuses=models.TextField(db_comment="why it refuses whatever is ordered; null: it does not", null=True),
            resting_until=models.DateTimeField(
                db_comment="end of its pause or open circuit; one call tests it then", null=True
            ),
            sealed_key=models.BinaryField(
                db_comment="API key, encrypted and bound to the provider's id and address", null=True
            ),
            sync_asked=models.DateTimeField(db_comment="when a worker last requested its price list", null=True),
            sync_every_min=models.IntegerField(
                db_comment="minutes between reads of its price list; 0: read only on command", db_default=30
            ),
            sync_fault=models.TextField(
                db_comment="why its newest price list was not taken over; empty: it was", db_default=""
            ),
            synced=models.DateTimeField(
                db_comment="when the price list that was last taken over was requested", null=True
            ),
            user_agent=models.TextField(
                db_comment="User-Agent header sent to it; empty: OpenSMM and its version", db_default=""
            ),
        ),
        *alter(
            "refilltable",
            purchase_id=models.BigIntegerField(
                db_comment="in mode other: id of the house's order for what was lost", null=True
            ),
        ),
        *alter(
            "refilltasktable",
            note=models.JSONField(
                db_comment="code and fields of the note for the operator: an answer that is not understood", null=True
            ),
            noted=models.DateTimeField(db_comment="time since which the note applies", null=True),
            tries=models.IntegerField(db_comment="number of refill requests without a clear answer", db_default=0),
        ),
        *alter(
            "rollupcursortable",
            done=models.BigIntegerField(
                db_comment="highest id such that it and all lower ids are added up", db_default=0
            ),
            fence=models.BigIntegerField(
                db_comment="transaction id; when no earlier one runs, ids to until may be added up", null=True
            ),
            until=models.BigIntegerField(db_comment="highest id when the fence was set", db_default=0),
        ),
        *alter(
            "routetable",
            agreed=ExactField(
                db_comment="approved cost of 1000, in the panel's currency; null: not listed yet", null=True
            ),
            category=models.TextField(db_comment="the provider's category of the service, as last approved", null=True),
            cost=ExactField(db_comment="newest cost of 1000, in the panel's currency; null: not listed yet", null=True),
            name=models.TextField(db_comment="the provider's name of the service, as last approved", null=True),
            off=models.TextField(db_comment="why it is set aside; null: it is used", null=True),
            quarantined=models.DateTimeField(db_comment="start of the quarantine; null: not in quarantine", null=True),
            unread=models.TextField(
                db_comment="why its line in the provider's price list could not be read; null: it was read", null=True
            ),
        ),
        *alter(
            "sandboxordertable",
            account=models.IntegerField(
                db_comment="account that ordered; 0: this panel; others: strangers", db_default=0
            ),
            parent_id=models.BigIntegerField(
                db_comment="id of the subscription whose post it is; null: not for a post", null=True
            ),
            post=models.IntegerField(db_comment="number of the post in its subscription, from 1", null=True),
            subscription=models.JSONField(
                db_comment="parameters of a subscription; null: an ordinary order", null=True
            ),
        ),
        *alter(
            "servicedaytable",
            placed=models.BigIntegerField(db_comment="number of orders", db_default=0),
            returned=models.BigIntegerField(db_comment="refunds of what had been earned", db_default=0),
        ),
        *alter(
            "servicetable",
            cheapest_first=models.BooleanField(db_comment="its routes are ordered by their cost", db_default=False),
            cost=ExactField(
                db_comment="cost of 1000 by its cheapest route, in the panel's currency; null: unknown", null=True
            ),
            halted=models.TextField(
                db_comment="why it is not sold although it is on sale; null: it is sold", null=True
            ),
            rate=ExactField(db_comment="price of 1000, or of one package; digits as typed"),
            refill_days=models.IntegerField(
                db_comment="days after completion in which a refill may be requested; null: no limit", null=True
            ),
            version=models.BigIntegerField(db_comment="catalogue version of the last change to this row", db_default=1),
        ),
        *alter(
            "transferreferencetable",
            to_customer_id=models.BigIntegerField(
                db_comment="customer who received the amount that an adjustment took", null=True
            ),
        ),
        *alter(
            "workertable",
            clock_off=models.DurationField(db_comment="clock of its machine minus the database's clock", null=True),
            seen=models.DateTimeField(db_comment="time of the newest heartbeat"),
            shut=models.JSONField(
                db_comment="providers that it cannot call, with a reason code each; null: not reported", null=True
            ),
        ),
    ]
