"""The tables: that they are what the models say, and what they refuse."""

from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from psycopg.types.json import Jsonb

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_models_and_migrations_say_the_same(database):
    loader = MigrationLoader(None)
    detector = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps))
    assert {} == detector.changes(graph=loader.graph)


def test_migrations_are_one_chain_numbered_without_a_gap():
    graph = MigrationLoader(None).graph
    names = sorted(name for app, name in graph.nodes if app == "store")
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert [("store", names[-1])] == graph.leaf_nodes("store")
    for name, before in zip(names[1:], names, strict=False):
        assert before in {parent.key[1] for parent in graph.node_map["store", name].parents}, name


def order(**changes):
    row = {"customer_id": 1, "service_id": 1, "link": "https://example.com", "quantity": 100, "rate": Decimal("0.90")}
    return {**row, "packaged": False, "charge": 9000, "created": NOW, **changes}


def transfer(**changes):
    return {
        "debit": 1,
        "credit": -1,
        "amount": 5,
        "kind": "charge",
        "customer_id": 1,
        "order_id": 7,
        "created": NOW,
    } | changes


def service(**changes):
    row = {"name": "Likes", "type": "Default", "category_id": 1, "rate": Decimal("0.90"), "min": 10, "max": 100}
    row["delivery_method"] = "staff_work"
    return row | changes


def delivery(**changes):
    return {"order_id": 7, "run": 1, "service_id": 1, "quantity": 100} | changes


def attempt(**changes):
    row = {"order_id": 7, "run": 1, "number": 1, "provider_id": 1, "provider_service": "3", "outcome": "sending"}
    return row | {"fence": 1} | changes


def route(**changes):
    return {"service_id": 1, "position": 0, "provider_id": 1, "provider_service": "3"} | changes


def provider(**changes):
    return {"name": "Upstream", "kind": "panel", "currency": "USD"} | changes


def rule(**changes):
    return {"version": 1, "at": NOW, "actor": "test", "kind": "deny", "value": "example.org"} | changes


async def insert(conn, table, row):
    columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
    cursor = await conn.execute(f"insert into {table} ({columns}) values ({places}) returning *", list(row.values()))
    return dict(zip((column.name for column in cursor.description), await cursor.fetchone(), strict=True))


@pytest.mark.parametrize("rate", ["0.90", "8", "0.0000001", "10.000"])
async def test_a_rate_keeps_the_digits_that_were_typed(conn, rate):
    row = await insert(conn, "orders", order(rate=Decimal(rate)))
    assert rate == format(row["rate"], "f")


async def test_an_order_starts_open_and_unpaid_out(conn):
    row = await insert(conn, "orders", order())
    assert ("open", 0, 0, None, 1) == tuple(row[name] for name in ("state", "refunded", "earned", "ended", "runs"))


async def test_an_order_may_be_given_an_id_by_whoever_moves_in(conn):
    assert 23501 == (await insert(conn, "orders", order(id=23501)))["id"]


@pytest.mark.parametrize(
    ("make", "table", "changes", "constraint"),
    [
        (order, "orders", {"refunded": 9001}, "orders_paid_out"),
        (order, "orders", {"refunded": -1}, "orders_refunded"),
        (order, "orders", {"refunded": 5000, "earned": 4001}, "orders_paid_out"),
        (order, "orders", {"state": "completed", "ended": NOW, "earned": 8999}, "orders_ended_is_settled"),
        (order, "orders", {"state": "cancelled", "ended": NOW, "refunded": 9000}, "orders_state"),
        (order, "orders", {"state": "completed", "earned": 9000}, "orders_ended_has_a_time"),
        (order, "orders", {"ended": NOW}, "orders_ended_has_a_time"),
        (order, "orders", {"remains": 201, "runs": 2}, "orders_remains"),
        (order, "orders", {"remains": -1}, "orders_remains"),
        (order, "orders", {"quantity": -1}, "orders_quantity"),
        (order, "orders", {"runs": 0}, "orders_runs"),
        (order, "orders", {"charge": -1}, "orders_charge"),
        (transfer, "transfer", {"amount": 0}, "transfer_amount_above_0"),
        (transfer, "transfer", {"amount": -5}, "transfer_amount_above_0"),
        (transfer, "transfer", {"credit": 1}, "transfer_two_accounts"),
        (transfer, "transfer", {"kind": "gift"}, "transfer_kind"),
        (service, "service", {"rate": Decimal(0)}, "service_rate_above_0_or_free"),
        (service, "service", {"rate": Decimal("NaN")}, "service_rate_above_0_or_free"),
        (service, "service", {"rate": Decimal("Infinity")}, "service_rate_above_0_or_free"),
        (service, "service", {"rate": Decimal(-1), "free": True}, "service_rate_above_0_or_free"),
        (service, "service", {"min": 101}, "service_max_not_below_min"),
        (service, "service", {"type": "default"}, "service_type"),
        (service, "service", {"delivery_method": "undisclosed"}, "service_on_sale_is_disclosed"),
        (service, "service", {"delivery_method": "bots"}, "service_delivery_method"),
        (service, "service", {"halted": "paused"}, "service_halted"),
        (route, "route", {"off": "away"}, "route_off"),
        (provider, "provider", {"sync_every_min": -1}, "provider_sync_every"),
        (provider, "provider", {"price_share": -1}, "provider_price_share"),
        (provider, "provider", {"margin": Decimal("NaN")}, "provider_margin"),
        (provider, "provider", {"added": Decimal(-1)}, "provider_added"),
        (provider, "provider", {"decimals": 9}, "provider_decimals"),
        (provider, "provider", {"adds_at_a_time": -1}, "provider_adds_at_a_time"),
        (provider, "provider", {"adds_at_a_time": 1001}, "provider_adds_at_a_time"),
        (rule, "policy_rule", {"kind": "forbid"}, "policy_rule_kind"),
        (rule, "policy_rule", {"value": ""}, "policy_rule_value"),
        (delivery, "delivery", {"remains": 101}, "delivery_remains"),
        (delivery, "delivery", {"state": "cancelled"}, "delivery_state"),
        (attempt, "attempt", {"outcome": "refused"}, "attempt_outcome"),
    ],
)
async def test_the_database_refuses_what_the_core_refuses(conn, make, table, changes, constraint):
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        await insert(conn, table, make(**changes))
    assert constraint in str(refused.value)


