"""The app's role may do what it needs and nothing that could undo the books; the panel refuses any other role."""

import psycopg
import pytest
from psycopg import AsyncConnection

from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured
from opensmm.store import grants, postgres_install, schema
from opensmm.store.embedded import APP, OWNER
from opensmm.texts.speech import ENGLISH

EVERY_PRIVILEGE = ("select", "insert", "update", "delete", "truncate", "references", "trigger")


async def fetch(conn, query, *values):
    return await (await conn.execute(query, values)).fetchall()


async def test_tests_work_in_the_role_of_the_app(conn):
    assert [(APP, 1, "USD")] == await fetch(conn, "select current_user::text, id, currency from panel")


async def test_every_table_has_its_line_of_grants(conn):
    rows = await fetch(
        conn, "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    assert set(grants.GRANTS) == {name for (name,) in rows}


@pytest.mark.parametrize("table", grants.GRANTS)
async def test_the_app_may_do_exactly_what_is_granted(conn, table):
    rows = await fetch(
        conn, "select p from unnest(%s::text[]) p where has_table_privilege(%s, p)", list(EVERY_PRIVILEGE), table
    )
    assert set(grants.GRANTS[table]) == {privilege for (privilege,) in rows}


async def test_the_app_may_mark_a_notice_as_dealt_with_and_change_nothing_else_of_evidence(conn):
    rows = await fetch(
        conn,
        """select attname from pg_attribute where attrelid = 'evidence'::regclass and attnum > 0
           and has_column_privilege(attrelid, attname, 'update')""",
    )
    assert [("dealt_with",)] == rows


FIXED = {
    "customer": {"id", "created"},
    "panel": {"id", "created", "currency"},
}
"""Columns that nobody changes; a new one of these tables is granted, or stands here."""


@pytest.mark.parametrize("table", FIXED)
async def test_the_app_may_change_every_column_but_those_that_stand_for_ever(conn, table):
    query = """select attname, has_column_privilege(attrelid, attname, 'update') from pg_attribute
               where attrelid = %s::regclass and attnum > 0 and not attisdropped"""
    assert FIXED[table] == {column for column, may in await fetch(conn, query, table) if not may}


@pytest.mark.parametrize("table", ["transfer", "deposit", "audit", "order_detail", "policy_rule"])
@pytest.mark.parametrize("statement", ["update {} set {} = {}", "delete from {}", "truncate {}"])
async def test_what_is_for_ever_cannot_be_changed(conn, table, statement):
    ((column,),) = await fetch(
        conn, "select attname from pg_attribute where attrelid = %s::regclass and attnum = 1", table
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await conn.execute(statement.format(table, column, column))


async def test_the_app_cannot_make_tables(conn):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await conn.execute("create table own (id int)")


async def test_the_app_has_every_sequence(conn):
    refused = await fetch(
        conn, "select sequencename from pg_sequences where not has_sequence_privilege(sequencename, 'usage')"
    )
    assert [] == refused


async def test_a_transaction_left_open_by_the_app_is_ended(conn):
    assert [("1min",)] == await fetch(conn, "show idle_in_transaction_session_timeout")


async def test_the_panel_accepts_the_role_of_the_app(conn):
    await schema.check_app_role(conn)


@pytest.mark.parametrize("role", [OWNER, postgres_install.SUPERUSER])
async def test_the_panel_refuses_the_owner_and_the_superuser(server, database, role):
    async with await AsyncConnection.connect(server.url(role, database.name), autocommit=True) as conn:
        with pytest.raises(Misconfigured, match=r"owns_tables|superuser"):
            await schema.check_app_role(conn)


@pytest.mark.parametrize("privilege", ["update", "delete", "truncate", "update (note)"])
async def test_the_panel_refuses_a_role_that_may_change_transfers(database, conn, privilege):
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(f"grant {privilege} on transfer to {APP}")
    with pytest.raises(Misconfigured) as refused:
        await schema.check_app_role(conn)
    assert f"may {privilege.split()[0]} transfers" in ENGLISH.fault(refused.value)


@pytest.mark.parametrize("group", [OWNER, postgres_install.SUPERUSER])
async def test_the_panel_refuses_a_role_that_may_become_a_mightier_one(server, conn, group):
    with psycopg.connect(server.url(postgres_install.SUPERUSER), autocommit=True) as superuser:
        superuser.execute(f"grant {group} to {APP}")
        try:
            with pytest.raises(Misconfigured) as refused:
                await schema.check_app_role(conn)
            assert "may act as" in ENGLISH.fault(refused.value)
        finally:
            superuser.execute(f"revoke {group} from {APP}")


async def test_the_panel_refuses_a_database_without_tables(server):
    async with await AsyncConnection.connect(server.url(APP, "postgres"), autocommit=True) as conn:
        with pytest.raises(Misconfigured, match=SetupCode.NO_TABLES):
            await schema.check_app_role(conn)


async def test_the_panel_refuses_tables_older_than_itself(database, conn):
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("delete from django_migrations where app = 'store' and name = %s", (schema.newest(),))
    with pytest.raises(Misconfigured, match=SetupCode.DATABASE_TOO_OLD):
        await schema.check_app_role(conn)


def test_migrating_sets_the_grants_anew(database):
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("grant all on transfer to public")
        assert [] == schema.migrate(database.owner_url, APP)
        ((may,),) = owner.execute("select has_table_privilege(%s, 'transfer', 'delete')", (APP,)).fetchall()
    assert may is False


def test_migrating_for_a_role_that_is_not_there_is_refused_in_words(database):
    with pytest.raises(Misconfigured, match=f"{SetupCode.NO_APP_ROLE} role=nobody_here"):
        schema.migrate(database.owner_url, "nobody_here")


def test_an_owner_who_cannot_connect_is_told_so():
    with pytest.raises(Misconfigured, match=SetupCode.OWNER_CANNOT_CONNECT):
        schema.migrate("postgresql://owner@/opensmm?host=/nowhere")
