"""Data folders with a PostgreSQL in them, and processes of other users."""

import multiprocessing
import os
import pwd
import stat
from pathlib import Path

import psycopg
import pytest

SMALL = {"shared_buffers": "16MB", "max_wal_size": "256MB", "fsync": "off"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def ask(url: str, query: str):
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query).fetchone()


def in_a_process_of(user: pwd.struct_passwd, work) -> int:
    """Runs ``work`` in a forked child that has become the user for good; returns its exit code."""

    def become_and_work() -> None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        work()

    child = multiprocessing.get_context("fork").Process(target=become_and_work)
    child.start()
    child.join(60)
    assert child.exitcode is not None
    return child.exitcode
