"""Options, answers and exit codes that all verbs share, and their connection to the database."""

import asyncio
import os
import pwd
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, NoReturn, TypeVar

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from opensmm import config as configuration
from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured, PanelError, Unavailable
from opensmm.base.money import parse_decimal
from opensmm.cli.stages import Stages
from opensmm.config import Config
from opensmm.domain.audit import Actor, ActorKind, By
from opensmm.domain.codes import NO_FIELDS, Fields
from opensmm.domain.operator_refusals import MISUSES, OperatorRefusal
from opensmm.runtime.crashes import UNAVAILABLE, UNFORESEEN
from opensmm.runtime.database import bring_up_to_date
from opensmm.store import schema
from opensmm.store.connection import Connection, connect
from opensmm.store.embedded import DatabaseUrls, has_database, run_database
from opensmm.store.schema import NoTables
from opensmm.texts.speech import ENGLISH

FAILED: Final = 1
MISUSED: Final = 2
EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 refused, or a check failed; 2 the command was mistyped; "
    "3 the panel is not set up for it, its database does not answer, or the machine lacks something; "
    "4 a bug in OpenSMM. `health` exits with 1 for a warning, and with 2 if something is critical."
)


def _read_folder(text: str) -> Path:
    """Reads a folder. An empty word is a shell variable that is not set, and does not mean the current folder."""
    if not text:
        raise typer.BadParameter("name a folder, or leave the option out")
    return Path(text)


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data folder; ./data by default.",
        envvar="OPENSMM_DATA",
        parser=_read_folder,
    ),
]
FOR_PROGRAM: Final[ContextVar[bool]] = ContextVar("for_program", default=False)
"""True if the verb was called with --json."""


def _set_for_program(json: bool) -> bool:
    FOR_PROGRAM.set(json)
    return json


Json = Annotated[
    bool,
    typer.Option("--json", is_eager=True, callback=_set_for_program, help="Answer as one line of JSON, for programs."),
]
Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id or name.")]
MAX_NAME: Final = 100
"""Most characters of the operator's name that the audit trail stores."""


def name_actor(environ: Mapping[str, str], uid: int) -> str:
    """Returns the operator's name for the audit trail: OPENSMM_ACTOR, or the caller of sudo, or the process's user."""
    names = (environ.get("OPENSMM_ACTOR", ""), environ.get("SUDO_USER", ""), _find_user_name(uid))
    name = next(shown for name in names if (shown := " ".join(name.split())))[:MAX_NAME]
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


def _find_user_name(uid: int) -> str:
    """Returns the user's name, or ``uid 1000``: containers run as users without an entry."""
    try:
        return pwd.getpwuid(uid).pw_name or f"uid {uid}"
    except KeyError:
        return f"uid {uid}"


ACTOR: Final = Actor(ActorKind.COMMAND_LINE, name_actor(os.environ, os.getuid()))

UNBOUNDED: Final = 10_000
"""Columns of an output that is no terminal: a program reads a row of a table as one line."""
out: Final = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else UNBOUNDED)
err: Final = Console(stderr=True, highlight=False, soft_wrap=True)
Result = TypeVar("Result")


_ERROR_CODES: Final = {FAILED: "refused", MISUSED: "misused", UNAVAILABLE: "unavailable", UNFORESEEN: "unforeseen"}


def fail(text: str, code: int = FAILED) -> NoReturn:
    """Prints why a verb failed, and ends it with the exit code."""
    print_error(text, code)
    raise typer.Exit(code)


def refuse(refused: OperatorRefusal, code: int | None = None) -> NoReturn:
    """Prints a refusal and ends the verb: by default with MISUSED for a malformed value, and with FAILED otherwise."""
    code = code or (MISUSED if refused.code in MISUSES else FAILED)
    print_error(ENGLISH.refusal(refused), code, refused.code.value, refused.fields)
    raise typer.Exit(code)


def give_up(error: Misconfigured | Unavailable | psycopg.OperationalError) -> NoReturn:
    """Prints why the panel or its database cannot be used, and ends the verb."""
    if isinstance(error, psycopg.OperationalError):
        fail(str(error), UNAVAILABLE)
    print_error(ENGLISH.fault(error), UNAVAILABLE, error.code.value, error.fields)
    raise typer.Exit(UNAVAILABLE)


