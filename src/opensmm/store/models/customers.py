"""Customers own money, keys and orders; users log in; memberships join them."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint


class Customer(models.Model):
    id = models.BigAutoField(primary_key=True)
    price_list_id = models.BigIntegerField(db_default=1)
    balance = models.BigIntegerField(db_default=0, db_comment="units of 0.00001; changed with the transfer")
    credit_limit = models.BigIntegerField(db_default=0)
    created = models.DateTimeField()
    suspended = models.BooleanField(db_default=False)
    name = models.TextField()

    class Meta:
        db_table = "customer"
        constraints = [
            UniqueConstraint(fields=["name"], name="customer_name"),
            CheckConstraint(condition=Q(credit_limit__gte=0), name="customer_credit_limit"),
            CheckConstraint(condition=Q(balance__gte=-F("credit_limit")), name="customer_funds"),
        ]


class ApiKey(models.Model):
    """A key is shown once; what is kept is its keyed hash and its last four characters."""

    id = models.BigAutoField(primary_key=True)
    customer_id = models.BigIntegerField()
    created = models.DateTimeField()
    revoked = models.DateTimeField(null=True)
    title_case = models.BooleanField(db_default=False)
    hash = models.BinaryField()
    hint = models.TextField()
    label = models.TextField(db_default="")
    addresses = ArrayField(models.TextField(), db_default=[], db_comment="empty: from anywhere")

    class Meta:
        db_table = "api_key"
        constraints = [UniqueConstraint(fields=["hash"], name="api_key_hash")]
        indexes = [Index(fields=["customer_id"], name="api_key_by_customer")]


class User(AbstractUser):
    class Meta:
        db_table = "users"


class Membership(models.Model):
    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, db_constraint=False, db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, db_constraint=False)

    class Meta:
        db_table = "membership"
        constraints = [UniqueConstraint(fields=["user", "customer"], name="membership_once")]
