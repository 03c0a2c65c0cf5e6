"""Health: the finding that each fact leads to, and its thresholds."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from opensmm.base.ids import ProviderId
from opensmm.domain.clocks import NewestStep, StepCause
from opensmm.domain.codes import FindingCode, ShutCode
from opensmm.domain.disk import disk
from opensmm.domain.findings import Finding, Level, worst
from opensmm.domain.monitoring import judge
from opensmm.domain.panel_facts import (
    COUNTED,
    DeliveriesAtProviders,
    NamedServices,
    NoticeCounts,
    PanelFacts,
    ProviderSeen,
    UnsoldServices,
    WaitingCount,
    WorkerSeen,
    shut_at_workers,
)
from opensmm.texts.speech import ENGLISH

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
WORKER = WorkerSeen("alpha", 7, NOW - timedelta(days=3), NOW - timedelta(seconds=2))
WELL = PanelFacts(
    workers=(WORKER,), providers=(ProviderSeen(ProviderId(1), "Sandbox", "sandbox"),), catalogue_version=4,
    database_bytes=5 << 20, oldest_transaction=NOW - timedelta(seconds=1), moving=DeliveriesAtProviders(12),
)  # fmt: skip


def ago(**age):
    return NOW - timedelta(**age)


def find(name, **changes):
    """The finding of that name; all of them can be put into words."""
    findings = judge(replace(WELL, **changes), NOW)
    assert all(ENGLISH.health_finding(finding)[0] for finding in findings)
    (finding,) = [finding for finding in findings if finding.name == name]
    return finding


def test_every_finding_of_a_healthy_panel_is_ok():
    findings = judge(WELL, NOW)
    assert Level.OK == worst(findings)
    none, waits = {"count": 0}, {"count": 0, "age": None}
    assert [
        Finding("workers", Level.OK, FindingCode.WORKERS_ALIVE, {"count": 1}),
        Finding("due", Level.OK, FindingCode.DUE, waits),
        Finding("forgotten", Level.OK, FindingCode.FORGOTTEN_ORDERS, none),
        Finding("unpolled", Level.OK, FindingCode.DELIVERIES_HEARD_OF, {"count": 12}),
        Finding("long", Level.OK, FindingCode.LONG_AT_PROVIDERS, {"limit": timedelta(days=3), **waits}),
        Finding("answers", Level.OK, FindingCode.ANSWERS_NOT_UNDERSTOOD, none),
        Finding("unsure", Level.OK, FindingCode.UNSURE_DELIVERIES, waits),
        Finding("late", Level.OK, FindingCode.LATE_ACCEPTANCES, none),
        Finding("held", Level.OK, FindingCode.HELD_DELIVERIES, waits),
        Finding("odd", Level.OK, FindingCode.ODD_ENDS, none),
        Finding("refills", Level.OK, FindingCode.REFILLS_NOT_PASSED, waits),
        Finding("refill answers", Level.OK, FindingCode.REFILL_ANSWERS_NOT_UNDERSTOOD, none),
        Finding("cancels", Level.OK, FindingCode.CANCELS_NOT_PASSED, waits),
        Finding("unheard cancels", Level.OK, FindingCode.CANCELS_UNHEARD, none),
        Finding("unclear refills", Level.OK, FindingCode.REFILLS_UNCLEAR, none),
        Finding("posts", Level.OK, FindingCode.POSTS_NOT_CHARGED, waits),
        Finding(
            "provider Sandbox",
            Level.OK,
            FindingCode.PROVIDER_NOT_CALLED_YET,
            {"provider": 1, "provider_name": "Sandbox"},
        ),
        Finding("quarantine", Level.OK, FindingCode.QUARANTINED, none),
        Finding("halted", Level.OK, FindingCode.HALTED, none),
        Finding("below cost", Level.OK, FindingCode.BELOW_COST_REFUSED, none),
        Finding("unread", Level.OK, FindingCode.UNREAD_SERVICES, none),
        Finding("database", Level.OK, FindingCode.DATABASE, {"mib": 5}),
        Finding("clock", Level.OK, FindingCode.CLOCK_RUNS_ON),
        Finding("worker clocks", Level.OK, FindingCode.WORKER_CLOCKS_AGREE),
        Finding("server", Level.OK, FindingCode.SERVER_AS_NEEDED, {"version": 16}),
        Finding("catalogue", Level.OK, FindingCode.CATALOGUE, {"version": 4}),
    ] == findings


def test_posts_that_wait_long_or_were_refused_are_a_warning():
    assert Level.OK is find("posts", posts=WaitingCount(3, ago(minutes=29))).level
    half_an_hour = {"count": 3, "age": timedelta(minutes=30)}
    waits = find("posts", posts=WaitingCount(3, ago(minutes=30)))
    assert Finding("posts", Level.WARNING, FindingCode.POSTS_NOT_CHARGED, half_an_hour) == waits
    refused = {"count": 0, "age": None, "refused": 2, "remembered": timedelta(days=7)}
    finding = find("posts", refused_posts=WaitingCount(2, ago(days=1)))
    assert Finding("posts", Level.WARNING, FindingCode.POSTS_REFUSED, refused) == finding


def test_no_living_worker_is_critical():
    silent = replace(WORKER, seen=ago(seconds=16))
    for workers in ((), (silent,)):
        assert Finding("workers", Level.CRITICAL, FindingCode.NO_WORKER) == find("workers", workers=workers)


def test_a_silent_worker_beside_a_living_one_is_a_warning():
    workers = (WORKER, WorkerSeen("beta", 8, ago(hours=2), ago(minutes=3)))
    fields = {"alive": 1, "silent": 1, "host": "beta", "pid": 8, "age": timedelta(minutes=3)}
    assert Finding("workers", Level.WARNING, FindingCode.WORKERS_SILENT, fields) == find("workers", workers=workers)


@pytest.mark.parametrize(
    ("name", "fact", "age", "level"),
    [
        ("due", "due", timedelta(seconds=59), Level.OK),
        ("due", "due", timedelta(minutes=1), Level.WARNING),
        ("due", "due", timedelta(minutes=5), Level.CRITICAL),
        ("unsure", "unsure", timedelta(0), Level.WARNING),
        ("unsure", "unsure", timedelta(hours=1), Level.CRITICAL),
        ("held", "held", timedelta(hours=23), Level.WARNING),
        ("held", "held", timedelta(days=1), Level.CRITICAL),
        ("refills", "refills", timedelta(minutes=59), Level.OK),
        ("refills", "refills", timedelta(days=30), Level.WARNING),
        ("cancels", "cancels", timedelta(minutes=9), Level.OK),
        ("cancels", "cancels", timedelta(minutes=10), Level.WARNING),
    ],
)
def test_waiting_things_are_judged_by_the_age_of_the_oldest(name, fact, age, level):
    finding = find(name, **{fact: WaitingCount(3, NOW - age)})
    assert (level, {"count": 3, "age": age}) == (finding.level, finding.fields)
    assert bool(ENGLISH.health_finding(finding)[1]) is (level is not Level.OK)


def test_deliveries_without_a_status_are_a_warning_then_critical():
    young = find("unpolled", moving=DeliveriesAtProviders(9, unpolled=WaitingCount(1, ago(minutes=5))))
    fields = {"count": 1, "age": timedelta(minutes=5)}
    assert Finding("unpolled", Level.WARNING, FindingCode.DELIVERIES_UNHEARD_OF, fields) == young
    assert (
        Level.CRITICAL
        == find("unpolled", moving=DeliveriesAtProviders(9, unpolled=WaitingCount(1, ago(minutes=30)))).level
    )
    assert Level.WARNING == find("long", moving=DeliveriesAtProviders(9, long=WaitingCount(2, ago(days=90)))).level


def test_only_living_workers_report_providers_that_cannot_be_called():
    reporting = replace(WORKER, shut={"3": "no_key", "4": "a code of a newer release"})
    gone = replace(WORKER, seen=ago(minutes=3), shut={"5": "no_key"})
    assert {3: ShutCode.NO_KEY} == shut_at_workers([reporting, gone, WORKER, replace(WORKER, shut={})], NOW)
    assert {} == shut_at_workers([replace(WORKER, shut={})], NOW)
    assert shut_at_workers([gone, WORKER], NOW) is None


def test_a_transaction_that_stays_open_is_a_warning_then_critical():
    assert Level.OK == find("database", oldest_transaction=None).level
    finding = find("database", oldest_transaction=ago(minutes=7))
    fields = {"mib": 5, "age": timedelta(minutes=7)}
    assert Finding("database", Level.WARNING, FindingCode.TRANSACTION_OPEN, fields) == finding
    assert Level.CRITICAL == find("database", oldest_transaction=ago(hours=4)).level


def test_a_count_that_was_cut_short_says_so():
    finding = find("unsure", unsure=WaitingCount(COUNTED, ago(days=3)))
    assert {"count": COUNTED, "at_least": True, "age": timedelta(days=3)} == finding.fields


def test_the_worst_level_is_returned():
    findings = [Finding("a", level, FindingCode.DUE) for level in (Level.WARNING, Level.CRITICAL, Level.OK)]
    assert (Level.CRITICAL, Level.OK) == (worst(findings), worst([]))


def test_services_that_are_not_sold_are_listed():
    unsold = UnsoldServices(
        NamedServices(7, (1, 2, 3, 4, 5)), NamedServices(1, (9,)), NamedServices(1, (8,)), holds=True
    )
    warnings = [finding for finding in judge(replace(WELL, unsold=unsold), NOW) if finding.level is Level.WARNING]
    assert {
        "quarantine": (FindingCode.QUARANTINED, {"count": 7, "services": (1, 2, 3, 4, 5), "more": 2}),
        "halted": (FindingCode.HALTED, {"count": 1, "services": (9,), "more": 0}),
        "below cost": (FindingCode.BELOW_COST_HELD, {"count": 1, "services": (8,), "more": 0}),
    } == {warning.name: (warning.code, warning.fields) for warning in warnings}


@pytest.mark.parametrize(
    ("name", "code", "level"),
    [("late", FindingCode.LATE_ACCEPTANCES, Level.CRITICAL), ("odd", FindingCode.ODD_ENDS, Level.WARNING)],
)
def test_notices_are_listed_until_they_are_dealt_with(name, code, level):
    notices = NoticeCounts(2, ago(hours=3), ((7, "Far", "7001"), (8, "Near", "X-1")))
    finding = find(name, **{name: notices})
    first = (("order", 7, "Far", "7001"), ("order", 8, "Near", "X-1"))
    named = tuple({of: number, "provider_name": name, "provider_order": theirs} for of, number, name, theirs in first)
    assert (level, code, {"count": 2, "age": timedelta(hours=3), "named": named}) == (
        finding.level,
        finding.code,
        finding.fields,
    )
    assert ENGLISH.finding(code, finding.fields)[0].endswith("7 (Far: 7001), 8 (Near: X-1)")


def test_refills_without_a_clear_answer_are_named_as_refills():
    finding = find("unclear refills", unclear_refills=NoticeCounts(1, ago(hours=3), ((5, "Far", "7001"),)))
    assert ({"refill": 5, "provider_name": "Far", "provider_order": "7001"},) == finding.fields["named"]
    assert ENGLISH.finding(finding.code, finding.fields)[0].endswith("5 (Far: 7001)")


def test_forgotten_orders_are_listed():
    finding = find("forgotten", forgotten=NamedServices(2, (7, 9)))
    assert (Level.CRITICAL, FindingCode.FORGOTTEN_ORDERS, {"count": 2, "orders": (7, 9), "more": 0}) == (
        finding.level,
        finding.code,
        finding.fields,
    )


@pytest.mark.parametrize(
    ("stepped", "code", "fields"),
    [
        (NewestStep(ago(hours=2), timedelta(minutes=-5), StepCause.MOVED), "clock_stepped", (5, 120)),
        (NewestStep(ago(hours=2), timedelta(0), StepCause.TIMELINE), "node_changed", (0, 120)),
        (NewestStep(ago(hours=25), timedelta(minutes=5), StepCause.MOVED), "clock_runs_on", None),
    ],
)
def test_a_step_of_the_databases_clock_is_reported_for_a_day(stepped, code, fields):
    finding = find("clock", stepped=stepped)
    assert (code, Level.OK if fields is None else Level.WARNING) == (finding.code, finding.level)
    if fields is not None:
        assert fields == tuple(finding.fields[name] // timedelta(minutes=1) for name in ("moved", "age"))


@pytest.mark.parametrize(("off_s", "level"), [(0, Level.OK), (-2, Level.OK), (3, Level.WARNING), (-600, Level.WARNING)])
def test_a_worker_whose_clock_is_off_is_a_warning(off_s, level):
    finding = find("worker clocks", workers=(WORKER, replace(WORKER, pid=8, clock_off=timedelta(seconds=off_s))))
    assert level == finding.level
    if level is Level.WARNING:
        assert {"host": "alpha", "pid": 8, "off": timedelta(seconds=abs(off_s))} == dict(finding.fields)


@pytest.mark.parametrize(
    ("free_mib", "total_mib", "level"),
    [(100_000, 1_000_000, Level.OK), (40_000, 1_000_000, Level.WARNING), (3_000, 20_000, Level.OK),
     (2_000, 20_000, Level.WARNING), (500, 20_000, Level.CRITICAL)],
)  # fmt: skip
def test_a_disk_is_reported_before_it_is_full(free_mib, total_mib, level):
    finding = disk("/data", free_mib << 20, total_mib << 20)
    assert (level, {"folder": "/data", "free_mib": free_mib, "total_mib": total_mib}) == (finding.level, finding.fields)
    text, remedy = ENGLISH.health_finding(finding)
    assert (str(free_mib) in text, bool(remedy)) == (True, level is not Level.OK)