def print_error(text: str, code: int, name: str = "", fields: Fields = NO_FIELDS) -> None:
    """Prints why a verb failed, as an object for a program or a sentence for a person. ``code`` is the exit code."""
    if FOR_PROGRAM.get():
        error = {"code": name or _ERROR_CODES[code], "message": text, "fields": dict(fields)}
        answer({"error": error}, "", json=True)
    else:
        err.print(f"opensmm: {text}", markup=False)


def answer(fields: Mapping[str, Any], text: str, *, json: bool) -> None:
    """Prints a verb's answer: the fields as a line of JSON for a program, or the text for a person."""
    if json:
        sys.stdout.write(msgspec.json.encode(fields, enc_hook=_encode_mapping).decode() + "\n")
        sys.stdout.flush()
    else:
        out.print(text, markup=False)


def _encode_mapping(value: object) -> object:
    """Turns a read-only mapping, such as an empty set of fields, into one that msgspec encodes."""
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be encoded as JSON")


def print_table(table: Table, empty: str) -> None:
    """Prints a table, or ``empty`` if it has no rows."""
    out.print(table if table.row_count else escape(empty))


def print_long_table(table: Table, empty: str) -> None:
    """Prints a table whose last column is prose. A terminal wraps its lines, so that no other column is squeezed."""
    wide = Console(file=StringIO(), width=UNBOUNDED, highlight=False)
    with wide.capture() as printed:
        wide.print(table)
    out.print(
        "\n".join(line.rstrip() for line in printed.get().splitlines()) if table.row_count else empty, markup=False
    )


def read_number(text: str, what: str) -> Decimal:
    """Reads a number that a person typed. ``what`` it should be, such as "a rate", is named in the refusal."""
    try:
        return parse_decimal(text)
    except ValueError:
        fail(f"{text!r} is not {what}", MISUSED)


def now() -> datetime:
    return datetime.now(UTC)


def by(reason: str = "") -> By:
    """Returns the operator who typed the verb, with a reason, at this moment."""
    return By(ACTOR, reason, now())


def read_config(data: Path | None) -> Config:
    """Reads the panel's configuration; ends the verb if it is not usable."""
    try:
        return configuration.read(data)
    except Misconfigured as error:
        give_up(error)


def read_existing_config(data: Path | None) -> Config:
    """Reads the configuration of a panel that exists; ends the verb if there is none.

    For verbs that need one: in a mistyped folder they would create an empty panel, and report that all is well.
    """
    config = read_config(data)
    if not config.database_url and not has_database(config.data):
        give_up(Misconfigured(SetupCode.NO_PANEL, folder=str(config.data)))
    return config


def with_database(config: Config, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Returns what ``work`` returns, with a connection of the app's role.

    It starts the embedded PostgreSQL if that does not run, and creates the tables of a new panel. It ends the verb if
    the database cannot be used, or the operator is refused.
    """
    with report_faults(), open_database(config) as urls:
        try:
            return asyncio.run(_run_connected(urls.app, work))
        except NoTables:
            # Only a new panel gets its tables here: an older one may be running.
            if config.database_url:
                raise
        with Stages(err) as report:
            bring_up_to_date(urls, report)
        return asyncio.run(_run_connected(urls.app, work))


@contextmanager
def report_faults(refusal_code: int | None = None) -> Iterator[None]:
    """Ends the verb with words and an exit code if the database cannot be used, or the operator is refused.

    ``refusal_code`` is the exit code of a refusal, if not the usual one.
    """
    try:
        yield
    except OperatorRefusal as refused:
        refuse(refused, refusal_code)
    except (Misconfigured, Unavailable, psycopg.OperationalError) as error:
        give_up(error)
    except PanelError as error:
        fail(str(error))


@contextmanager
def open_database(config: Config) -> Iterator[DatabaseUrls]:
    """Yields the URLs of the configured database, or of the embedded one while the block runs. Reports its start."""
    with ExitStack() as running:
        with Stages(err) as report:
            urls = running.enter_context(run_database(config, report))
        yield urls


async def _run_connected(url: str, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    connection = await connect(url, application="opensmm command line")
    try:
        await schema.check_app_role(connection)
        return await work(connection)
    finally:
        await connection.close()
