"""The yardstick of writes: PostgreSQL's own pgbench, one order per transaction, one statement per order."""

import re
import subprocess
from pathlib import Path
from statistics import fmean
from typing import Final

from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from bench.asks import LEAST_QUANTITY, MOST_QUANTITY
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
_DONE: Final = re.compile(r"^number of transactions actually processed: ([0-9]+)", re.MULTILINE)
_FAILURES: Final = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)


class Orders(Struct, frozen=True):
    """``count`` in all; ``rate`` a second and ``mean_ms``, the average latency, after the warm-up."""

    count: int
    rate: float
    mean_ms: float


def run(site: Site, customers: int, seconds: float) -> Orders:
    """As many orders as PostgreSQL takes in the time, in the app's role. The first second warms up, as ours does."""
    script = site.config.data / f"one-order-{customers}.sql"
    text = _SCRIPT.format(
        customers=customers, services=len(site.world.services), least=LEAST_QUANTITY, most=MOST_QUANTITY
    )
    script.write_text(text)
    done = subprocess.run(
        _command(site, script, seconds), env=_environment(site), capture_output=True, text=True, check=False
    )
    told = _SECOND.findall(done.stderr)[_warm_s(seconds) :]
    count, failures = _DONE.search(done.stdout), _FAILURES.search(done.stdout)
    if not done.returncode and count is not None and count[1] == "0" and seconds < LONGEST_S:
        return run(site, customers, 4 * max(1, seconds))  # a machine so busy that a second was too short for one order
    if done.returncode or not told or count is None or failures is None or failures[1] != "0":
        raise Failed(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return Orders(int(count[1]), fmean(float(rate) for rate, _ in told), fmean(float(mean) for _, mean in told))


def _warm_s(seconds: float) -> int:
    return WARM_S if seconds >= WARM_S else 0


def _command(site: Site, script: Path, seconds: float) -> list[str]:
    program = programs.binaries(os_users.server_user(site.config.data / "postgres")) / "pgbench"
    words = ["--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--jobs={THREADS}"]
    length = max(1, round(seconds)) + _warm_s(seconds)
    return [str(program), *words, "--progress=1", f"--time={length}", f"--file={script}"]


def _environment(site: Site) -> dict[str, str]:
    named = conninfo_to_dict(site.urls().app)
    words = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    return {**environment(), **{word: str(named[name]) for word, name in words.items()}}
