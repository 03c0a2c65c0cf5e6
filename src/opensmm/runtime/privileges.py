"""Giving root up: the processes that speak to the outside go on as an ordinary user where root started them.

They give it up last, once they listen and have read the files that are root's alone. The supervisor stays root: it
starts them again, starts and stops PostgreSQL as another user, and speaks to nobody.
"""

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import psycopg
import structlog
from msgspec import Struct

from opensmm.base.errors import Misconfigured
from opensmm.config import Config
from opensmm.runtime import preloading
from opensmm.store.os_users import become, panel_user
from opensmm.texts.speech import ENGLISH

CONNECT_LIMIT_S: Final = 5
log = structlog.get_logger()


class ViewAsUser(Struct, frozen=True):
    """A look at this process as another user: what stands in its way, and whether some of the code is closed to it."""

    obstacle: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Successor:
    """Whom a process that root started goes on as; ``closed``: the user cannot read all of the code that runs."""

    user: pwd.struct_passwd
    closed: bool

    def take_over(self, prepare: Callable[[], None] | None = None) -> None:
        """Gives root up for good. Where the code is closed to the user, all of it is loaded before, and ``prepare``
        reads what else would be read later."""
        if self.closed:
            if prepare is not None:
                prepare()
            preloading.import_the_rest()
        become(self.user)


def choose_successor(config: Config, url: str) -> Successor | None:
    """Finds whom this process can go on as; None where it is not root, or has to stay root, which is logged.

    Raises psycopg.OperationalError where the database answers nobody.
    """
    if os.geteuid() != 0:
        return None
    try:
        user = panel_user(None if config.database_url else config.data / "postgres")
    except Misconfigured as missing:
        _warn("", ENGLISH.fault(missing))
        return None
    view = _look_as(user, url)
    if view.obstacle:
        # A database that has just gone away says nothing about the user.
        psycopg.connect(url, connect_timeout=CONNECT_LIMIT_S).close()
        view = _look_as(user, url)
    if view.obstacle:
        _warn(user.pw_name, view.obstacle)
        return None
    return Successor(user, view.closed)


def _warn(user: str, why: str) -> None:
    log.warning("this process goes on as root: start the panel as an ordinary user", instead_of=user, why=why)


def _look_as(user: pwd.struct_passwd, url: str) -> ViewAsUser:
    """Becomes the user in a forked process, which looks around and ends."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, msgspec.json.encode(_look(user, url)))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        view = told.read()
    os.waitpid(child, 0)
    return (
        msgspec.json.decode(view, type=ViewAsUser) if view else ViewAsUser("the attempt to become this user was killed")
    )


def _look(user: pwd.struct_passwd, url: str) -> ViewAsUser:
    files = preloading.loaded_files()
    try:
        become(user)
        psycopg.connect(url, connect_timeout=CONNECT_LIMIT_S).close()
    except (OSError, psycopg.OperationalError) as refused:
        return ViewAsUser(str(refused))
    return ViewAsUser(closed=not all(map(_is_open, files)))


def _is_open(file: Path) -> bool:
    """Whether we may read the file, and look for others beside it."""
    return os.access(file, os.R_OK) and os.access(file.parent, os.R_OK | os.X_OK)
