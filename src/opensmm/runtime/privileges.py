"""Dropping of root: the processes that root has started and that have network traffic go on as an ordinary user.

They drop it last, when they listen and have read the files that only root may read. The supervisor stays root: it
restarts them, starts and stops PostgreSQL as another user, and has no network traffic.
"""

import os
import pwd
from collections.abc import Callable
from contextlib import suppress
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
from opensmm.store.embedded import has_database
from opensmm.store.os_users import become, panel_user

CONNECT_LIMIT_S: Final = 5
log = structlog.get_logger()


class ViewAsUser(Struct, frozen=True):
    """The result of a try to run as another user: an obstacle, if any, and if some code is unreadable to that user."""

    obstacle: str = ""
    code_unreadable: bool = False


@dataclass(frozen=True, slots=True)
class TargetUser:
    """The user that a process of root's goes on as. ``code_unreadable``: the user cannot read all of its code."""

    user: pwd.struct_passwd
    code_unreadable: bool

    def drop_root(self, prepare: Callable[[], None] | None = None, without: tuple[str, ...] = ()) -> None:
        """Makes this process the user's for good. Loads code that the user cannot read before, as
        ``load_code_unreadable_to_user`` does."""
        if self.code_unreadable:
            _load(prepare, without)
        become(self.user)


def load_code_unreadable_to_user(
    config: Config, prepare: Callable[[], None] | None = None, without: tuple[str, ...] = ()
) -> None:
    """Loads all of the code, as root, if the user that this process will become cannot read it. Needs no database.

    Calls ``prepare`` before, which reads the other files; leaves out packages named in ``without``. A panel whose
    folder is new has no user yet: its processes load the code when they drop root.
    """
    if os.geteuid() != 0 or not (config.database_url or has_database(config.data)):
        return
    with suppress(Misconfigured):
        if _view_as(_user_of(config)).code_unreadable:
            _load(prepare, without)


def _load(prepare: Callable[[], None] | None, without: tuple[str, ...]) -> None:
    if prepare is not None:
        prepare()
    preloading.import_the_rest(without)


def _user_of(config: Config) -> pwd.struct_passwd:
    return panel_user(None if config.database_url else config.data / "postgres")


def choose_target_user(config: Config, url: str) -> TargetUser | None:
    """Finds the user to go on as. Returns None if the process is not root, or has to stay root, which it logs.

    Raises psycopg.OperationalError if the database is down.
    """
    if os.geteuid() != 0:
        return None
    try:
        user = _user_of(config)
    except Misconfigured as missing:
        from opensmm.texts.speech import ENGLISH

        _warn("", ENGLISH.fault(missing))
        return None
    view = _view_as(user, url)
    if view.obstacle:
        # The database may have gone down just now, which is no obstacle of the user's.
        psycopg.connect(url, connect_timeout=CONNECT_LIMIT_S).close()
        view = _view_as(user, url)
    if view.obstacle:
        _warn(user.pw_name, view.obstacle)
        return None
    return TargetUser(user, view.code_unreadable)


def _warn(user: str, why: str) -> None:
    log.warning("this process goes on as root: start the panel as an ordinary user", instead_of=user, why=why)


def _view_as(user: pwd.struct_passwd, url: str = "") -> ViewAsUser:
    """Becomes the user in a forked process, and returns what it can do there. Tries the database of a given ``url``."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, msgspec.json.encode(_view(user, url)))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        view = pipe.read()
    os.waitpid(child, 0)
    return (
        msgspec.json.decode(view, type=ViewAsUser) if view else ViewAsUser("the attempt to become this user was killed")
    )


def _view(user: pwd.struct_passwd, url: str) -> ViewAsUser:
    files = preloading.loaded_files()
    try:
        become(user)
        if url:
            psycopg.connect(url, connect_timeout=CONNECT_LIMIT_S).close()
    except (OSError, psycopg.OperationalError) as refused:
        return ViewAsUser(str(refused))
    return ViewAsUser(code_unreadable=not all(map(_is_readable, files)))


def _is_readable(file: Path) -> bool:
    """Returns True if this process may read the file and list its folder."""
    return os.access(file, os.R_OK) and os.access(file.parent, os.R_OK | os.X_OK)
