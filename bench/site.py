"""The place of a run: a fresh data folder with its PostgreSQL in production settings, and the processes on top."""

import base64
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, LiteralString, Self

import msgspec
import psycopg
from msgspec import Struct

from bench import proc
from bench.asks import LEAST_QUANTITY, PATH, World
from bench.bare import Constant
from bench.client import Plan, Report
from opensmm.config import Config
from opensmm.runtime.database import bring_up_to_date
from opensmm.runtime.serving import listen
from opensmm.store import postgres_install
from opensmm.store.embedded import APP, DATABASE, OWNER, DatabaseUrls, EmbeddedPostgres

ROOT: Final = Path(__file__).parents[1]
ANSWERS_WITHIN_S: Final = 60.0
ONE_ANSWER_WITHIN_S: Final = 10.0
ENDS_WITHIN_S: Final = 10.0
_NOT_OURS: Final = ("DATABASE_URL", "DATABASE_ADMIN_URL", "OPENSMM_PEPPER", "OPENSMM_DATA", "OPENSMM_TRUSTED_PROXIES")


class Failed(Exception):
    """A measurement that cannot count; the text says why."""


class Answer(Struct, frozen=True):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Child:
    """A process of ours. Should this one die, the kernel closes the pipe that is the other's leash, and it leaves."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str] | None = None,
        said: bytes = b"",
        sockets: Sequence[int] = (),
        *,
        silent: bool = False,
    ) -> None:
        leash, self._leash = os.pipe()
        self._child = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**environment(), **(environ or {}), "OPENSMM_LEASH": str(leash)},
            pass_fds=[*sockets, leash],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if silent else None,
        )
        os.close(leash)
        assert self._child.stdin is not None
        self._child.stdin.write(said)
        self._child.stdin.close()

    @property
    def pid(self) -> int:
        return self._child.pid

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def stop(self) -> None:
        self._child.terminate()
        try:
            self._child.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        os.close(self._leash)


class Server(Child):
    """A process that serves on a port of its own, whose socket it knows by the word FD of its command."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None, said: bytes = b"") -> None:
        listening = listen("127.0.0.1", 0)
        self.port = int(listening.getsockname()[1])
        number = str(listening.fileno())
        words = [number if word == "FD" else word for word in command]
        super().__init__(words, environ, said, [listening.fileno()])
        listening.close()

    def ask(self, form: bytes, *, gzip: bool = False) -> Answer:
        """One answer; raises OSError where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ONE_ANSWER_WITHIN_S)
        headers = {"Content-Type": "application/x-www-form-urlencoded", **({"Accept-Encoding": "gzip"} if gzip else {})}
        try:
            connection.request("POST", PATH, form, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def wait(self, form: bytes) -> None:
        """Waits until it answers an ask without an error."""
        until = time.monotonic() + ANSWERS_WITHIN_S
        while time.monotonic() < until:
            if self._child.poll() is not None:
                raise Failed(f"a server ended by itself, exit code {self._child.returncode}")
            try:
                answer = self.ask(form)
                if answer.status == http.HTTPStatus.OK and not answer.body.startswith(b'{"error"'):
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise Failed(f"a server did not answer within {ANSWERS_WITHIN_S:.0f} s")


def environment() -> dict[str, str]:
    """Ours, without what would point a process at another database."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_OURS}


class Site:
    """A data folder, its PostgreSQL while the block runs, and the servers started on it."""

    def __init__(self, data: Path) -> None:
        self.config = Config(data=data)
        self.embedded = EmbeddedPostgres(data)
        self.world = World((), (), 0)
        self.servers: dict[str, Server] = {}

    def __enter__(self) -> Self:
        urls = self.embedded.start()
        bring_up_to_date(urls)
        return self

    def __exit__(self, *_: object) -> None:
        self.halt()

    def halt(self) -> None:
        """Stops every server and then PostgreSQL."""
        for server in self.servers.values():
            server.stop()
        self.servers.clear()
        self.embedded.stop()

    def urls(self, database: str = DATABASE) -> DatabaseUrls:
        return DatabaseUrls(app=self.embedded.url(APP, database), owner=self.embedded.url(OWNER, database))

    def superuser(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.embedded.url(postgres_install.SUPERUSER, database), autocommit=True)

    def checkpoint(self) -> None:
        with self.superuser() as connection:
            connection.execute("checkpoint")

    def copy(self, database: str, template: str) -> None:
        """A fresh database made from another that nobody uses."""
        with self.superuser() as connection:
            connection.execute(f"drop database if exists {database} with (force)")
            connection.execute(f"create database {database} owner {OWNER} template {template} strategy file_copy")

    def api(self, database: str = DATABASE) -> Server:
        """One API process as `opensmm api` runs it; started at the first call, the same one afterwards."""
        name = f"api {database}"
        if name not in self.servers:
            external = {} if database == DATABASE else {"DATABASE_URL": self.embedded.url(APP, database)}
            server = Server(["-m", "opensmm", "api", "--fd", "FD", "--data", str(self.config.data)], external)
            self.servers[name] = server
            server.wait(self.form("balance"))
        return self.servers[name]

    def stop(self, database: str) -> None:
        self.servers.pop(f"api {database}").stop()

    def bare(self, action: str, *, gzip: bool = False) -> Server:
        """The constant callable, answering what our API answers to this action."""
        name = f"bare {action} {gzip}"
        if name not in self.servers:
            answer = self.api().ask(self.form(action), gzip=gzip)
            constant = Constant(answer.headers, base64.b64encode(answer.body).decode())
            server = Server(["-m", "bench.bare", "FD"], said=msgspec.json.encode(constant))
            self.servers[name] = server
            server.wait(b"")
        return self.servers[name]

    def form(self, action: str) -> bytes:
        """The form of a simple ask of the last customer, whose order it is where one is asked after."""
        customers, service = len(self.world.keys), self.world.services[0]
        more = {
            "status": f"&order={customers - 1 or 1}",
            "add": f"&service={service}&link=https://www.example.com/p/0123456789ab/&quantity={LEAST_QUANTITY}",
        }
        return f"key={self.world.keys[-1]}&action={action}{more.get(action, '')}".encode()

    def wal_bytes(self) -> int:
        """How far the write-ahead log has come."""
        return self._number("select pg_current_wal_insert_lsn() - '0/0'")

    def transactions(self) -> int:
        """How many transactions have written something."""
        return self._number("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")

    def _number(self, query: LiteralString) -> int:
        with self.superuser() as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def backends(self) -> list[int]:
        pid = self.embedded.pid()
        return [] if pid is None else proc.children(pid)


def load(plan: Plan) -> Report:
    """Runs the load in a process of its own; raises Failed where an answer was an error."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.client"],
        cwd=ROOT,
        input=msgspec.json.encode(plan),
        stdout=subprocess.PIPE,
        env=environment(),
        check=False,
    )
    if done.returncode:
        raise Failed(f"the load of {plan.kind} broke off")
    report = msgspec.json.decode(done.stdout, type=Report)
    if report.errors:
        raise Failed(f"{report.errors} answers to {plan.kind} were errors; the first: {report.first_error}")
    return report
