"""Health: what each fact means for the operator, and where the line lies."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from opensmm.base.ids import ProviderId
from opensmm.domain import monitoring
from opensmm.domain.clocks import NewestStep, StepCause
from opensmm.domain.codes import FindingCode, ShutCode
from opensmm.domain.disk import disk
from opensmm.domain.findings import Finding, Level, worst
from opensmm.domain.monitoring import (
    DeliveriesAtProviders,
    FollowedList,
    NamedServices,
    NoticeCounts,
    PanelFacts,
    ProviderSeen,
    UnsoldServices,
    WaitingCount,
    WorkerSeen,
    judge,
    shut_at_workers,
)
from opensmm.domain.providers import BalanceReading
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


FAR = ProviderSeen(
    ProviderId(1), "Far", currency="USD", balance_asked=NOW, balance=BalanceReading(NOW, Decimal("12.50"))
)  # fmt: skip


def found(name, **changes):
    """The finding of that name; all of them can be put into words."""
    findings = judge(replace(WELL, **changes), NOW)
    assert all(ENGLISH.health_finding(finding)[0] for finding in findings)
    (finding,) = [finding for finding in findings if finding.name == name]
    return finding


OF_FAR = {"provider": 1, "provider_name": "Far"}


def test_of_a_panel_that_is_well_every_finding_says_so():
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


def test_posts_that_wait_for_long_or_were_refused_want_a_look():
    assert Level.OK is found("posts", posts=WaitingCount(3, ago(minutes=29))).level
    half_an_hour = {"count": 3, "age": timedelta(minutes=30)}
    waits = found("posts", posts=WaitingCount(3, ago(minutes=30)))
    assert Finding("posts", Level.WARNING, FindingCode.POSTS_NOT_CHARGED, half_an_hour) == waits
    refused = {"count": 0, "age": None, "refused": 2, "remembered": timedelta(days=7)}
    told = found("posts", refused_posts=WaitingCount(2, ago(days=1)))
    assert Finding("posts", Level.WARNING, FindingCode.POSTS_REFUSED, refused) == told


def test_without_a_worker_the_operator_must_act():
    silent = replace(WORKER, seen=ago(seconds=16))
    for workers in ((), (silent,)):
        assert Finding("workers", Level.CRITICAL, FindingCode.NO_WORKER) == found("workers", workers=workers)


def test_a_worker_that_fell_silent_beside_one_that_lives_wants_a_look():
    workers = (WORKER, WorkerSeen("beta", 8, ago(hours=2), ago(minutes=3)))
    fields = {"alive": 1, "silent": 1, "host": "beta", "pid": 8, "age": timedelta(minutes=3)}
    assert Finding("workers", Level.WARNING, FindingCode.WORKERS_SILENT, fields) == found("workers", workers=workers)


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
def test_what_waits_is_judged_by_the_oldest(name, fact, age, level):
    finding = found(name, **{fact: WaitingCount(3, NOW - age)})
    assert (level, {"count": 3, "age": age}) == (finding.level, finding.fields)
    assert bool(ENGLISH.health_finding(finding)[1]) is (level is not Level.OK)


def test_deliveries_not_heard_of_want_a_look_and_then_an_act():
    young = found("unpolled", moving=DeliveriesAtProviders(9, unpolled=WaitingCount(1, ago(minutes=5))))
    fields = {"count": 1, "age": timedelta(minutes=5)}
    assert Finding("unpolled", Level.WARNING, FindingCode.DELIVERIES_UNHEARD_OF, fields) == young
    assert (
        Level.CRITICAL
        == found("unpolled", moving=DeliveriesAtProviders(9, unpolled=WaitingCount(1, ago(minutes=30)))).level
    )
    assert Level.WARNING == found("long", moving=DeliveriesAtProviders(9, long=WaitingCount(2, ago(days=90)))).level


@pytest.mark.parametrize(
    ("failures", "level"), [(0, Level.OK), (2, Level.OK), (3, Level.WARNING), (10, Level.CRITICAL)]
)
def test_a_provider_is_judged_by_its_failures_in_a_row(failures, level):
    provider = ProviderSeen(ProviderId(1), "Far", failures=failures, resting_until=NOW + timedelta(seconds=9))
    assert level == found("provider Far", providers=(provider,)).level


@pytest.mark.parametrize(
    ("known", "code", "age"),
    [
        ({"balance": None, "balance_asked": None}, FindingCode.PROVIDER_NOT_CALLED_YET, {}),
        ({"balance": None}, FindingCode.PROVIDER_SILENT, {}),
        ({"balance": None, "accepted": ago(minutes=30)}, FindingCode.PROVIDER_ANSWERS, {"age": HALF_AN_HOUR}),
        ({"accepted": ago(days=3)}, FindingCode.PROVIDER_ANSWERS, {"age": timedelta(0)}),
        (
            {"balance": BalanceReading(ago(minutes=31), Decimal(9))},
            FindingCode.PROVIDER_ANSWERED,
            {"age": timedelta(minutes=31)},
        ),
        ({"kind": "manual", "balance": None}, FindingCode.PROVIDER_IS_STAFF, {}),
    ],
)
def test_of_a_provider_no_more_is_said_than_is_known(known, code, age):
    told = found("provider Far", providers=(replace(FAR, **known),))
    assert Finding("provider Far", Level.OK, code, OF_FAR | age) == told


def test_a_provider_that_cannot_be_called_wants_an_act_while_it_is_in_use():
    shut = replace(FAR, shut=ShutCode.NO_KEY)
    told = found("provider Far", providers=(shut,))
    assert (Level.CRITICAL, FindingCode.PROVIDER_NOT_OPENED) == (told.level, told.code)
    assert OF_FAR | {"why": ShutCode.NO_KEY} == told.fields
    private = found("provider Far", providers=(replace(FAR, shut=ShutCode.ADDRESS_PRIVATE),))
    assert FindingCode.PROVIDER_NOT_ALLOWED is private.code
    assert Level.OK is found("provider Far", providers=(replace(shut, enabled=False),)).level


def test_what_living_workers_cannot_call_is_shut():
    told = replace(WORKER, shut={"3": "no_key", "4": "a code of a newer release"})
    gone = replace(WORKER, seen=ago(minutes=3), shut={"5": "no_key"})
    assert {3: ShutCode.NO_KEY} == shut_at_workers([told, gone, WORKER, replace(WORKER, shut={})], NOW)
    assert {} == shut_at_workers([replace(WORKER, shut={})], NOW)
    assert shut_at_workers([gone, WORKER], NOW) is None


@pytest.mark.parametrize(
    ("age_min", "also", "level", "code"),
    [
        (5, {}, Level.WARNING, FindingCode.PROVIDER_UNHEARD_OF),
        (30, {}, Level.CRITICAL, FindingCode.PROVIDER_UNHEARD_OF),
        (5, {"failures": 10}, Level.CRITICAL, FindingCode.PROVIDER_FAILS),
        (5, {"enabled": False}, Level.WARNING, FindingCode.PROVIDER_DISABLED),
    ],
)
def test_a_provider_whose_deliveries_are_not_heard_of_does_not_answer(age_min, also, level, code):
    provider = replace(FAR, unpolled=WaitingCount(2, ago(minutes=age_min)), **also)
    told = found("provider Far", providers=(provider,))
    assert (level, code, 2, timedelta(minutes=age_min)) == (
        told.level,
        told.code,
        told.fields["count"],
        told.fields["age"],
    )


def test_a_provider_that_rests_is_told_of_and_one_that_is_disabled_was_meant_to_be():
    until = NOW + timedelta(seconds=9)
    resting = replace(FAR, failures=4, resting_until=until)
    rests = OF_FAR | {"failures": 4, "paused_until": until}
    assert rests == found("provider Far", providers=(resting,)).fields
    tried = replace(resting, resting_until=ago(seconds=9))
    assert None is found("provider Far", providers=(tried,)).fields["paused_until"]
    disabled = found("provider Far", providers=(replace(resting, enabled=False),))
    assert Finding("provider Far", Level.OK, FindingCode.PROVIDER_DISABLED, OF_FAR) == disabled
    assert Finding("providers", Level.WARNING, FindingCode.NO_PROVIDER) == found("providers", providers=())


@pytest.mark.parametrize(
    ("hours", "level"), [("24", Level.OK), ("23.9", Level.WARNING), ("6", Level.WARNING), ("5.9", Level.CRITICAL)]
)
def test_a_balance_is_judged_by_how_long_it_lasts(hours, level):
    provider = replace(FAR, hours_left=Decimal(hours))
    told = found("balance Far", providers=(provider,))
    assert (level, FindingCode.BALANCE_LASTS, Decimal(hours)) == (told.level, told.code, told.fields["hours"])


@pytest.mark.parametrize(
    ("balance", "hours", "level", "code"),
    [
        ("0", None, Level.CRITICAL, FindingCode.BALANCE_GONE),
        ("0.00", "0.0", Level.CRITICAL, FindingCode.BALANCE_GONE),
        ("-3", None, Level.CRITICAL, FindingCode.BALANCE_GONE),
        ("0.40", None, Level.WARNING, FindingCode.BALANCE_TOO_LITTLE),
        ("0.40", "30.0", Level.OK, FindingCode.BALANCE_LASTS),
        ("1.00", None, Level.OK, FindingCode.BALANCE_AT_NO_PACE),
    ],
)
def test_a_balance_of_nearly_nothing_is_told_whether_anything_was_spent_of_late_or_not(balance, hours, level, code):
    provider = replace(FAR, balance=BalanceReading(NOW, Decimal(balance)), hours_left=hours and Decimal(hours))
    told = found("balance Far", providers=(provider,))
    assert (level, code, Decimal(balance), "USD") == (
        told.level,
        told.code,
        told.fields["balance"],
        told.fields["currency"],
    )


@pytest.mark.parametrize(
    ("balance", "asked", "level", "code"),
    [
        (BalanceReading(ago(minutes=30), Decimal(9)), NOW, Level.OK, FindingCode.BALANCE_READ),
        (BalanceReading(ago(minutes=31), Decimal(9)), NOW, Level.WARNING, FindingCode.BALANCE_READ),
        (BalanceReading(ago(days=20), Decimal(9)), NOW, Level.WARNING, FindingCode.BALANCE_READ),
        (None, NOW, Level.WARNING, FindingCode.BALANCE_NEVER_READ),
        (None, None, Level.OK, FindingCode.BALANCE_NOT_ASKED_YET),
    ],
)
def test_a_balance_that_cannot_be_read_is_told(balance, asked, level, code):
    told = found("reading Far", providers=(replace(FAR, balance=balance, balance_asked=asked),))
    age = {} if balance is None else {"age": NOW - balance.at}
    assert Finding("reading Far", level, code, OF_FAR | age) == told


@pytest.mark.parametrize("other", [{"kind": "sandbox"}, {"kind": "manual"}, {"enabled": False}])
def test_nobody_is_told_to_pay_who_is_not_paid_in_advance_or_not_used(other):
    provider = replace(FAR, balance=BalanceReading(ago(days=9), Decimal(0)), hours_left=Decimal(0), **other)
    names = {one.name for one in judge(replace(WELL, providers=(provider,)), NOW)}
    assert not names & {"balance Far", "reading Far"}


def test_a_transaction_that_stays_open_wants_a_look():
    assert Level.OK == found("database", oldest_transaction=None).level
    finding = found("database", oldest_transaction=ago(minutes=7))
    fields = {"mib": 5, "age": timedelta(minutes=7)}
    assert Finding("database", Level.WARNING, FindingCode.TRANSACTION_OPEN, fields) == finding
    assert Level.CRITICAL == found("database", oldest_transaction=ago(hours=4)).level


def test_a_count_that_was_cut_short_says_so():
    finding = found("unsure", unsure=WaitingCount(monitoring.COUNTED, ago(days=3)))
    assert {"count": monitoring.COUNTED, "at_least": True, "age": timedelta(days=3)} == finding.fields


def test_the_worst_finding_counts():
    findings = [Finding("a", level, FindingCode.DUE) for level in (Level.WARNING, Level.CRITICAL, Level.OK)]
    assert (Level.CRITICAL, Level.OK) == (worst(findings), worst([]))


@pytest.mark.parametrize(
    ("followed", "level", "age", "fault"),
    [
        (FollowedList(HALF_AN_HOUR, NOW), Level.OK, timedelta(0), ""),
        (FollowedList(HALF_AN_HOUR, NOW - 3 * HALF_AN_HOUR), Level.OK, 3 * HALF_AN_HOUR, ""),
        (FollowedList(HALF_AN_HOUR, NOW - 4 * HALF_AN_HOUR), Level.WARNING, 4 * HALF_AN_HOUR, ""),
        (FollowedList(HALF_AN_HOUR), Level.WARNING, None, ""),
        (
            FollowedList(HALF_AN_HOUR, NOW, "it is empty"),
            Level.WARNING,
            timedelta(0),
            "it is empty",
        ),
    ],
)
def test_a_price_list_that_is_late_or_was_not_believed_is_told(followed, level, age, fault):
    told = found("price list Sandbox", providers=(replace(WELL.providers[0], followed=followed),))
    code = FindingCode.PRICE_LIST_NEVER_READ if age is None else FindingCode.PRICE_LIST_TAKEN
    assert (level, code, age, fault) == (told.level, told.code, told.fields.get("age"), told.fields["fault"])


def test_the_price_list_of_a_disabled_provider_is_told_and_wants_nothing():
    followed = FollowedList(HALF_AN_HOUR, ago(days=9), "it did not answer")
    told = found("price list Far", providers=(replace(FAR, followed=followed, enabled=False),))
    fields = OF_FAR | {"fault": "it did not answer", "age": timedelta(days=9)}
    assert Finding("price list Far", Level.OK, FindingCode.PRICE_LIST_TAKEN, fields) == told


def test_services_that_are_not_sold_as_they_stand_are_named():
    shelf = UnsoldServices(
        NamedServices(7, (1, 2, 3, 4, 5)), NamedServices(1, (9,)), NamedServices(1, (8,)), holds=True
    )
    found = [one for one in judge(replace(WELL, unsold=shelf), NOW) if one.level is Level.WARNING]
    told = {one.name: (one.code, one.fields) for one in found}
    assert {
        "quarantine": (FindingCode.QUARANTINED, {"count": 7, "services": (1, 2, 3, 4, 5), "more": 2}),
        "halted": (FindingCode.HALTED, {"count": 1, "services": (9,), "more": 0}),
        "below cost": (FindingCode.BELOW_COST_HELD, {"count": 1, "services": (8,), "more": 0}),
    } == told


@pytest.mark.parametrize(
    ("name", "code", "level"),
    [("late", FindingCode.LATE_ACCEPTANCES, Level.CRITICAL), ("odd", FindingCode.ODD_ENDS, Level.WARNING)],
)
def test_what_providers_said_against_the_books_is_named_until_it_is_dealt_with(name, code, level):
    notices = NoticeCounts(2, ago(hours=3), ((7, "Far", "7001"), (8, "Near", "X-1")))
    finding = found(name, **{name: notices})
    first = (("order", 7, "Far", "7001"), ("order", 8, "Near", "X-1"))
    named = tuple({of: number, "provider_name": name, "provider_order": theirs} for of, number, name, theirs in first)
    assert (level, code, {"count": 2, "age": timedelta(hours=3), "named": named}) == (
        finding.level,
        finding.code,
        finding.fields,
    )
    assert ENGLISH.finding(code, finding.fields)[0].endswith("7 (Far: 7001), 8 (Near: X-1)")


def test_refills_without_a_clear_answer_are_named_as_refills():
    finding = found("unclear refills", unclear_refills=NoticeCounts(1, ago(hours=3), ((5, "Far", "7001"),)))
    assert ({"refill": 5, "provider_name": "Far", "provider_order": "7001"},) == finding.fields["named"]
    assert ENGLISH.finding(finding.code, finding.fields)[0].endswith("5 (Far: 7001)")


def test_orders_that_nobody_will_see_to_are_named():
    finding = found("forgotten", forgotten=NamedServices(2, (7, 9)))
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
def test_a_step_of_the_databases_clock_is_told_of_for_a_day(stepped, code, fields):
    finding = found("clock", stepped=stepped)
    assert (code, Level.OK if fields is None else Level.WARNING) == (finding.code, finding.level)
    if fields is not None:
        assert fields == tuple(finding.fields[name] // timedelta(minutes=1) for name in ("moved", "age"))


@pytest.mark.parametrize(("off_s", "level"), [(0, Level.OK), (-2, Level.OK), (3, Level.WARNING), (-600, Level.WARNING)])
def test_a_worker_whose_clock_is_off_is_told_of(off_s, level):
    finding = found("worker clocks", workers=(WORKER, replace(WORKER, pid=8, clock_off=timedelta(seconds=off_s))))
    assert level == finding.level
    if level is Level.WARNING:
        assert {"host": "alpha", "pid": 8, "off": timedelta(seconds=abs(off_s))} == dict(finding.fields)


@pytest.mark.parametrize(
    ("free_mib", "total_mib", "level"),
    [(100_000, 1_000_000, Level.OK), (40_000, 1_000_000, Level.WARNING), (3_000, 20_000, Level.OK),
     (2_000, 20_000, Level.WARNING), (500, 20_000, Level.CRITICAL)],
)  # fmt: skip
def test_a_disk_is_told_of_before_it_is_full(free_mib, total_mib, level):
    found = disk("/data", free_mib << 20, total_mib << 20)
    assert (level, {"folder": "/data", "free_mib": free_mib, "total_mib": total_mib}) == (found.level, found.fields)
    says, do = ENGLISH.health_finding(found)
    assert (str(free_mib) in says, bool(do)) == (True, level is not Level.OK)


@pytest.mark.parametrize(
    ("adds", "level", "code", "count"),
    [
        (None, Level.WARNING, FindingCode.ADDS_NOT_DECIDED, 16),
        (0, Level.OK, FindingCode.ADDS_AS_MANY_AS_CALLS, 16),
        (1, Level.OK, FindingCode.ADDS_FEW_AT_A_TIME, 1),
    ],
)
def test_a_v1_panel_whose_adds_nobody_has_decided_on_is_looked_at(adds, level, code, count):
    panel = replace(FAR, dialect="v1", adds_at_a_time=adds, concurrency=16)
    told = found("adds Far", providers=(panel,))
    assert (level, code, {"provider": 1, "provider_name": "Far", "count": count}) == (
        told.level,
        told.code,
        told.fields,
    )


@pytest.mark.parametrize("changes", [{"dialect": "v2"}, {"enabled": False}, {"kind": "sandbox"}])
def test_nothing_is_told_of_the_adds_of_others(changes):
    panel = replace(FAR, **{"dialect": "v1", **changes})
    assert [] == [one for one in judge(replace(WELL, providers=(panel,)), NOW) if one.name == "adds Far"]


def test_the_verb_that_sets_how_many_adds_go_at_a_time_is_named():
    _, do = ENGLISH.finding(FindingCode.ADDS_NOT_DECIDED, {"provider_name": "Far", "count": 16})
    assert "`opensmm provider edit Far --adds-at-a-time 1`" in do
