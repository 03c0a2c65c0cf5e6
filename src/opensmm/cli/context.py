"""What every verb shares: where the data lies, how to answer, and what the exit code means."""

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
from unicodedata import category

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from opensmm import config as configuration
from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured, PanelError, Unavailable
from opensmm.base.money import plain
from opensmm.cli.stages import Stages
from opensmm.config import Config
from opensmm.domain.audit import Actor, ActorKind, By
from opensmm.domain.codes import MALFORMED, NO_FIELDS, Fields, OperatorRefusal
from opensmm.runtime.crashes import UNAVAILABLE, UNFORESEEN
from opensmm.runtime.database import bring_up_to_date
from opensmm.store import schema
from opensmm.store.connection import Connection, connect
from opensmm.store.embedded import DatabaseUrls, serving, stands
from opensmm.store.schema import NoTables
from opensmm.texts.speech import ENGLISH

FAILED: Final = 1
MISUSED: Final = 2
EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 it was refused, or a check failed; 2 the command was typed wrongly; "
    "3 the panel is not set up for it, its database does not answer, or the machine lacks something; "
    "4 a fault of OpenSMM's own. "
    "`health` has 1 for a warning, and 2 for what is critical."
)


def _folder(text: str) -> Path:
    """An empty word is a shell's variable that is not set, not the folder where one stands."""
    if not text:
        raise typer.BadParameter("say a folder, or leave the option away")
    return Path(text)


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data folder; ./data where none is given.",
        envvar="OPENSMM_DATA",
        parser=_folder,
    ),
]
FOR_PROGRAM: Final[ContextVar[bool]] = ContextVar("for_program", default=False)
"""Whether the verb was called with --json."""


def _note_reader(wanted: bool) -> bool:
    FOR_PROGRAM.set(wanted)
    return wanted


Json = Annotated[
    bool,
    typer.Option("--json", is_eager=True, callback=_note_reader, help="Answer as one line of JSON, for programs."),
]
Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id or name.")]
MAX_NAME: Final = 100
"""Characters of the operator's name that are kept."""


def who(environ: Mapping[str, str], uid: int) -> str:
    """The name of who decides, for the audit trail: the one that is set, or who called sudo, or the process's user."""
    named = (environ.get("OPENSMM_ACTOR", ""), environ.get("SUDO_USER", ""), _user(uid))
    name = next(shown for name in named if (shown := " ".join(name.split())))[:MAX_NAME]
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


def _user(uid: int) -> str:
    """Containers run as users without an entry."""
    try:
        return pwd.getpwuid(uid).pw_name or f"uid {uid}"
    except KeyError:
        return f"uid {uid}"


ACTOR: Final = Actor(ActorKind.COMMAND_LINE, who(os.environ, os.getuid()))

UNBOUNDED: Final = 10_000
"""Columns of what is no terminal: a program reads a table's line as one line."""
out: Final = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else UNBOUNDED)
err: Final = Console(stderr=True, highlight=False, soft_wrap=True)
Result = TypeVar("Result")


_ERROR_CODES: Final = {FAILED: "refused", MISUSED: "misused", UNAVAILABLE: "unavailable", UNFORESEEN: "unforeseen"}


def fail(text: str, code: int = FAILED) -> NoReturn:
    tell_error(text, code)
    raise typer.Exit(code)


def refuse(refused: OperatorRefusal, code: int | None = None) -> NoReturn:
    """Says why not. The exit code, where none is given, tells a value typed wrongly from what the panel refuses."""
    code = code or (MISUSED if refused.code in MALFORMED else FAILED)
    tell_error(ENGLISH.refusal(refused), code, refused.code.value, refused.fields)
    raise typer.Exit(code)


def typed(read: Callable[..., Result], *words: object) -> Result:
    """Reads what was typed by one of the domain's rules, before anything is opened."""
    try:
        return read(*words)
    except OperatorRefusal as refused:
        refuse(refused)


