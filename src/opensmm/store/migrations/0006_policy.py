from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

REVIEWS = "reviews and ratings tell buyers what people think: a bought one is a lie to them"
VOTES = "votes, petitions and elections decide something for others"
HATE = "nothing is sold that harms or hounds people"
BADGES = "a network gives its badges itself"
ACCOUNTS = "accounts are not for sale; most networks forbid it and many such accounts are stolen"
SECRETS = "credentials belong to the people they open doors for"

# The rules a panel starts with. They are rows like any other: an operator may remove them, and the history tells who did.
PROHIBITED = {
    REVIEWS: ("review*", "rating*", "testimonial*", "5 star*", "five star*", "*تقييم*", "مراجعات", "المراجعات"),
    VOTES: ("vote*", "voting", "poll vote*", "election*", "petition*", "referendum*", "*تصويت*", "*انتخاب*"),
    HATE: ("hate*", "racis*", "nazi*", "harass*", "bully*", "doxx*", "ddos*", "mass report*", "account ban*",
           "*كراهية*", "تبنيد"),
    BADGES: ("verification badge*", "verified badge*", "blue badge*", "blue tick*", "blue check*",
             "account verification", "*توثيق*"),
    ACCOUNTS: ("account for sale", "accounts for sale", "aged account*", "bulk account*", "pva*", "phone verified account*",
               "hacked*", "stolen*", "حسابات للبيع", "بيع حسابات"),
    SECRETS: ("password*", "credential*", "login details", "combo list*", "otp*", "كلمة مرور", "كلمات مرور"),
}
DENIED = {
    REVIEWS: ("trustpilot.com", "yelp.com", "tripadvisor.com", "glassdoor.com", "g2.com", "capterra.com",
              "sitejabber.com", "bbb.org", "google.com/maps", "maps.google.com", "maps.app.goo.gl", "g.page"),
    VOTES: ("change.org", "avaaz.org", "ipetitions.com", "petition.parliament.uk"),
}


def add_first_rules(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rows = [
        (kind, value, reason)
        for kind, rules in (("prohibit", PROHIBITED), ("deny", DENIED))
        for reason, values in rules.items()
        for value in values
    ]
    with schema_editor.connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into policy_rule (version, at, actor, kind, value, reason)
            select catalogue_version, now(), 'OpenSMM', %s, %s, %s from panel
            """,
            rows,
        )


# What was on sale before services had to say how they are delivered goes off sale until it does.
OFF_SALE = """
with undisclosed as (
  update service set on_sale = false, version = (select catalogue_version + 1 from panel) where on_sale returning id
)
update panel set catalogue_version = catalogue_version + 1 where exists (select from undisclosed);
"""


class Migration(migrations.Migration):
    dependencies = [("store", "0005_seen")]

    operations = [
        migrations.CreateModel(
            name="PolicyRule",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("version", models.BigIntegerField(db_comment="of the catalogue, from which on it holds")),
                ("removes", models.BigIntegerField(db_comment="the rule that this row takes away", null=True)),
                ("at", models.DateTimeField()),
                ("actor", models.TextField()),
                ("kind", models.TextField()),
                ("value", models.TextField()),
                ("reason", models.TextField(db_default="")),
            ],
            options={"db_table": "policy_rule"},
        ),
        migrations.AddField(
            model_name="service",
            name="delivery_method",
            field=models.TextField(db_default="undisclosed"),
        ),
        migrations.RunSQL(OFF_SALE, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("due", None), ("state__in", ["in_progress", "pending", "processing"])),
                fields=["order_id"],
                name="delivery_at_staff",
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "delivery_method__in",
                        [
                            "paid_ads",
                            "creator_placement",
                            "staff_work",
                            "consented_users",
                            "software_service",
                            "undisclosed",
                        ],
                    )
                ),
                name="service_delivery_method",
            ),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("on_sale", False),
                    models.Q(("delivery_method", "undisclosed"), _negated=True),
                    _connector="OR",
                ),
                name="service_on_sale_is_disclosed",
            ),
        ),
        migrations.AddConstraint(
            model_name="policyrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["prohibit", "deny", "allow"])), name="policy_rule_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="policyrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("value", ""), _negated=True), name="policy_rule_value"
            ),
        ),
        migrations.AddConstraint(
            model_name="policyrule",
            constraint=models.UniqueConstraint(fields=("removes",), name="policy_rule_removed_once"),
        ),
        migrations.RunPython(add_first_rules, migrations.RunPython.noop),
    ]
