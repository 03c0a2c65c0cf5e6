"""Migrations on a panel that is in use: what was there before fits the new rules afterwards."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from opensmm.domain.codes import FindingCode
from opensmm.domain.findings import Level
from opensmm.domain.monitoring import judge
from opensmm.store import monitoring, schema
from opensmm.store.embedded import APP
from opensmm.store.invariants import INVARIANTS


def migrate_to(url, name):
    """Takes the tables to the state of an older release, as their owner."""
    connections.databases["upgrade"] = connections.configure_settings(
        {"default": {}, "upgrade": schema._database(url)}
    )["upgrade"]
    try:
        MigrationExecutor(connections["upgrade"]).migrate([("store", name)])
    finally:
        connections["upgrade"].close()
        del connections["upgrade"]
        del connections.databases["upgrade"]


def test_services_from_before_go_off_sale_until_their_delivery_is_stated(database):
    migrate_to(database.owner_url, "0002_storage")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("insert into category (name) values ('A')")
        owner.execute(
            """insert into service (name, type, category_id, rate, min, max, on_sale)
               select 'Likes', 'Default', id, 1, 1, 9, sale from category, unnest(array[true, false]) as sale"""
        )
        schema.migrate(database.owner_url, APP)
        assert [("undisclosed", False, 2), ("undisclosed", False, 1)] == owner.execute(
            "select delivery_method, on_sale, version from service order by id"
        ).fetchall()
        assert [(2,)] == owner.execute("select catalogue_version from panel").fetchall()
        assert [(True,)] == owner.execute("select count(*) > 50 from policy_rule").fetchall()


def test_orders_from_before_may_cost_no_more_than_they_were_sold_for_either(database):
    migrate_to(database.owner_url, "0006_policy")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            """insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, created)
               select n, 1, 1, 'x', 100, r, false, 0, now() from unnest(array[0.9, 0, 0.5]) with ordinality a (r, n)"""
        )
        owner.execute(
            """insert into delivery (order_id, run, service_id, quantity, state)
               values (1, 1, 1, 100, 'queued'), (2, 1, 1, 100, 'held'), (3, 1, 1, 100, 'completed')"""
        )
        schema.migrate(database.owner_url, APP)
        query = "select order_id, ceiling::text from delivery order by order_id"
        assert [(1, "0.9"), (2, None), (3, None)] == owner.execute(query).fetchall()


def test_a_new_panel_begins_at_the_first_version(database):
    with psycopg.connect(database.app_url) as app:
        assert [(1,)] == app.execute("select catalogue_version from panel").fetchall()
        assert [(1,)] == app.execute("select max(version) from policy_rule").fetchall()


def test_subscriptions_that_were_never_passed_on_are_held_for_the_operator(database):
    migrate_to(database.owner_url, "0006_policy")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            """insert into orders (customer_id, service_id, link, quantity, rate, packaged, charge, state, created,
                                   ended)
               values (1, 1, 'them', 0, 1, false, 0, 'active', now(), null),
                      (1, 1, 'them', 0, 1, false, 0, 'canceled', now(), now())"""
        )
        schema.migrate(database.owner_url, APP)
        assert [(1, 1, 0, "held", None)] == owner.execute(
            "select order_id, run, quantity, state, due from delivery"
        ).fetchall()


def test_ids_that_collide_but_for_zeros_are_named_and_stop_nothing(database, capsys):
    migrate_to(database.owner_url, "0009_price_lists")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            """insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence,
                                    provider_order)
               values (1, 1, 1, 1, '7', 'accepted', 1, '007001'), (2, 1, 1, 1, '7', 'accepted', 1, '7001'),
                      (3, 1, 1, 2, '7', 'accepted', 1, '7001'), (4, 1, 1, 1, '7', 'accepted', 1, 'XKQ'),
                      (5, 1, 1, 1, '7', 'unsure', 1, null)"""
        )
        owner.execute(
            """insert into post (order_id, provider_id, provider_order, seen, state)
               values (9, 1, '05', now(), 'untold'), (9, 1, '5', now(), 'untold'), (8, 1, '005', now(), 'taken')"""
        )
        schema.migrate(database.owner_url, APP)
        attempts = owner.execute(
            "select order_id, provider_order, provider_order_key from attempt order by 1"
        ).fetchall()
        assert [(1, "007001", "7001"), (2, "7001", None), (3, "7001", "7001"), (4, "XKQ", "XKQ"), (5, None, None)] == (
            attempts
        )
        keys = owner.execute("select provider_order_key from post where state <> 'taken'").fetchall()
        assert {None, "5"} == {key for (key,) in keys}
    output = capsys.readouterr().out
    assert 2 == output.count("two orders bear one id at their provider")
    assert "7001" in output


def test_audit_rows_from_before_stay_as_they_were(database):
    migrate_to(database.owner_url, "0009_price_lists")
    old = """insert into audit (at, actor, action, subject, detail)
             values (now(), 'ann (command line)', 'service.save', '1', '{}')"""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(old)
        schema.migrate(database.owner_url, APP)
        owner.execute(old)
        query = "select actor, actor_kind, detail from audit"
        assert [("ann (command line)", None, {})] * 2 == owner.execute(query).fetchall()


def test_top_ups_and_credit_limits_from_before_are_told_of(database):
    migrate_to(database.owner_url, "0019_clocks")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            """insert into customer (id, name, created, balance, credit_limit)
               values (1, 'Ann', now(), 700, 0), (2, 'Bob', now(), -50, 100), (3, 'Eve', now(), 0, 0)"""
        )
        owner.execute(
            """insert into transfer (id, debit, credit, amount, kind, customer_id, order_id, created)
               values (1, -3, 1, 500, 'topup', 1, null, now()), (2, -3, 1, 200, 'topup', 1, null, now()),
                      (3, 2, -1, 50, 'charge', 2, 7, now())"""
        )
        owner.execute("insert into deposit (gateway, external_id, transfer_id) values ('Bank', 'A1', 2)")
        schema.migrate(database.owner_url, APP)
        assert [("Bank", "A1", 2), ("legacy", "1", 1)] == owner.execute(
            "select gateway, external_id, transfer_id from deposit order by transfer_id desc"
        ).fetchall()
        assert [("OpenSMM", None, "customer.credit_limit", "2", [0, 100])] == owner.execute(
            "select actor, actor_kind, action, subject, detail -> 'changes' -> 'credit_limit' from audit"
        ).fetchall()
        by_hand = [check for check in INVARIANTS if check.name in ("L3", "L4", "L5", "L8", "L9", "L10")]
        orders = {"first": 1, "last": 9}
        assert [] == [check.name for check in by_hand if owner.execute(check.broken, orders).fetchall()]
    with psycopg.connect(database.app_url, autocommit=True) as app:
        app.execute("update customer set balance = balance - 1 where id = 1")
        with pytest.raises(psycopg.errors.IntegrityError):
            app.execute("update customer set credit_limit = 200")


def test_v1_providers_from_before_take_what_they_took_and_health_names_the_verb(database):
    add = """insert into provider (name, kind, url, dialect, currency)
             values (%s, 'panel', 'https://panel.example/api/v1', 'v1', 'USD')"""
    migrate_to(database.owner_url, "0027_refill_notes")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(add, ["Old"])
        schema.migrate(database.owner_url, APP)
    with psycopg.connect(database.app_url, autocommit=True) as app:
        app.execute(add, ["Of the release before"])
        rows = app.execute("select name, concurrency, adds_at_a_time from provider order by id").fetchall()
        assert [("Old", 64, None), ("Of the release before", 64, None)] == rows
    result = [one for one in asyncio.run(_findings(database.app_url)) if one.name.startswith("adds ")]
    assert [(f"adds {name}", Level.WARNING, FindingCode.ADDS_NOT_DECIDED) for name, _, _ in reversed(rows)] == [
        (one.name, one.level, one.code) for one in result
    ]


def test_plain_comments_of_columns_change_no_table(database):
    catalogue = """
        select 'table', oid, relfilenode::text, '' from pg_class where relnamespace = 'public'::regnamespace
        union all select 'constraint', oid, conname, xmin::text from pg_constraint
        union all select 'column', attrelid, attname, xmin::text from pg_attribute"""
    comment = "select col_description('worker'::regclass, (select attnum from pg_attribute where attname = 'seen'"
    comment += " and attrelid = 'worker'::regclass))"
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        migrate_to(database.owner_url, "0033_table_classes")
        before = owner.execute(catalogue).fetchall()
        assert [("the newest heartbeat",)] == owner.execute(comment).fetchall()
        migrate_to(database.owner_url, "0034_column_comments")
        assert [("time of the newest heartbeat",)] == owner.execute(comment).fetchall()
        assert sorted(before) == sorted(owner.execute(catalogue).fetchall())


async def _findings(url):
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        at = datetime.now(UTC)
        return judge(await monitoring.facts(conn, at), at)
