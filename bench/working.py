"""A worker at work, as `opensmm worker` runs it: how much it sends, and what following open orders costs it."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct, structs
from tests.panel import acting

from bench import books, loading, opening, proc
from bench.caller import Calls
from bench.site import Child, Failed, Server, Site
from bench.upstream import COUNT
from opensmm.actions import providers
from opensmm.actions.provider_health import LATE
from opensmm.base.ids import ProviderId
from opensmm.domain.provider_settings import ProviderSettings
from opensmm.store import call_faults, price_sync
from opensmm.store.connection import connect

CONCURRENCY: Final = 400
"""Calls at a time, on both sides: twice as many as a thousand a second need where each takes 0.2 s."""
MOST_A_SECOND: Final = 4000
"""So many orders wait to be sent for each second of a reading: none of them may run short."""
WARM_S: Final = 2.0
KEY: Final = "bench-key-of-the-upstream"
LINK: Final = "https://www.instagram.com/p/0123456789ab/"
WORKED: Final = "bench_worked"
"""A copy of the database as it was before any order, made for each reading."""
YOUNG_FOR: Final = timedelta(hours=1)
"""An order sent within this is young."""


class Sent(Struct, frozen=True):
    """``rate`` a second, as the upstream counted its answers; µs are processor time an order."""

    rate: float
    detail: dict[str, float]


class Followed(Struct, frozen=True):
    """``cores``: of the worker's process. Ages at the end, of the newest answer known of each order."""

    cores: float
    oldest_s: float
    young_s: float
    detail: dict[str, float]


class _Counted(Struct, frozen=True):
    answered: int
    asked: int
    calls: int
    at_ns: int


@contextmanager
def _upstream() -> Iterator[Server]:
    server = Server(["-m", "bench.upstream", "FD"])
    try:
        server.wait(COUNT)
        yield server
    finally:
        server.stop()


def _url(upstream: Server) -> str:
    return f"http://127.0.0.1:{upstream.port}/api/v2"


@contextmanager
def _worker(site: Site) -> Iterator[Child]:
    database = {"DATABASE_URL": site.urls(WORKED).app, "OPENSMM_PRIVATE_PROVIDERS": "1"}
    child = Child(["-m", "opensmm", "worker", "--data", str(site.config.data)], database)
    try:
        yield child
    finally:
        child.stop()


def _fresh(site: Site, template: str, url: str) -> ProviderId:
    """A database without orders, all of whose services are fulfilled at ``url``."""

    async def add() -> ProviderId:
        wanted = ProviderSettings(name="Upstream", url=url, dialect="v2", concurrency=CONCURRENCY)
        connection = await connect(site.urls(WORKED).app, application="opensmm bench")
        try:
            pepper, now = site.config.pepper(), datetime.now(UTC)
            added = await providers.add_provider(connection, wanted, KEY, pepper, private=True, by=acting(now, "bench"))
            # The upstream has no price list to follow.
            terms = await price_sync.read_terms(connection, added.id)
            await price_sync.write_terms(connection, added.id, structs.replace(terms, sync_every_min=0))
            return added.id
        finally:
            await connection.close()

    site.copy(WORKED, template)
    provider = asyncio.run(add())
    opening.route(site, WORKED, provider)
    return provider


def _count(upstream: Server) -> _Counted:
    return msgspec.json.decode(upstream.ask(COUNT).body, type=_Counted)


def _rate(upstream: Server, seconds: float) -> tuple[float, int]:
    """Purchases a second that were answered while the time passed, and how many these were."""
    before = _count(upstream)
    time.sleep(seconds)
    after = _count(upstream)
    answered = after.answered - before.answered
    return answered / (after.at_ns - before.at_ns) * 1e9, answered


def send(site: Site, template: str, seconds: float) -> Sent:
    """What one worker hands to one provider, while more orders are due than it can send."""
    with _upstream() as upstream:
        _fresh(site, template, _url(upstream))
        opening.queued(site, WORKED, 1, round((WARM_S + seconds) * MOST_A_SECOND), timedelta())
        loading.tidy(site, WORKED)
        site.checkpoint()
        with _worker(site) as worker:
            _wait_for_the_first(upstream)
            time.sleep(WARM_S)
            before = _used_s(site, worker, upstream)
            rate, answered = _rate(upstream, seconds)
            used = {name: used_s - before[name] for name, used_s in _used_s(site, worker, upstream).items()}
        _prove(site, _count(upstream).answered)
    return Sent(rate, {f"{name}_us": used_s / max(1, answered) * 1e6 for name, used_s in used.items()})


