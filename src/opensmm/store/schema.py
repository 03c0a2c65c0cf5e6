"""Migrations by the database's owner, and checks of the schema and of the app role before the panel starts."""

import os
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import scalar_row

from opensmm.base.error_codes import RolePower, SetupCode, TooMuch
from opensmm.base.errors import Misconfigured
from opensmm.domain.codes import Report, StageCode, no_report
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.store import grants

APP_ROLE: Final = "opensmm_app"
LOCK: Final = 0x0953_4D4D
"""The advisory lock that one migration at a time holds."""

TURN_WITHIN_S: Final = 60
"""The time that a migration waits for another one."""

MIGRATED: Final = ("django.contrib.contenttypes", "django.contrib.auth", "opensmm.store")
"""The packages with migrations, as in ``INSTALLED_APPS``."""
_ALIAS: Final = "owner"


class NoTables(Misconfigured):
    """Raised for a database without tables: OpenSMM has never run with it."""


def app_role(app_url: str) -> str:
    """Returns the role that a URL logs in as."""
    return str(conninfo_to_dict(app_url).get("user") or APP_ROLE)


def migrate(owner_url: str, app_role: str = APP_ROLE, report: Report = no_report) -> list[str]:
    """Applies the migrations that are missing, then grants the app role its rights; returns the applied ones' names.

    Concurrent migrations take turns. Raises Misconfigured if the owner cannot log in or the app role does not exist,
    and OperatorRefusal if another migration does not end.
    """
    try:
        with psycopg.connect(owner_url) as conn:
            _take_turn(conn)
            if conn.execute("select from pg_roles where rolname = %s", (app_role,)).fetchone() is None:
                raise Misconfigured(SetupCode.NO_APP_ROLE, role=app_role)
            applied = _apply(owner_url, report) if _is_behind(conn) else []
            for statement in grants.statements(app_role):
                conn.execute(statement)
    except psycopg.OperationalError as refused:
        raise Misconfigured(SetupCode.OWNER_CANNOT_CONNECT, words=str(refused)) from refused
    return applied


def _take_turn(conn: psycopg.Connection[Any]) -> None:
    """Waits for a migration under way, and makes others wait until this transaction ends.

    The lock is the transaction's: a pooler may hand the server connection on, and would keep a session's lock with it.
    """
    for name, value in (("lock_timeout", f"{TURN_WITHIN_S}s"), ("idle_in_transaction_session_timeout", "0")):
        conn.execute("select set_config(%s, %s, true)", (name, value))
    try:
        conn.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
    except psycopg.errors.LockNotAvailable as busy:
        raise OperatorRefusal(RefusalCode.MIGRATION_UNDER_WAY, seconds=TURN_WITHIN_S) from busy


def _is_behind(conn: psycopg.Connection[Any]) -> bool:
    """Returns True if a migration of this OpenSMM is not applied. Does not load Django, which takes long."""
    table = conn.execute("select to_regclass('django_migrations')").fetchone()
    if table is None or table[0] is None:
        return True
    return not set(_list_migrations()) <= set(conn.execute("select app, name from django_migrations").fetchall())


def _list_migrations() -> Iterator[tuple[str, str]]:
    """Yields (app, name) of every migration that is installed with the code."""
    for package in MIGRATED:
        spec = find_spec(package)
        for place in spec.submodule_search_locations or () if spec is not None else ():
            for path in Path(place, "migrations").glob("[0-9]*.py"):
                yield package.rpartition(".")[2], path.stem


def _apply(owner_url: str, report: Report) -> list[str]:
    # Imported here, because a start of the API needs the check of the app role alone and must not load Django for it.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opensmm.store.django_settings")
    import django
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    django.setup()
    connections.databases[_ALIAS] = connections.configure_settings({"default": {}, _ALIAS: _database(owner_url)})[
        _ALIAS
    ]
    try:
        numbers = count(1)

        def report_progress(action: str, *_: object) -> None:
            if action == "apply_start":
                report(StageCode.MIGRATING, {"number": next(numbers), "total": len(plan)})

        executor = MigrationExecutor(connections[_ALIAS], report_progress)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        executor.migrate(executor.loader.graph.leaf_nodes(), plan)
    finally:
        connections[_ALIAS].close()
        del connections[_ALIAS]
        del connections.databases[_ALIAS]
    return [str(migration) for migration, _ in plan]


def _database(url: str) -> dict[str, Any]:
    """Returns a connection string as Django's settings; parameters that it has no setting for become options."""
    options = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    parameters = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings = {setting: options.pop(name, "") for setting, name in parameters.items()}
    return {"ENGINE": "django.db.backends.postgresql", **settings, "OPTIONS": options}


def newest() -> str:
    """Returns the name of the newest migration of this OpenSMM."""
    folder = files("opensmm.store") / "migrations"
    return max(entry.name.removesuffix(".py") for entry in folder.iterdir() if entry.name[:4].isdigit())


async def check_app_role(conn: psycopg.AsyncConnection[Any]) -> None:
    """Raises Misconfigured if the schema is missing or not up to date, or if the role could falsify the ledger."""
    cursor = conn.cursor(row_factory=scalar_row)
    await cursor.execute("select to_regclass('transfer') is not null and to_regclass('django_migrations') is not null")
    if not await cursor.fetchone():
        raise NoTables(SetupCode.NO_TABLES)
    if powers := await _find_powers(conn):
        raise Misconfigured(SetupCode.ROLE_MAY_TOO_MUCH, role=conn.info.user, powers=powers)
    await cursor.execute("select exists (select from django_migrations where app = 'store' and name = %s)", (newest(),))
    if await cursor.fetchone():
        return
    await cursor.execute("select pg_try_advisory_xact_lock_shared(%s)", (LOCK,))
    if not await cursor.fetchone():
        raise Misconfigured(SetupCode.MIGRATION_RUNS)
    raise Misconfigured(SetupCode.DATABASE_TOO_OLD)


async def _find_powers(conn: psycopg.AsyncConnection[Any]) -> tuple[TooMuch, ...]:
    """Returns the powers of the current role by which it could falsify the ledger."""
    cursor = conn.cursor()
    await cursor.execute(_POWERS)
    return tuple(TooMuch(RolePower(power), subject) for power, subject in await cursor.fetchall())


_POWERS: Final = f"""
-- A superuser may do anything, and so may a role that can become one.
select '{RolePower.SUPERUSER}', '' from pg_roles where rolname = current_user and rolsuper
union all
select '{RolePower.BECOMES_SUPERUSER}', '' from pg_roles
where rolsuper and rolname <> current_user and pg_has_role(current_user, oid, 'member')
  and not exists (select from pg_roles where rolname = current_user and rolsuper)
union all
-- An owner may drop the tables, and grant itself any right on them.
select '{RolePower.OWNS_TABLES}', string_agg(relname, ', ' order by relname) from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and pg_has_role(current_user, relowner, 'member')
having count(*) > 0
union all
-- Transfers are only ever inserted.
select '{RolePower.CHANGES_TRANSFERS}', privilege from unnest(array['update', 'delete', 'truncate']) as privilege
where has_table_privilege(current_user, 'transfer', privilege)
   or privilege = 'update' and has_any_column_privilege(current_user, 'transfer', privilege)
"""