def give_up(error: Misconfigured | Unavailable | psycopg.OperationalError) -> NoReturn:
    """Prints why the panel or its database cannot be used, and ends the verb."""
    if isinstance(error, psycopg.OperationalError):
        fail(str(error), UNAVAILABLE)
    tell_error(ENGLISH.fault(error), UNAVAILABLE, error.code.value, error.fields)
    raise typer.Exit(UNAVAILABLE)


def tell_error(text: str, code: int, name: str = "", fields: Fields = NO_FIELDS) -> None:
    """Prints why a verb failed, as an object for a program or a sentence for a person. ``code`` is the exit code."""
    if FOR_PROGRAM.get():
        error = {"code": name or _ERROR_CODES[code], "message": text, "fields": dict(fields)}
        answer({"error": error}, "", json=True)
    else:
        err.print(f"opensmm: {text}", markup=False)


def answer(said: Mapping[str, Any], text: str, *, json: bool) -> None:
    """Prints one thing: as a line of JSON for a program, or as words for a person."""
    if json:
        sys.stdout.write(msgspec.json.encode(said, enc_hook=_builtin).decode() + "\n")
        sys.stdout.flush()
    else:
        out.print(text, markup=False)


def _builtin(value: object) -> object:
    """A view of a mapping that nobody may change, such as of no fields at all, as one that is written."""
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} is not written as JSON")


def listing(table: Table, empty: str) -> None:
    """Prints a table or, where it has no rows, words that say so."""
    out.print(table if table.row_count else escape(empty))


def long_listing(table: Table, empty: str) -> None:
    """Prints a table whose last column is prose: a terminal breaks its lines, so that no other column is squeezed."""
    wide = Console(file=StringIO(), width=UNBOUNDED, highlight=False)
    with wide.capture() as printed:
        wide.print(table)
    out.print(
        "\n".join(line.rstrip() for line in printed.get().splitlines()) if table.row_count else empty, markup=False
    )


def named(text: str | None) -> str | None:
    """An option's callback: what is shown as a name is some text on one line."""
    if text is not None and (not text.strip() or any(category(char) == "Cc" for char in text)):
        raise typer.BadParameter("some text on one line is wanted")
    return text


def number(text: str, what: str) -> Decimal:
    """A number typed by a person; ``what`` it was to be, such as "a rate", stands in the refusal."""
    try:
        return plain(text)
    except ValueError:
        fail(f"{text!r} is not {what}", MISUSED)


def now() -> datetime:
    return datetime.now(UTC)


def by(reason: str = "") -> By:
    """Whoever typed the verb, at this moment."""
    return By(ACTOR, reason, now())


def configured(data: Path | None) -> Config:
    try:
        return configuration.read(data)
    except Misconfigured as error:
        give_up(error)


def standing(data: Path | None) -> Config:
    """How a panel that stands is set up, for a verb that only reads: in a folder that was typed wrongly, an empty panel
    would be made, of which all is well."""
    config = configured(data)
    if not config.database_url and not stands(config.data):
        give_up(Misconfigured(SetupCode.NO_PANEL, folder=str(config.data)))
    return config


def with_database(config: Config, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Runs ``work`` over a connection of the app's role; starts the embedded PostgreSQL where it does not run."""
    try:
        with database(config) as urls:
            try:
                return asyncio.run(_connected(urls.app, work))
            except NoTables:
                # Only a panel that is new gets its tables here: an older one may be running.
                if config.database_url:
                    raise
            with Stages(err) as report:
                bring_up_to_date(urls, report)
            return asyncio.run(_connected(urls.app, work))
    except (Misconfigured, Unavailable, psycopg.OperationalError) as error:
        give_up(error)
    except OperatorRefusal as refused:
        refuse(refused)
    except PanelError as error:
        fail(str(error))


@contextmanager
def database(config: Config) -> Iterator[DatabaseUrls]:
    """The configured database, or the embedded one for as long as the block runs; tells how far its start is."""
    with ExitStack() as running:
        with Stages(err) as report:
            urls = running.enter_context(serving(config, report))
        yield urls


async def _connected(url: str, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    connection = await connect(url, application="opensmm command line")
    try:
        await schema.check_app_role(connection)
        return await work(connection)
    finally:
        await connection.close()