def call(seconds: float) -> Sent:
    """What the HTTP client alone gets from the same upstream with as many calls at a time."""
    with _upstream() as upstream:
        caller = Child(["-m", "bench.caller"], said=msgspec.json.encode(Calls(_url(upstream), KEY, LINK, CONCURRENCY)))
        try:
            _wait_for_the_first(upstream)
            time.sleep(WARM_S)
            before = proc.cpu_s([caller.pid])
            rate, answered = _rate(upstream, seconds)
            used = proc.cpu_s([caller.pid]) - before
        finally:
            caller.stop()
    return Sent(rate, {"client_us": used / max(1, answered) * 1e6})


def _used_s(site: Site, worker: Child, upstream: Server) -> dict[str, float]:
    """Processor time of each so far."""
    postgres = proc.family_s(site.embedded.pid())
    return {"worker": proc.cpu_s([worker.pid]), "upstream": proc.cpu_s([upstream.pid]), "postgres": postgres}


def _wait_for_the_first(upstream: Server, within_s: float = 30.0) -> None:
    until = time.monotonic() + within_s
    while not _count(upstream).answered:
        if time.monotonic() > until:
            raise Failed("nothing reached the upstream")
        time.sleep(0.02)


_OUTCOMES: Final = """
select count(*) filter (where outcome = 'accepted'), count(*) filter (where outcome <> 'accepted' and answer <> %s),
       (select count(*) from delivery where state = 'queued') from attempt
"""


def _prove(site: Site, answered: int) -> None:
    """What the upstream sold is what was kept as bought, once each, and there was always more to send. What waited for
    its turn when the worker was stopped was not sent."""
    with site.superuser(WORKED) as connection:
        row = connection.execute(_OUTCOMES, [call_faults.encode(LATE.answer)]).fetchone()
    assert row is not None
    accepted, others, left = row
    if (accepted, others) != (answered, 0):
        raise Failed(f"the upstream sold {answered} orders, and {accepted} are kept as bought, {others} otherwise")
    if not left:
        raise Failed("there were not enough orders to send")
    books.prove(site, WORKED)


_AGES: Final = """
select extract(epoch from max(now() - coalesce(polled, sent))),
       extract(epoch from max(now() - coalesce(polled, sent)) filter (where sent > now() - %s))
from delivery where state in ('pending', 'processing', 'in_progress')
"""


def follow(site: Site, template: str, count: int, seconds: float) -> Followed:
    """What following ``count`` open orders costs in steady state: new ones come in as the young grow older."""
    every = opening.YOUNG_FOR / (count * opening.YOUNG)
    with _upstream() as upstream:
        provider = _fresh(site, template, _url(upstream))
        coming = round((WARM_S + seconds) * 2 / every.total_seconds()) + 1
        opening.followed(site, WORKED, provider, count)
        opening.queued(site, WORKED, count + 1, coming, every)
        loading.tidy(site, WORKED)
        site.checkpoint()
        with _worker(site) as worker:
            _wait_for_the_first(upstream)
            time.sleep(WARM_S)
            began, counted = time.monotonic(), _count(upstream)
            before = _used_s(site, worker, upstream)
            time.sleep(seconds)
            took, counts = time.monotonic() - began, _count(upstream)
            cores = {name: (used_s - before[name]) / took for name, used_s in _used_s(site, worker, upstream).items()}
            with site.superuser(WORKED) as connection:
                row = connection.execute(_AGES, [YOUNG_FOR]).fetchone()
        books.prove(site, WORKED)
    assert row is not None
    asked, calls = (counts.asked - counted.asked) / took, (counts.calls - counted.calls) / took
    detail = {"postgres_cores": cores["postgres"], "asked_s": asked, "ids_a_call": asked / calls}
    return Followed(cores["worker"], float(row[0]), float(row[1]), detail)
