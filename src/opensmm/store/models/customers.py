"""Tables of customers, who have money, keys and orders; of users, who sign in; and of memberships, which join them."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint


class CustomerTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    price_list_id = models.BigIntegerField(db_default=1)
    balance = models.BigIntegerField(
        db_default=0, db_comment="units of 0.00001; changed in the transaction of each transfer"
    )
    credit_limit = models.BigIntegerField(db_default=0)
    created = models.DateTimeField()
    suspended = models.BooleanField(db_default=False)
    name = models.TextField()
    overdrawn = models.BigIntegerField(
        db_default=0, db_comment="how far chargebacks took the balance below the credit limit, in units of 0.00001"
    )
    credit_change_id = models.BigIntegerField(
        null=True, db_comment="the change that set the credit limit; null: never set"
    )

    class Meta:
        db_table = "customer"
        constraints = [
            UniqueConstraint(fields=["name"], name="customer_name"),
            CheckConstraint(condition=Q(credit_limit__gte=0), name="customer_credit_limit"),
            CheckConstraint(condition=Q(overdrawn__gte=0), name="customer_overdrawn"),
            CheckConstraint(condition=Q(balance__gte=-F("credit_limit") - F("overdrawn")), name="customer_funds"),
            CheckConstraint(
                condition=Q(credit_limit=0) | Q(credit_change_id__isnull=False), name="customer_credit_limit_is_told"
            ),
        ]


class CreditChangeTable(models.Model):
    """A change of a customer's credit limit, with its actor and reason.

    The customer's row refers to a change with the same customer and amount. The migration adds that foreign key, since
    Django's models have none of several columns.
    """

    id = models.BigAutoField(primary_key=True)
    customer_id = models.BigIntegerField()
    amount = models.BigIntegerField()
    at = models.DateTimeField()
    reference = models.TextField()
    actor = models.TextField()
    reason = models.TextField()

    class Meta:
        db_table = "credit_change"
        constraints = [
            UniqueConstraint(fields=["reference"], name="credit_change_once"),
            UniqueConstraint(fields=["id", "customer_id", "amount"], name="credit_change_named"),
        ]


class ApiKeyTable(models.Model):
    """An API key, which is shown once. The row has its keyed hash and its last four characters."""

    id = models.BigAutoField(primary_key=True)
    customer_id = models.BigIntegerField()
    created = models.DateTimeField()
    revoked = models.DateTimeField(null=True)
    title_case = models.BooleanField(
        null=True, db_comment="v1 statuses in title case; null: by the client's User-Agent"
    )
    as_panel = models.BooleanField(
        null=True, db_comment="its client is a panel of the v1 family; null: by the User-Agent"
    )
    hash = models.BinaryField()
    hint = models.TextField()
    label = models.TextField(db_default="")
    addresses = ArrayField(
        models.TextField(), db_default=[], db_comment="IP addresses that may use the key; empty: any"
    )

    class Meta:
        db_table = "api_key"
        constraints = [UniqueConstraint(fields=["hash"], name="api_key_hash")]
        indexes = [Index(fields=["customer_id"], name="api_key_by_customer")]


class User(AbstractUser):
    class Meta:
        db_table = "users"


class MembershipTable(models.Model):
    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, db_constraint=False, db_index=False)
    customer = models.ForeignKey(CustomerTable, models.PROTECT, db_constraint=False)

    class Meta:
        db_table = "membership"
        constraints = [UniqueConstraint(fields=["user", "customer"], name="membership_once")]
