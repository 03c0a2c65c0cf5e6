"""Root is given up: API, worker and sandbox that root has started work as an ordinary user, in folders closed to it."""

import contextlib
import importlib.util
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
from structlog.testing import capture_logs
from tests.data_folders import as_root
from tests.faults.processes import answers, children, environ, free_port, opensmm, running
from tests.panel import HANG_S, PEPPER

from opensmm.config import Config
from opensmm.runtime import preloading, privileges
from opensmm.runtime import serving as runtime_serving
from opensmm.runtime.serving import NO_METRICS
from opensmm.store import os_users
from opensmm.store.embedded import EmbeddedPostgres

T = TypeVar("T")
SPEAKERS = {"api", "worker", "sandbox"}
FATES = {"me": "Completed", "partial-40": "Partial", "canceled": "Canceled"}
WITNESS = """
import os, sys
heard = os.open(os.environ["HEARD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
def hear(event, args):
    if event == "import" or event == "open" and isinstance(args[0], str) and args[0].startswith("/"):
        if os.geteuid() != 0:
            os.write(heard, f"{os.getpid()} {event} {args[0]}\\n".encode())
sys.addaudithook(hear)
"""
"""Notes what a process imports and opens once it is not root any more."""
STILL_ROOT = "this process goes on as root: start the panel as an ordinary user"


def wait_until(holds: Callable[[], T]) -> T:
    limit = time.monotonic() + HANG_S
    while not (seen := holds()):
        assert time.monotonic() < limit, "it hangs"
        time.sleep(0.05)
    return seen


def rights(pid: int) -> tuple[list[str], list[str], list[str], str]:
    """A process's users, groups, further groups and capabilities."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {name: words.split() for name, _, words in (line.partition(":") for line in lines)}
    return fields["Uid"], fields["Gid"], fields["Groups"], fields["CapEff"][0]


def rights_of(user) -> tuple[list[str], list[str], list[str], str]:
    return [str(user.pw_uid)] * 4, [str(user.pw_gid)] * 4, [], "0" * 16


def lowered(panel, user) -> dict[str, int]:
    """The panel's children once all of them are the user's and nothing more."""

    def all_are() -> dict[str, int]:
        assert panel.poll() is None
        pids = children(panel.pid)
        with contextlib.suppress(FileNotFoundError):
            if set(pids) == SPEAKERS and all(rights(pid) == rights_of(user) for pid in pids.values()):
                return pids
        return {}

    return wait_until(all_are)


def call(url, **form):
    with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=HANG_S) as reply:
        return json.load(reply)


def seen(url) -> int:
    try:
        with urllib.request.urlopen(url, timeout=HANG_S) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def low_port() -> int:
    """A free port that root alone may listen on."""
    for port in random.sample(range(512, 1024), 512):  # another run may look for one at the same moment
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("all of them are taken")


@contextlib.contextmanager
def demonstrated(data: Path, **more: str):
    command = [sys.executable, "-m", "opensmm", "demo", "--json", "--speed", "20", "--port", str(low_port())]
    with (
        (data.parent / "errors").open("ab") as errors,
        subprocess.Popen(
            [*command, "--data", str(data)], env=environ() | more, stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):
        try:
            assert process.stdout is not None
            answer = json.loads(process.stdout.readline())
            assert "url" in answer, answer
            yield process, answer
        finally:
            process.terminate()
            process.wait(HANG_S)


def place(run_json, fate: str, action: str = "add") -> int:
    form = {"service": 1, "link": f"https://example.com/{fate}", "quantity": 100}
    return int(call(run_json["api_v2"], key=run_json["key"], action=action, **form)["order"])


def becomes(run_json, order: int, status: str) -> None:
    wait_until(lambda: call(run_json["api_v2"], key=run_json["key"], action="status", order=order)["status"] == status)


@pytest.fixture
def private(tmp_path):
    """A folder of root's alone, and in it a module that every process of ours loads."""
    (tmp_path / "sitecustomize.py").write_text(WITNESS)
    tmp_path.chmod(0o700)
    return tmp_path


