"""Columns and constraints that Django lacks, or has no short form for."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CheckConstraint, Q
from django.db.models.expressions import RawSQL

from opensmm.store.order_keys import key_of

if TYPE_CHECKING:
    _Field = models.Field[Decimal | str | None, Decimal | None]
else:
    _Field = models.Field


class ExactField(_Field):
    """A ``numeric`` without scale, which keeps the digits that were typed: "0.90" stays "0.90"."""

    description = "An exact decimal, digits kept as typed"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "numeric"

    def to_python(self, value: Any) -> Decimal | None:
        return value if value is None or isinstance(value, Decimal) else Decimal(value)


RATE_LIMIT: Final = 1_000_000_000


def above_0(column: str, name: str) -> CheckConstraint:
    """Constrains a column to values above 0 and below a limit, which excludes NaN: it sorts above all numbers."""
    return CheckConstraint(condition=Q(**{f"{column}__gt": 0, f"{column}__lt": RATE_LIMIT}), name=name)


def one_of(column: str, values: Iterable[str], name: str) -> CheckConstraint:
    """Constrains a column to some texts, or to the values of an enum."""
    return CheckConstraint(condition=Q(**{f"{column}__in": [str(value) for value in values]}), name=name)


_ORDER_KEY: Final = f"case when collides then null else {key_of('provider_order')} end"


def order_key() -> models.GeneratedField:
    """Makes the column by which ``provider_order`` is compared: ``base.ids.order_key`` of it, in SQL.

    It is null in rows of older releases whose key another row has.
    """
    key = RawSQL(_ORDER_KEY, [])  # noqa: S611 - a constant of this module
    return models.GeneratedField(expression=key, output_field=models.TextField(), db_persist=True, null=True)


def texts(states: Iterable[StrEnum]) -> list[str]:
    """Returns the values in alphabetic order: that of a set differs between processes, and would change the schema."""
    return sorted(str(state) for state in states)
