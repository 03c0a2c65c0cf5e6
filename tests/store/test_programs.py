"""PostgreSQL's programs, copied to where the server's user can run them."""

import os
import pwd
import shutil
from pathlib import Path

import pytest
from tests.data_folders import SMALL, as_root, ask, mode

from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured
from opensmm.store import os_users, programs
from opensmm.store.embedded import EmbeddedPostgres


@pytest.fixture
def private_wheel(tmp_path, open_folder, monkeypatch):
    """The wheel in a folder that only root may pass, and one of our own for copies of it."""
    own = programs.find_bundled()
    private = tmp_path / "site-packages" / programs.WHEEL / own.name
    shutil.copytree(own, private, ignore=shutil.ignore_patterns("include"))
    libraries = own.parents[1] / f"{programs.WHEEL}.libs"
    shutil.copytree(libraries, private.parents[1] / libraries.name)
    tmp_path.chmod(0o700)
    open_folder.chmod(0o755)
    monkeypatch.setattr(programs, "find_bundled", lambda: private)
    monkeypatch.setattr(programs, "COPIES", (open_folder / "copies",))
    return private


def run_once(data: Path, user: pwd.struct_passwd) -> None:
    """Starts a server, asks it something, and runs the other programs as its user."""
    embedded = EmbeddedPostgres(data, SMALL)
    assert (1,) == ask(embedded.start().app, "select 1")
    embedded.stop()
    for name in programs.NEEDED:
        code, printed = os_users.run([str(programs.find_binaries(user) / name), "--version"], user, Path("/"))
        assert (0, True) == (code, "PostgreSQL" in printed), printed


@as_root
def test_programs_in_a_private_folder_are_copied_with_what_they_need(tmp_path, data, private_wheel):
    before = os.umask(0o077)
    try:
        user = os_users.server_user(tmp_path / "nothing")
        copy = programs.find_binaries(user)
        run_once(data, user)
    finally:
        os.umask(before)
    assert programs.COPIES[0] in copy.parents
    assert copy == programs.find_binaries(user)
    assert 0o700 == mode(tmp_path)
    assert 1 == len(list(programs.COPIES[0].iterdir()))


@as_root
@pytest.mark.parametrize("breach", ["no libraries", "no initdb", "no share", "private"])
def test_a_broken_copy_is_replaced(tmp_path, data, private_wheel, breach):
    user = os_users.server_user(tmp_path / "nothing")
    install = programs.find_binaries(user).parent
    match breach:
        case "no libraries":
            shutil.rmtree(install.parents[1] / f"{programs.WHEEL}.libs")
        case "no initdb":
            (install / "bin" / "initdb").unlink()
        case "no share":
            shutil.rmtree(install / "share")
        case _:
            install.chmod(0o700)
    run_once(data, user)
    assert [install.parents[1]] == list(programs.COPIES[0].iterdir())


@as_root
def test_the_next_place_is_taken_where_the_first_is_private(tmp_path, data, private_wheel, monkeypatch):
    first, second = programs.COPIES[0] / "first", programs.COPIES[0] / "second"
    first.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(programs, "COPIES", (first, second))
    user = os_users.server_user(tmp_path / "nothing")
    assert second in programs.find_binaries(user).parents
    assert [] == list(first.iterdir())


@as_root
def test_programs_that_run_nowhere_are_named_with_the_reason(tmp_path, private_wheel):
    (private_wheel / "bin" / "pg_dump").unlink()
    with pytest.raises(Misconfigured) as refused:
        programs.find_binaries(os_users.server_user(tmp_path / "nothing"))
    assert SetupCode.PROGRAMS_DO_NOT_RUN is refused.value.code
    last = refused.value.fields["obstacles"][-1]
    assert ("pg_dump", "No such file or directory") == (last.program, last.words)
    assert last.place.startswith(str(programs.COPIES[0]))
    assert [] == list(programs.COPIES[0].iterdir())