def visit_everything(run_json) -> None:
    """Calls each action in both dialects, and looks at each page."""
    orders = {place(run_json, fate): status for fate, status in FATES.items()}
    for order, status in orders.items():
        becomes(run_json, order, status)
    for url in (run_json["api_v1"], run_json["api_v2"]):
        for action in ("services", "balance", "orders", "nonsense"):
            call(url, key=run_json["key"], action=action)
        for action in ("status", "refill", "refill_status", "cancel"):
            call(url, key=run_json["key"], action=action, order=next(iter(orders)), refill=1, orders="1,2,x")
        call(url, key="nobody's", action="balance")
    pages = ("/", "/v1", "/static/opensmm.css", "/healthz", "/nowhere")
    assert [200, 200, 200, 200, 404] == [seen(run_json["url"] + page) for page in pages]


@as_root
def test_a_demo_of_roots_in_a_private_folder_works_without_root(private):
    """Nothing is imported or read any more once root is given up: the user could not."""
    data, heard = private / "data", private / "heard"
    with demonstrated(data, PYTHONPATH=str(private), HEARD=str(heard)) as (panel, printed):
        user = os_users.server_user(data / "postgres")
        assert user.pw_uid != 0
        processes = lowered(panel, user)
        visit_everything(printed)
        own = {str(pid) for pid in processes.values()}
        assert set(processes.values()) == set(lowered(panel, user).values()), "one of them has died"
        assert [] == [
            path.name for path in data.iterdir() if path.name != "postgres" and path.lstat().st_uid == user.pw_uid
        ]
    assert "goes on as root" not in (private / "errors").read_text()
    lines = [line.split(" ", 2) for line in heard.read_text().splitlines()]
    named = {(event, name) for pid, event, name in lines if pid in own}
    late = [name for event, name in sorted(named) if event == "import" and _exists(name)]
    files = [name for event, name in sorted(named) if event == "open" and name.startswith(_code_folders())]
    assert ([], []) == (late, files)


def _exists(module: str) -> bool:
    with contextlib.suppress(ImportError, ValueError):
        return importlib.util.find_spec(module) is not None
    return False


def _code_folders() -> tuple[str, ...]:
    return sys.prefix, sys.base_prefix, str(Path(preloading.__file__).parents[1])


@as_root
def test_processes_started_again_have_no_root_either_and_orders_go_on(private):
    data = private / "data"
    with demonstrated(data) as (panel, printed):
        user = os_users.server_user(data / "postgres")
        before = lowered(panel, user)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not set(before.values()) & set(lowered(panel, user).values()))
        answers(int(printed["url"].rpartition(":")[2]))
        first = place(printed, "me")
        becomes(printed, first, "Completed")
        order = place(printed, "me")
        panel.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before.values()))
    with demonstrated(data) as (panel, printed):
        lowered(panel, user)
        becomes(printed, order, "Completed")
    assert EmbeddedPostgres(data).pid() is None


def test_an_api_by_itself_stops_the_database_at_its_end_without_root(private):
    """As root a process above it does, which holds the database."""
    data = private / "data"
    made = opensmm("customer", "add", "--name", "Ann", "--json", "--data", str(data))
    key, port = json.loads(made.stdout)["key"], free_port()
    with running("api", "--port", str(port), "--data", str(data)) as (process, printed):
        assert {"host": "127.0.0.1", "port": port} == printed
        api = next(iter(children(process.pid).values()), process.pid)
        assert rights_of(os_users.server_user(data / "postgres"))[0] == rights(api)[0]
        assert (api == process.pid) == (os.geteuid() != 0)
        assert "USD" == call(f"http://127.0.0.1:{port}/api/v2", key=key, action="balance")["currency"]
        process.terminate()
        assert 0 == process.wait(HANG_S)
    assert not Path(f"/proc/{api}").exists()
    assert EmbeddedPostgres(data).pid() is None


@as_root
def test_who_ends_with_an_error_below_root_ends_with_that_error(private):
    data = private / "data"
    assert 0 == opensmm("customer", "add", "--name", "Ann", "--data", str(data)).returncode
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = opensmm("api", "--port", str(port), "--data", str(data))
    assert (3, 1) == (done.returncode, done.stderr.count(f"port {port} is in use"))


def config_of(database, folder: Path) -> Config:
    return Config(data=folder, database_url=database.app_url, given_pepper=PEPPER.decode())


