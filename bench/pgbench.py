"""The yardstick of writes: PostgreSQL's own pgbench, one order per transaction, one statement per order."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from bench.asks import LEAST_QUANTITY, MOST_QUANTITY
from bench.client import percentile_ms
from bench.site import Failed, Site, environment
from opensmm.store import os_users, programs

CLIENTS: Final = 32
THREADS: Final = 2

# The rows and columns of store/placing.py; the charge fits the rate, so that the books stay provable.
_SCRIPT: Final = """
\\set customer random(1, {customers})
\\set service random(1, {services})
\\set quantity random({least}, {most})
\\set charge :quantity * 90
\\set link random(100000000000, 999999999999)
with paid as (
  update customer set balance = balance - :charge where id = :customer returning id
), kept as (
  insert into orders (customer_id, service_id, link, quantity, runs, interval_min, rate, packaged, charge, state,
                      created)
  select id, :service, 'https://www.instagram.com/p/' || :link || '/', :quantity, 1, 0, 0.90, false, :charge, 'open',
         now() from paid
  returning id, customer_id, service_id, quantity, charge, created
), delivered as (
  insert into delivery (order_id, run, service_id, quantity, due)
  select id, 1, service_id, quantity, created from kept
)
insert into transfer (debit, credit, amount, kind, customer_id, order_id, created)
select customer_id, -1, charge, 'charge', customer_id, id, created from kept;
"""
_SECOND: Final = re.compile(r"^progress: [0-9.]+ s, ([0-9.]+) tps, lat ([0-9.]+) ms", re.MULTILINE)
WARM_S: Final = 1
LONGEST_S: Final = 60
_TIME, _EPOCH, _LAG = 2, 4, 6
"""Columns of pgbench's log under ``--rate``: client, number, *time*, script, *seconds*, microseconds, *lag*."""
_DONE: Final = re.compile(r"^number of transactions actually processed: ([0-9]+)", re.MULTILINE)
_FAILURES: Final = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)


class Orders(Struct, frozen=True):
    """``count`` in all; ``rate`` a second and ``mean_ms``, the average latency, after the warm-up."""

    count: int
    rate: float
    mean_ms: float


class Paced(Struct, frozen=True):
    """Orders that came in at a rate of their own, after the warm-up: times count from the moment each was due, and
    ``late_p99_ms`` is the part of them that passed before a client was free to send it."""

    rate: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    late_p99_ms: float


def run(site: Site, customers: int, seconds: float) -> Orders:
    """As many orders as PostgreSQL takes in the time, in the app's role. The first second warms up, as ours does."""
    done = _ended(site, _command(site, customers, seconds))
    told = _SECOND.findall(done.stderr)[_warm_s(seconds) :]
    count, failures = _DONE.search(done.stdout), _FAILURES.search(done.stdout)
    if not done.returncode and count is not None and count[1] == "0" and seconds < LONGEST_S:
        return run(site, customers, 4 * max(1, seconds))  # a machine so busy that a second was too short for one order
    if done.returncode or not told or count is None or failures is None or failures[1] != "0":
        raise Failed(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return Orders(int(count[1]), fmean(float(rate) for rate, _ in told), fmean(float(mean) for _, mean in told))


def run_at(site: Site, customers: int, seconds: float, rate: float) -> Paced:
    """Orders at random moments (pgbench's Poisson schedule), ``rate`` a second, whatever is done by then.

    With ``--rate`` the time that pgbench logs of a transaction begins at the moment it was scheduled for.
    """
    with tempfile.TemporaryDirectory(dir=site.config.data) as folder:
        command = _command(site, customers, seconds)
        words = [f"--rate={rate:.3f}", "--log", f"--log-prefix={folder}/paced"]
        done = _ended(site, [*command, *words])
        lines = [line.split() for path in Path(folder).iterdir() for line in path.read_text().splitlines()]
    failures = _FAILURES.search(done.stdout)
    if done.returncode or failures is None or failures[1] != "0":
        raise Failed(f"pgbench failed:\n{done.stdout}{done.stderr}")
    orders = [(_due_us(words), int(words[_TIME]), int(words[_LAG])) for words in lines]
    begin = min((due for due, _, _ in orders), default=0) + _warm_s(seconds) * 1_000_000
    counted = [(took * 1000, late * 1000) for due, took, late in orders if due >= begin]
    if not counted and seconds < LONGEST_S:
        return run_at(site, customers, 4 * max(1, seconds), rate)  # too short for one order
    return _paced(counted, max(1, round(seconds)))


def _due_us(words: Sequence[str]) -> int:
    """The moment that a transaction of the log was scheduled for."""
    return int(words[_EPOCH]) * 1_000_000 + int(words[_EPOCH + 1]) - int(words[_TIME])


def _paced(orders: Sequence[tuple[int, int]], seconds: float) -> Paced:
    """Sums up (took, late) pairs in ns."""
    took, late = sorted(pair[0] for pair in orders), sorted(pair[1] for pair in orders)
    return Paced(
        rate=len(orders) / seconds,
        p50_ms=percentile_ms(took, 0.50),
        p99_ms=percentile_ms(took, 0.99),
        p999_ms=percentile_ms(took, 0.999),
        max_ms=percentile_ms(took, 1.0),
        late_p99_ms=percentile_ms(late, 0.99),
    )


def _ended(site: Site, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=_environment(site), capture_output=True, text=True, check=False)


def _warm_s(seconds: float) -> int:
    return WARM_S if seconds >= WARM_S else 0


def _command(site: Site, customers: int, seconds: float) -> list[str]:
    script = site.config.data / f"one-order-{customers}.sql"
    text = _SCRIPT.format(
        customers=customers, services=len(site.world.services), least=LEAST_QUANTITY, most=MOST_QUANTITY
    )
    script.write_text(text)
    program = programs.find_binaries(os_users.server_user(site.config.data / "postgres")) / "pgbench"
    words = ["--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--jobs={THREADS}"]
    length = max(1, round(seconds)) + _warm_s(seconds)
    return [str(program), *words, "--progress=1", f"--time={length}", f"--file={script}"]


def _environment(site: Site) -> dict[str, str]:
    named = conninfo_to_dict(site.urls().app)
    words = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    return {**environment(), **{word: str(named[name]) for word, name in words.items()}}
