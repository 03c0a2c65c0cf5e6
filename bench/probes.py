"""What is done in a round, one by one: each probe takes one reading, of ours or of a yardstick."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import Final

import msgspec
from msgspec import Struct

from bench import fairness, pgbench, working
from bench.client import Plan, Report
from bench.editing import edit
from bench.fetching import Wanted
from bench.site import ROOT, Failed, Server, Site, environment, load

WRITE_WARM_S: Final = 1.0
READ_WARM_S: Final = 0.25
READ_TURNS: Final = 4
READ_SHARE: Final = 1 / 3
"""How much of a write's reading time each turn of a read gets."""
READING_LEAST_S: Final = 0.3
"""Answers come in waves of 64 at a time: less than this may see none of the slowest."""
SERVICES_CONNECTIONS: Final = 8
STEADY_SHARE: Final = 1 / 4
"""Of the top rate: the adds that come in while a service is edited."""
SENDING_LEAST_S: Final = 2.0
"""Answers come in waves of an upstream's 0.2 s: less than this counts waves, not orders."""
FAIRNESS_SHARE: Final = 7
"""Times a write's reading time: each ask comes once a second, and a percentile wants many."""
SYNCS: Final = 500
SYNCED_BYTES: Final = 8192
EMPTY: Final = "bench_empty"
"""The database as it was before any order; a copy of it is made for each reading."""
_COPY: Final = "bench_copy"


class Reading(Struct, frozen=True):
    """One value (the measures say of what), and what else was seen on the way."""

    value: float
    detail: dict[str, float] = {}


def mean(readings: Sequence[Reading]) -> Reading:
    details = [reading.detail for reading in readings]
    return Reading(
        fmean(reading.value for reading in readings),
        {name: fmean(detail[name] for detail in details) for name in details[0]},
    )


class Round(Struct):
    """One round: ``seconds`` is how long a reading takes; ``taken`` are the readings so far."""

    site: Site
    number: int
    seconds: float
    taken: dict[str, Reading]

    def plan(self, server: Server, kind: str) -> Plan:
        """A load of 64 connections. Each round's requests differ, those of its two sides do not."""
        writes = kind.startswith("add")
        seconds = max(READING_LEAST_S, self.seconds * (1 if writes else READ_SHARE))
        return Plan(
            port=server.port,
            kind=kind,
            world=self.site.world,
            seed=self.number,
            seconds=seconds,
            warm_s=min(seconds, WRITE_WARM_S if writes else READ_WARM_S),
            watched={"api": [server.pid], "postgres": self.site.backends()},
        )

    def share_of_top(self, share: float, top: str = "add") -> float:
        """So much of what probe ``top`` reached in this round, in orders a second."""
        return self.taken[top].value * share


Probe = Callable[[Round], Reading]


def throughput(report: Report) -> Reading:
    detail = {"p50_ms": report.p50_ms, "p99_ms": report.p99_ms, "max_ms": report.max_ms}
    per_ask = {f"{name}_us": used / report.asked * 1e6 for name, used in report.cpu_s.items()}
    return Reading(report.rate, {**detail, **per_ask})


def _ours(kind: str) -> Probe:
    return lambda now: throughput(load(now.plan(now.site.api(), kind)))


def _add(kind: str) -> Probe:
    def probe(now: Round) -> Reading:
        server, wal, transactions = now.site.api(), now.site.wal_bytes(), now.site.transactions()
        report = load(now.plan(server, kind))
        reading = throughput(report)
        reading.detail["wal_bytes"] = (now.site.wal_bytes() - wal) / report.asked
        reading.detail["orders_each"] = report.asked / (now.site.transactions() - transactions)
        return reading

    return probe


def _bare(kind: str) -> Probe:
    return lambda now: throughput(load(now.plan(now.site.bare(kind), kind)))


def _price_list(*, bare: bool, gzip: bool) -> Probe:
    def probe(now: Round) -> Reading:
        server = now.site.bare("services", gzip=gzip) if bare else now.site.api()
        plan = now.plan(server, "services")
        return throughput(load(msgspec.structs.replace(plan, connections=SERVICES_CONNECTIONS, gzip=gzip)))

    return probe


def _pgbench(*, one: bool) -> Probe:
    def probe(now: Round) -> Reading:
        customers = 1 if one else len(now.site.world.keys)
        before = now.site.wal_bytes()
        done = pgbench.run(now.site, customers, now.seconds)
        wal = (now.site.wal_bytes() - before) / done.count
        return Reading(done.rate, {"mean_ms": done.mean_ms, "wal_bytes": wal})

    return probe


def _pgbench_paced(now: Round) -> Reading:
    """pgbench's own 99th percentile in ms at half its top rate, from the moment each order was due."""
    done = pgbench.run_at(now.site, len(now.site.world.keys), now.seconds, now.share_of_top(1 / 2, "pgbench"))
    return Reading(done.p99_ms, msgspec.structs.asdict(done))


def _add_empty(now: Round) -> Reading:
    """The same load on a database that has the price list and the customers, and no order yet."""
    now.site.copy(_COPY, EMPTY)
    server = now.site.api(_COPY)
    now.site.checkpoint()
    try:
        return throughput(load(now.plan(server, "add")))
    finally:
        now.site.stop(_COPY)


