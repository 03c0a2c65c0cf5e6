"""The schema's state: bringing it up to date as the owner, and refusing to work in a role that may do too much."""

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
from opensmm.domain.codes import OperatorRefusal, RefusalCode, Report, StageCode, no_report
from opensmm.store import grants

APP_ROLE: Final = "opensmm_app"
LOCK: Final = 0x0953_4D4D
"""The advisory lock that one migration at a time holds."""

TURN_WITHIN_S: Final = 60
"""How long a migration waits for another one."""

MIGRATED: Final = ("django.contrib.contenttypes", "django.contrib.auth", "opensmm.store")
"""The packages with migrations, as in ``INSTALLED_APPS``."""
_ALIAS: Final = "owner"


class NoTables(Misconfigured):
    """The database is empty: no OpenSMM has worked in it yet."""


def app_role(app_url: str) -> str:
    """The role a URL logs in as."""
    return str(conninfo_to_dict(app_url).get("user") or APP_ROLE)


def migrate(owner_url: str, app_role: str = APP_ROLE, report: Report = no_report) -> list[str]:
    """Applies what is missing, then sets the app role's grants anew; returns the names of what was applied.

    Two at once take turns. Raises Misconfigured where the database or the app's role is not there, OperatorRefusal
    where another migration does not end.
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
    """Waits for a migration under way, and keeps others off until this transaction ends.

    Not for longer, as a session's lock would be kept by a pooler whose server connection is handed on.
    """
    for name, value in (("lock_timeout", f"{TURN_WITHIN_S}s"), ("idle_in_transaction_session_timeout", "0")):
        conn.execute("select set_config(%s, %s, true)", (name, value))
    try:
        conn.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
    except psycopg.errors.LockNotAvailable as busy:
        raise OperatorRefusal(RefusalCode.MIGRATION_UNDER_WAY, seconds=TURN_WITHIN_S) from busy


def _is_behind(conn: psycopg.Connection[Any]) -> bool:
    """Returns True where a migration of this OpenSMM was not applied. Django takes long to load, and is not asked."""
    found = conn.execute("select to_regclass('django_migrations')").fetchone()
    if found is None or found[0] is None:
        return True
    return not set(_migrations()) <= set(conn.execute("select app, name from django_migrations").fetchall())


def _migrations() -> Iterator[tuple[str, str]]:
    """Yields (app, name) of every migration that stands beside the code."""
    for package in MIGRATED:
        spec = find_spec(package)
        for place in spec.submodule_search_locations or () if spec is not None else ():
            for path in Path(place, "migrations").glob("[0-9]*.py"):
                yield package.rpartition(".")[2], path.stem


def _apply(owner_url: str, report: Report) -> list[str]:
    # The API's path asks for the app role's check alone, and must not load Django for it.
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

        def tell(action: str, *_: object) -> None:
            if action == "apply_start":
                report(StageCode.MIGRATING, {"number": next(numbers), "total": len(plan)})

        executor = MigrationExecutor(connections[_ALIAS], tell)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        executor.migrate(executor.loader.graph.leaf_nodes(), plan)
    finally:
        connections[_ALIAS].close()
        del connections[_ALIAS]
        del connections.databases[_ALIAS]
    return [str(migration) for migration, _ in plan]


def _database(url: str) -> dict[str, Any]:
    """A connection string in Django's words; what they have no word for is passed through."""
    given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    words = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    named = {word: given.pop(name, "") for word, name in words.items()}
    return {"ENGINE": "django.db.backends.postgresql", **named, "OPTIONS": given}


def newest() -> str:
    """The name of the newest migration this OpenSMM brings."""
    folder = files("opensmm.store") / "migrations"
    return max(entry.name.removesuffix(".py") for entry in folder.iterdir() if entry.name[:4].isdigit())


async def check_app_role(conn: psycopg.AsyncConnection[Any]) -> None:
    """Raises Misconfigured where the schema is missing or not up to date, or where the role could undo the books."""
    cursor = conn.cursor(row_factory=scalar_row)
    await cursor.execute("select to_regclass('transfer') is not null and to_regclass('django_migrations') is not null")
    if not await cursor.fetchone():
        raise NoTables(SetupCode.NO_TABLES)
    if powers := await _powers(conn):
        raise Misconfigured(SetupCode.ROLE_MAY_TOO_MUCH, role=conn.info.user, powers=powers)
    await cursor.execute("select exists (select from django_migrations where app = 'store' and name = %s)", (newest(),))
    if await cursor.fetchone():
        return
    await cursor.execute("select pg_try_advisory_xact_lock_shared(%s)", (LOCK,))
    if not await cursor.fetchone():
        raise Misconfigured(SetupCode.MIGRATION_RUNS)
    raise Misconfigured(SetupCode.DATABASE_TOO_OLD)


async def _powers(conn: psycopg.AsyncConnection[Any]) -> tuple[TooMuch, ...]:
    """Returns the powers of the role that we work in by which it could undo the books."""
    cursor = conn.cursor()
    await cursor.execute(_POWERS)
    return tuple(TooMuch(RolePower(power), subject) for power, subject in await cursor.fetchall())


_POWERS: Final = f"""
-- A superuser may do anything, and so may whoever can become one.
select '{RolePower.SUPERUSER}', '' from pg_roles where rolname = current_user and rolsuper
union all
select '{RolePower.BECOMES_SUPERUSER}', '' from pg_roles
where rolsuper and rolname <> current_user and pg_has_role(current_user, oid, 'member')
  and not exists (select from pg_roles where rolname = current_user and rolsuper)
union all
-- An owner may drop the tables, and grant itself whatever is missing.
select '{RolePower.OWNS_TABLES}', string_agg(relname, ', ' order by relname) from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and pg_has_role(current_user, relowner, 'member')
having count(*) > 0
union all
-- Transfers are added to, and never changed.
select '{RolePower.CHANGES_TRANSFERS}', privilege from unnest(array['update', 'delete', 'truncate']) as privilege
where has_table_privilege(current_user, 'transfer', privilege)
   or privilege = 'update' and has_any_column_privilege(current_user, 'transfer', privilege)
"""