async def test_a_balance_never_falls_below_the_credit_limit(conn):
    change = {"customer_id": 1, "amount": 500, "reference": "a", "at": NOW, "actor": "test", "reason": "why"}
    change_row = await insert(conn, "credit_change", change)
    row = {"name": "a", "created": NOW, "credit_limit": 500, "credit_change_id": change_row["id"]}
    await insert(conn, "customer", row)
    await conn.execute("update customer set balance = -500")
    with pytest.raises(psycopg.errors.CheckViolation):
        await conn.execute("update customer set balance = -501")


async def test_a_service_needs_its_category_at_once(conn):
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await insert(conn, "service", service(category_id=99))


@pytest.mark.parametrize(
    ("table", "first", "second"),
    [
        ("transfer", transfer(), transfer(amount=6)),
        ("attempt", attempt(), attempt(number=2)),
        ("attempt", attempt(outcome="unsure"), attempt(number=2)),
        ("attempt", attempt(provider_order="9"), attempt(order_id=8, provider_order="9")),
        ("delivery", delivery(), delivery()),
        (
            "refill",
            *[
                {"order_id": 7, "customer_id": 1, "state": state, "created": NOW}
                for state in ("pending", "in_progress")
            ],
        ),
        ("policy_rule", rule(removes=1), rule(removes=1)),
        ("deposit", *[{"gateway": "card", "external_id": "x1", "transfer_id": number} for number in (1, 2)]),
        (
            "idempotency",
            *[{"customer_id": 1, "key": "k", "fingerprint": b"f", "order_id": n, "created": NOW} for n in (1, 2)],
        ),
        ("active_link", *[{"customer_id": 1, "link_hash": b"h", "order_id": number} for number in (1, 2)]),
    ],
)
async def test_the_database_keeps_single_what_may_happen_once(conn, table, first, second):
    await insert(conn, table, first)
    with pytest.raises(psycopg.errors.UniqueViolation):
        await insert(conn, table, second)


async def test_a_declined_attempt_makes_room_for_the_next(conn):
    await insert(conn, "attempt", attempt(outcome="declined"))
    assert 2 == (await insert(conn, "attempt", attempt(number=2)))["number"]


async def test_top_ups_of_no_order_may_repeat(conn):
    row = transfer(debit=-3, credit=1, kind="topup", order_id=None)
    first, second = await insert(conn, "transfer", row), await insert(conn, "transfer", row)
    assert first["id"] < second["id"]


async def test_details_and_audit_keep_json(conn):
    row = await insert(conn, "order_detail", {"order_id": 7, "details": Jsonb({"comments": ["one", "عربي"]})})
    assert {"comments": ["one", "عربي"]} == row["details"]


async def test_no_foreign_key_hangs_on_a_hot_table(conn):
    rows = await (
        await conn.execute("select conrelid::regclass::text from pg_constraint where contype = 'f'")
    ).fetchall()
    hot = {"orders", "order_detail", "delivery", "attempt", "transfer", "refill", "refill_task", "api_key"}
    assert set() == hot & {table for (table,) in rows}
