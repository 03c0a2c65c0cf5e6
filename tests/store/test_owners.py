"""Data folders that were copied without their owners."""

import os
import pwd
import subprocess
from pathlib import Path

import psycopg
import pytest
from tests.data_folders import SMALL, as_root, ask, in_a_process_of, mode

from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured
from opensmm.store import os_users
from opensmm.store.embedded import EmbeddedPostgres
from opensmm.texts.speech import ENGLISH


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in (folder, *folder.rglob("*"))}


def leave_data(data: Path) -> None:
    """Leaves a data folder behind, with a table in it."""
    embedded = EmbeddedPostgres(data, SMALL)
    with psycopg.connect(embedded.start().owner) as conn:
        conn.execute("create table kept as select 42 as value")
    embedded.stop()


def read_again(data: Path) -> int:
    """Starts the server of a data folder and reads the table; returns the user that it runs as."""
    embedded = EmbeddedPostgres(data, SMALL)
    assert (42,) == ask(embedded.start().owner, "select value from kept")
    uid = Path(f"/proc/{embedded.pid()}").stat().st_uid
    embedded.stop()
    return uid


def own(folder: Path, uid: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)


@as_root
@pytest.mark.parametrize("in_the_open", [False, True])
def test_a_data_folder_that_root_copied_without_owners_works(data, open_folder, in_the_open):
    leave_data(data)
    copy = (open_folder if in_the_open else data.parent) / "copy"
    open_folder.chmod(0o755)
    subprocess.run(["cp", "-r", str(data), str(copy)], check=True)
    assert {0} == owners(copy)
    user = os_users.server_user(copy / "postgres")
    assert (user.pw_uid, {user.pw_uid}) == (read_again(copy), owners(copy / "postgres"))
    assert (0o700, 0) == (mode(copy / "postgres"), (copy / "passwords").stat().st_uid)
    assert user.pw_uid == read_again(copy)


@as_root
@pytest.mark.parametrize("uid", [54321, pwd.getpwnam("nobody").pw_uid])
def test_the_number_of_another_machine_is_nobody_here(data, uid):
    leave_data(data)
    own(data / "postgres", uid)
    ordinary = os_users.server_user(data / "nothing").pw_uid
    assert (ordinary, {ordinary}) == (read_again(data), owners(data / "postgres"))


@as_root
@pytest.mark.parametrize("oddity", ["another owner", "a file that lies elsewhere too"])
def test_a_folder_that_holds_more_than_a_copy_would_is_left_as_it_is(data, tmp_path, oddity):
    leave_data(data)
    own(data / "postgres", 0)
    odd = data / "postgres" / "odd"
    if oddity == "another owner":
        odd.touch()
        os.chown(odd, 54321, 54321)
    else:
        (tmp_path / "elsewhere").touch()
        odd.hardlink_to(tmp_path / "elsewhere")
    before = owners(data / "postgres")
    with pytest.raises(Misconfigured) as refused:
        EmbeddedPostgres(data, SMALL).start()
    fields = refused.value.fields
    assert (SetupCode.CLUSTER_HOLDS_MORE, str(odd)) == (refused.value.code, fields["place"])
    assert f"`chown -R {fields['user']}: {data}/postgres`" in ENGLISH.fault(refused.value)
    assert before == owners(data / "postgres")


@as_root
def test_a_plain_user_is_told_the_command_that_makes_a_copied_folder_his(data, open_folder):
    leave_data(data)
    copy = open_folder / "my copy"
    open_folder.chmod(0o755)
    subprocess.run(["cp", "-r", str(data), str(copy)], check=True)
    plain = pwd.getpwnam("nobody")

    def work() -> None:
        with pytest.raises(Misconfigured) as refused:
            EmbeddedPostgres(copy, SMALL).start()
        assert f"`sudo chown -R nobody: '{copy}'`" in ENGLISH.fault(refused.value)

    assert 0 == in_a_process_of(plain, work)
    own(copy, plain.pw_uid)
    assert 0 == in_a_process_of(plain, lambda: read_again(copy))


@as_root
def test_a_user_without_a_name_is_told_so(open_folder):
    open_folder.chmod(0o777)
    nameless = pwd.struct_passwd(("", "", 54321, 54321, "", "/", ""))

    def work() -> None:
        with pytest.raises(Misconfigured, match=f"{SetupCode.USER_WITHOUT_NAME} uid=54321"):
            EmbeddedPostgres(open_folder / "data", SMALL).start()

    assert 0 == in_a_process_of(nameless, work)