def _open_loop(server: Callable[[Site], Server], top: str = "add") -> Probe:
    """The 99th percentile in ms at half the rate that probe ``top`` reached, from the moment each ask was due."""

    def probe(now: Round) -> Reading:
        plan = now.plan(server(now.site), "add")
        report = load(msgspec.structs.replace(plan, rate=now.share_of_top(1 / 2, top)))
        detail = {
            "rate": report.rate,
            "p50_ms": report.p50_ms,
            "p99_ms": report.p99_ms,
            "p999_ms": report.p999_ms,
            "max_ms": report.max_ms,
            "late_p99_ms": report.late_p99_ms,
            "client_us": report.cpu_s["client"] / report.asked * 1e6,
        }
        return Reading(report.p99_ms, detail)

    return probe


def _fsync(now: Round) -> Reading:
    """The median time in ms to write a page of PostgreSQL in the data folder and have the disk keep it."""
    path = now.site.config.data / "synced"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(handle, bytes(SYNCED_BYTES * 64))
        os.fsync(handle)
        return Reading(median(_synced_ms(handle, number) for number in range(SYNCS)))
    finally:
        os.close(handle)
        path.unlink()


def _synced_ms(handle: int, number: int) -> float:
    began = time.perf_counter()
    os.pwrite(handle, number.to_bytes(4) * (SYNCED_BYTES // 4), number % 64 * SYNCED_BYTES)
    os.fdatasync(handle)
    return (time.perf_counter() - began) * 1000


def _fetching(now: Round) -> Reading:
    world = now.site.world
    wanted = Wanted(now.site.urls().app, world.orders, len(world.keys), now.number, now.seconds * READ_SHARE)
    done = subprocess.run(
        [sys.executable, "-m", "bench.fetching"],
        cwd=ROOT,
        input=msgspec.json.encode(wanted),
        stdout=subprocess.PIPE,
        env=environment(),
        check=False,
    )
    if done.returncode:
        raise Failed("fetching rows with psycopg failed")
    return Reading(float(done.stdout))


def _edit(now: Round) -> Reading:
    plan = now.plan(now.site.api(), "add")
    found = edit(now.site, msgspec.structs.replace(plan, rate=now.share_of_top(STEADY_SHARE)))
    return Reading(found.answered_ms, msgspec.structs.asdict(found))


def _edit_adds(now: Round) -> Reading:
    """The longest any add took that was under way during an edit, in ms."""
    return Reading(now.taken["edit"].detail["adds_during_max_ms"])


def _fair_crowded(now: Round) -> Reading:
    """The 99th percentile in ms of one customer's asks while another sends the dearest there are."""
    found = fairness.measure(now.site, _COPY, EMPTY, now.seconds * FAIRNESS_SHARE)
    detail = {"alone_ms": found.quiet_ms, "dear": found.dear_answers, "dear_503": found.dear_unavailable}
    return Reading(found.crowded_ms, detail)


def _fair_quiet(now: Round) -> Reading:
    return Reading(now.taken["fair-crowded"].detail["alone_ms"])


def _dispatch(now: Round) -> Reading:
    return _sending(working.send(now.site, EMPTY, max(now.seconds, SENDING_LEAST_S)))


def _caller(now: Round) -> Reading:
    return _sending(working.call(max(now.seconds, SENDING_LEAST_S)))


def _sending(done: working.Sent) -> Reading:
    return Reading(done.rate, done.detail)


class Group(Struct, frozen=True):
    """Probes that are compared, and how many times they take turns in a round; the reading is the turns' mean."""

    probes: Mapping[str, Probe]
    turns: int = 1


GROUPS: Final = (
    Group({"add": _add("add"), "pgbench": _pgbench(one=False), "add-empty": _add_empty}),
    Group({"add-one": _add("add-one"), "pgbench-one": _pgbench(one=True)}),
    Group({"p99-paced": _open_loop(lambda site: site.api(), "pgbench"), "p99-pgbench": _pgbench_paced}),
    Group(
        {
            "p99-add": _open_loop(lambda site: site.api()),
            "p99-bare": _open_loop(lambda site: site.bare("add")),
            "fsync": _fsync,
        }
    ),
    Group({"edit": _edit, "edit-adds": _edit_adds}),
    Group({"fair-crowded": _fair_crowded, "fair-quiet": _fair_quiet}),
    Group({"dispatch": _dispatch, "caller": _caller}),
    Group({"status": _ours("status"), "bare-status": _bare("status")}, READ_TURNS),
    Group({"balance": _ours("balance"), "bare-balance": _bare("balance")}, READ_TURNS),
    Group({"statuses": _ours("statuses"), "fetching": _fetching}, READ_TURNS),
    Group(
        {
            "services": _price_list(bare=False, gzip=False),
            "bare-services": _price_list(bare=True, gzip=False),
        },
        READ_TURNS,
    ),
    Group(
        {
            "services-gzip": _price_list(bare=False, gzip=True),
            "bare-services-gzip": _price_list(bare=True, gzip=True),
        },
        READ_TURNS,
    ),
)
"""In the order in which a round takes them: what is compared stands side by side."""

RESTED: Final = frozenset(
    ("add", "pgbench", "add-one", "pgbench-one", "p99-paced", "p99-pgbench", "p99-add", "edit", "status")
)
"""Probes that autovacuum would otherwise come to disturb, after so much was written."""
NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "p99-paced": ("pgbench",),
    "p99-pgbench": ("pgbench",),
    "p99-add": ("add",),
    "p99-bare": ("add",),
    "edit": ("add",),
    "edit-adds": ("add", "edit"),
    "fair-quiet": ("fair-crowded",),
}