@as_root
def test_beside_another_database_the_user_is_our_own(database, private):
    target = privileges.choose_target_user(config_of(database, private), database.app_url)
    assert target is not None
    assert (os_users.DEDICATED_USER, True) == (target.user.pw_name, target.code_unreadable or _code_is_open())


def _code_is_open() -> bool:
    return os_users.run(["/bin/cat", os.__file__], os_users.panel_user(None), Path("/"))[0] == 0


@as_root
def test_a_database_that_the_user_does_not_reach_leaves_root_with_a_warning(database, private):
    """The socket's folder is reached through a folder that root alone may pass."""
    (private / "sockets").symlink_to(str(psycopg.conninfo.conninfo_to_dict(database.app_url)["host"]))
    url = psycopg.conninfo.make_conninfo(database.app_url, host=str(private / "sockets"))
    with capture_logs() as logged:
        assert privileges.choose_target_user(config_of(database, private), url) is None
    ((event, level, user, why),) = [
        (line["event"], line["log_level"], line["instead_of"], line["why"]) for line in logged
    ]
    assert (STILL_ROOT, "warning", os_users.DEDICATED_USER) == (event, level, user)
    assert "Permission denied" in why


@as_root
def test_a_database_that_answers_nobody_is_no_reason_to_stay_root(database, private):
    url = psycopg.conninfo.make_conninfo(database.app_url, host=str(private))
    with pytest.raises(psycopg.OperationalError):
        privileges.choose_target_user(config_of(database, private), url)


@as_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv here")
@pytest.mark.parametrize("lost", ["setuid", "setgid"])
def test_where_root_may_become_nobody_else_it_goes_on_and_says_so(database, private, lost):
    """As in a container without these capabilities, or with one user."""
    port, log = free_port(), private / "errors"
    limited = ["setpriv", f"--bounding-set=-{lost}"]
    verb = ["api", "--json", "--port", str(port), "--data", str(private)]
    command = [*limited, sys.executable, "-m", "opensmm", *verb]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, env=environ(database.app_url), stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        assert port == json.loads(process.stdout.readline())["port"]
        answers(port)
        assert ["0"] * 4 == rights(process.pid)[0]
        process.terminate()
        assert 0 == process.wait(HANG_S)
    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (STILL_ROOT, "warning") == (line["event"], line["level"])
    assert "not permitted" in line["why"]


class _Ended(Exception):
    pass


class _Observer(privileges.TargetUser):
    """A user that ends the worker, and reports if the HTTP client was loaded by then."""

    def drop_root(self, prepare=None, without=()):
        raise _Ended("opensmm.providers.egress" in sys.modules)


async def test_a_worker_reads_the_certificates_before_it_drops_root(database, tmp_path, monkeypatch):
    """The HTTP client reads them when it is imported, and their file may be root's."""
    monkeypatch.delitem(sys.modules, "opensmm.providers.egress", raising=False)
    target_user = _Observer(pwd.getpwuid(0), code_unreadable=False)
    with pytest.raises(_Ended) as ended:
        await runtime_serving._work(config_of(database, tmp_path), database.app_url, "", NO_METRICS, target_user)
    assert (True,) == ended.value.args


def test_who_is_not_root_stays_who_it_is(database, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert privileges.choose_target_user(config_of(database, tmp_path), "") is None


LATE = {
    "__init__": """
def later():
    from . import second
    from .inner.deep import VALUE
    return second, VALUE
""",
    "second": """
class Holder:
    def later(self):
        def still_later():
            import late_names.third as third
            return third
        return still_later
""",
    "third": """
def never():
    import nowhere_to_be_found
""",
    "inner/__init__": "",
    "inner/deep": """
VALUE = 1
def above():
    from .. import fourth
""",
    "fourth": "raise RuntimeError('not for this system')",
    "unnamed": "",
}


def test_what_functions_import_later_is_imported_now(tmp_path):
    for name, text in LATE.items():
        file = tmp_path / "late_names" / f"{name}.py"
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)
    program = (
        "import sys, late_names; from opensmm.runtime import preloading; preloading.import_the_rest();"
        "print(*sorted(name for name in sys.modules if name.startswith('late_names')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = ("", ".inner", ".inner.deep", ".second", ".third")
    assert [f"late_names{name}" for name in names] == done.stdout.split()
    assert "" == done.stderr
