"""The privileges of the app's role on each table. It has no others, and nobody may truncate."""

from collections.abc import Iterator
from typing import Final

from psycopg import sql

CHANGED: Final = ("select", "insert", "update")
FOR_EVER: Final = ("select", "insert")
PRUNED: Final = ("select", "insert", "delete")
EDITED: Final = ("select", "insert", "update", "delete")
READ: Final = ("select",)
WHILE_ALIVE: Final = ("select", "insert", "update", "delete")

GRANTS: Final = {
    "active_link": PRUNED,
    "api_key": CHANGED,
    "attempt": CHANGED,
    "audit": FOR_EVER,
    "balance_reading": PRUNED,
    "batch": PRUNED,
    "category": CHANGED,
    "clock": CHANGED,
    "clock_step": FOR_EVER,
    "credit_change": FOR_EVER,
    "customer": FOR_EVER,
    "customer_day": CHANGED,
    "delivery": CHANGED,
    "deposit": FOR_EVER,
    "evidence": FOR_EVER,
    "idempotency": PRUNED,
    "membership": CHANGED,
    "offer": CHANGED,
    "order_detail": FOR_EVER,
    "orders": CHANGED,
    "panel": FOR_EVER,
    "policy_rule": FOR_EVER,
    "post": CHANGED,
    "price": CHANGED,
    "price_list": CHANGED,
    "provider": CHANGED,
    "refill": CHANGED,
    "refill_task": CHANGED,
    "rollup_cursor": CHANGED,
    "route": EDITED,
    "sandbox_order": CHANGED,
    "sandbox_refill": CHANGED,
    "service": CHANGED,
    "service_day": CHANGED,
    "transfer": FOR_EVER,
    "transfer_reference": FOR_EVER,
    "users": CHANGED,
    "users_groups": PRUNED,
    "users_user_permissions": PRUNED,
    "worker": WHILE_ALIVE,
    "auth_group": READ,
    "auth_group_permissions": READ,
    "auth_permission": READ,
    "django_content_type": READ,
    "django_migrations": READ,
}
COLUMNS: Final = {
    # The credit limit must refer to a row of credit_change, which the role may add but not change.
    "customer": ("name", "price_list_id", "balance", "suspended", "credit_limit", "credit_change_id", "overdrawn"),
    "evidence": ("dealt_with",),
    "panel": ("catalogue_version", "below_cost", "refused_wait_h", "pepper_mark"),
}
"""Columns that the app's role may update in tables that it may not update as a whole."""


def statements(role: str) -> Iterator[sql.Composed]:
    """Yields the statements that the owner runs after every migration, in one transaction.

    The first ones revoke all privileges on tables, so that none that was granted by default is left.
    """
    app = sql.Identifier(role)
    for grantee in (app, sql.SQL("public")):
        yield sql.SQL("revoke all on all tables in schema public from {}").format(grantee)
    for table, privileges in GRANTS.items():
        verbs = sql.SQL(", ").join(map(sql.SQL, privileges))
        yield sql.SQL("grant {} on {} to {}").format(verbs, sql.Identifier(table), app)
    for table, columns in COLUMNS.items():
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        yield sql.SQL("grant update ({}) on {} to {}").format(names, sql.Identifier(table), app)
    yield sql.SQL("grant usage on schema public to {}").format(app)
    yield sql.SQL("revoke create on schema public from public, {}").format(app)
    yield sql.SQL("grant usage, select on all sequences in schema public to {}").format(app)
