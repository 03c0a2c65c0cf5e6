"""Health: what each fact means for the operator, and where the line lies."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from opensmm.base.ids import ProviderId
from opensmm.domain import health
from opensmm.domain.clocks import Cause, Stepped
from opensmm.domain.codes import FindingCode, ShutCode
from opensmm.domain.disk import disk
from opensmm.domain.findings import Finding, Level, worst
from opensmm.domain.health import (
    Facts,
    Followed,
    Moving,
    Named,
    Notices,
    ProviderSeen,
    Shelf,
    Waiting,
    WorkerSeen,
    judge,
    shut_at_workers,
)
from opensmm.domain.providers import Reading
from opensmm.texts import words

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
WORKER = WorkerSeen("alpha", 7, NOW - timedelta(days=3), NOW - timedelta(seconds=2))
WELL = Facts(
    workers=(WORKER,), providers=(ProviderSeen(ProviderId(1), "Sandbox", "sandbox"),), catalogue_version=4,
    database_bytes=5 << 20, oldest_transaction=NOW - timedelta(seconds=1), moving=Moving(12),
)  # fmt: skip


def ago(**age):
    return NOW - timedelta(**age)


FAR = ProviderSeen(
    ProviderId(1), "Far", currency="USD", balance_asked=NOW, balance=Reading(NOW, Decimal("12.50"))
)  # fmt: skip


def found(name, **changes):
    (finding,) = [finding for finding in judge(replace(WELL, **changes), NOW) if finding.name == name]
    return finding


def test_of_a_panel_that_is_well_every_finding_says_so():
    findings = judge(WELL, NOW)
    assert Level.OK == worst(findings)
    assert [
        ("workers", "1 alive"),
        ("due", "0 deliveries due to be sent"),
        ("forgotten", "none"),
        ("unpolled", "12 at providers, all heard of in time"),
        ("long", "0 deliveries at providers for more than 3 days"),
        ("answers", "none"),
        ("unsure", "0 deliveries unsure whether the provider took them"),
        ("late", "none"),
        ("held", "0 deliveries held for you"),
        ("odd", "none"),
        ("refills", "0 to be passed on"),
        ("cancels", "0 to be passed on"),
        ("unheard cancels", "none"),
        ("unclear refills", "none"),
        ("posts", "0 made by providers and not charged yet"),
        ("provider Sandbox", "not called yet"),
        ("quarantine", "none"),
        ("halted", "none"),
        ("below cost", "none"),
        ("unread", "none"),
        ("database", "5 MiB"),
        ("clock", "the database's clock runs on"),
        ("worker clocks", "agree with the database's"),
        ("server", ""),
        ("catalogue", "version 4"),
    ] == [(finding.name, finding.says) for finding in findings]
    assert {""} == {finding.do for finding in findings}


def test_posts_that_wait_for_long_or_were_refused_want_a_look():
    assert Level.OK is found("posts", posts=Waiting(3, ago(minutes=29))).level
    waits = found("posts", posts=Waiting(3, ago(minutes=30)))
    assert (Level.LOOK, "3 made by providers and not charged yet, the oldest for 30 minutes") == (
        waits.level,
        waits.says,
    )
    refused = found("posts", refused_posts=Waiting(2, ago(days=1)))
    words = "0 made by providers and not charged yet; 2 in the last 7 days never will be"
    assert (Level.LOOK, words) == (refused.level, refused.says)


def test_without_a_worker_the_operator_must_act():
    silent = replace(WORKER, seen=ago(seconds=16))
    for workers in ((), (silent,)):
        finding = found("workers", workers=workers)
        assert (Level.ACT, "no worker is alive: nothing is sent or followed") == (finding.level, finding.says)


def test_a_worker_that_fell_silent_beside_one_that_lives_wants_a_look():
    workers = (WORKER, WorkerSeen("beta", 8, ago(hours=2), ago(minutes=3)))
    finding = found("workers", workers=workers)
    assert (Level.LOOK, "1 alive, 1 fell silent; the last: beta pid 8, 3 minutes ago") == (finding.level, finding.says)


@pytest.mark.parametrize(
    ("name", "fact", "age", "level"),
    [
        ("due", "due", timedelta(seconds=59), Level.OK),
        ("due", "due", timedelta(minutes=1), Level.LOOK),
        ("due", "due", timedelta(minutes=5), Level.ACT),
        ("unsure", "unsure", timedelta(0), Level.LOOK),
        ("unsure", "unsure", timedelta(hours=1), Level.ACT),
        ("held", "held", timedelta(hours=23), Level.LOOK),
        ("held", "held", timedelta(days=1), Level.ACT),
        ("refills", "refills", timedelta(minutes=59), Level.OK),
        ("refills", "refills", timedelta(days=30), Level.LOOK),
        ("cancels", "cancels", timedelta(minutes=9), Level.OK),
        ("cancels", "cancels", timedelta(minutes=10), Level.LOOK),
    ],
)
def test_what_waits_is_judged_by_the_oldest(name, fact, age, level):
    finding = found(name, **{fact: Waiting(3, NOW - age)})
    assert (level, level is not Level.OK) == (finding.level, bool(finding.do))


def test_deliveries_not_heard_of_want_a_look_and_then_an_act():
    young = found("unpolled", moving=Moving(9, unpolled=Waiting(1, ago(minutes=5))))
    words = "1 delivery at providers not heard of in twice their time, the oldest for 5 minutes"
    assert (Level.LOOK, words) == (young.level, young.says)
    assert Level.ACT == found("unpolled", moving=Moving(9, unpolled=Waiting(1, ago(minutes=30)))).level
    assert Level.LOOK == found("long", moving=Moving(9, long=Waiting(2, ago(days=90)))).level


@pytest.mark.parametrize(("failures", "level"), [(0, Level.OK), (2, Level.OK), (3, Level.LOOK), (10, Level.ACT)])
def test_a_provider_is_judged_by_its_failures_in_a_row(failures, level):
    provider = ProviderSeen(ProviderId(1), "Far", failures=failures, resting_until=NOW + timedelta(seconds=9))
    assert level == found("provider Far", providers=(provider,)).level


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"balance": None, "balance_asked": None}, "not called yet"),
        ({"balance": None}, "has told no balance and taken no order yet"),
        ({"balance": None, "accepted": ago(minutes=30)}, "answers"),
        ({"accepted": ago(days=3)}, "answers"),
        ({"balance": Reading(ago(minutes=31), Decimal(9))}, "last told its balance or took an order 31 minutes ago"),
        ({"kind": "manual", "balance": None}, "your own staff: it is not called"),
    ],
)
def test_of_a_provider_no_more_is_said_than_is_known(known, says):
    assert Finding("provider Far", Level.OK, says) == found("provider Far", providers=(replace(FAR, **known),))


def test_a_provider_that_cannot_be_called_wants_an_act_while_it_is_in_use():
    shut = replace(FAR, shut=ShutCode.NO_KEY)
    told = found("provider Far", providers=(shut,))
    assert (Level.ACT, FindingCode.PROVIDER_NOT_OPENED) == (told.level, told.code)
    assert {"provider": "Far", "why": ShutCode.NO_KEY} == told.fields
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
    ("age_min", "also", "level", "before"),
    [
        (5, {}, Level.LOOK, ""),
        (30, {}, Level.ACT, ""),
        (5, {"failures": 10}, Level.ACT, "failed 10 times in a row; "),
        (5, {"enabled": False}, Level.LOOK, "disabled: it is sent nothing; "),
    ],
)
def test_a_provider_whose_deliveries_are_not_heard_of_does_not_answer(age_min, also, level, before):
    provider = replace(FAR, unpolled=Waiting(2, ago(minutes=age_min)), **also)
    told = found("provider Far", providers=(provider,))
    words = f"{before}2 deliveries not heard of in twice their time, the oldest for {age_min} minutes"
    assert (level, words, True) == (told.level, told.says, bool(told.do))


def test_a_provider_that_rests_is_told_of_and_one_that_is_disabled_was_meant_to_be():
    resting = ProviderSeen(ProviderId(1), "Far", failures=4, resting_until=NOW + timedelta(seconds=9))
    words = "failed 4 times in a row, and is left alone for a moment"
    assert words == found("provider Far", providers=(resting,)).says
    disabled = found("provider Far", providers=(replace(resting, enabled=False),))
    assert Finding("provider Far", Level.OK, "disabled: it is sent nothing") == disabled
    assert Level.LOOK == found("providers", providers=()).level


@pytest.mark.parametrize(
    ("hours", "level"), [("24", Level.OK), ("23.9", Level.LOOK), ("6", Level.LOOK), ("5.9", Level.ACT)]
)
def test_a_balance_is_judged_by_how_long_it_lasts(hours, level):
    provider = replace(FAR, hours_left=Decimal(hours))
    told = found("balance Far", providers=(provider,))
    assert (level, f"lasts {hours} h at the pace of the last day") == (told.level, told.says)


@pytest.mark.parametrize(
    ("balance", "hours", "level", "says"),
    [
        ("0", None, Level.ACT, "nothing is left"),
        ("0.00", "0.0", Level.ACT, "nothing is left"),
        ("-3", None, Level.ACT, "nothing is left"),
        ("0.40", None, Level.LOOK, "0.40 USD are left, too little for most orders"),
        ("0.40", "30.0", Level.OK, "lasts 30.0 h at the pace of the last day"),
        ("1.00", None, Level.OK, "1.00 USD; how long it lasts is not known"),
    ],
)
def test_a_balance_of_nearly_nothing_is_told_whether_anything_was_spent_of_late_or_not(balance, hours, level, says):
    provider = replace(FAR, balance=Reading(NOW, Decimal(balance)), hours_left=hours and Decimal(hours))
    told = found("balance Far", providers=(provider,))
    assert (level, says, level is not Level.OK) == (told.level, told.says, bool(told.do))


@pytest.mark.parametrize(
    ("balance", "asked", "level", "says"),
    [
        (Reading(ago(minutes=30), Decimal(9)), NOW, Level.OK, "its balance was read 30 minutes ago"),
        (Reading(ago(minutes=31), Decimal(9)), NOW, Level.LOOK, "its balance was read 31 minutes ago"),
        (Reading(ago(days=20), Decimal(9)), NOW, Level.LOOK, "its balance was read 20 days ago"),
        (None, NOW, Level.LOOK, "its balance was asked for, and never read"),
        (None, None, Level.OK, "its balance was not asked for yet"),
    ],
)
def test_a_balance_that_cannot_be_read_is_told(balance, asked, level, says):
    told = found("reading Far", providers=(replace(FAR, balance=balance, balance_asked=asked),))
    assert (level, says, level is Level.LOOK) == (told.level, told.says, bool(told.do))


@pytest.mark.parametrize("other", [{"kind": "sandbox"}, {"kind": "manual"}, {"enabled": False}])
def test_nobody_is_told_to_pay_who_is_not_paid_in_advance_or_not_used(other):
    provider = replace(FAR, balance=Reading(ago(days=9), Decimal(0)), hours_left=Decimal(0), **other)
    names = {one.name for one in judge(replace(WELL, providers=(provider,)), NOW)}
    assert not names & {"balance Far", "reading Far"}


def test_a_transaction_that_stays_open_wants_a_look():
    assert Level.OK == found("database", oldest_transaction=None).level
    finding = found("database", oldest_transaction=ago(minutes=7))
    words = "5 MiB; a transaction is open, the oldest for 7 minutes"
    assert (Level.LOOK, words) == (finding.level, finding.says)
    assert Level.ACT == found("database", oldest_transaction=ago(hours=4)).level


def test_a_count_that_was_cut_short_says_so():
    finding = found("unsure", unsure=Waiting(health.COUNTED, ago(days=3)))
    words = f"at least {health.COUNTED} deliveries unsure whether the provider took them, the oldest for 3 days"
    assert words == finding.says


def test_the_worst_finding_counts():
    findings = [Finding("a", Level.LOOK, ""), Finding("b", Level.ACT, ""), Finding("c", Level.OK, "")]
    assert (Level.ACT, Level.OK) == (worst(findings), worst([]))


@pytest.mark.parametrize(
    ("followed", "level", "says"),
    [
        (Followed(HALF_AN_HOUR, NOW), Level.OK, "taken over 0 seconds ago"),
        (Followed(HALF_AN_HOUR, NOW - 3 * HALF_AN_HOUR), Level.OK, "taken over 90 minutes ago"),
        (Followed(HALF_AN_HOUR, NOW - 4 * HALF_AN_HOUR), Level.LOOK, "taken over 2 hours ago"),
        (Followed(HALF_AN_HOUR), Level.LOOK, "never read"),
        (
            Followed(HALF_AN_HOUR, NOW, "it is empty"),
            Level.LOOK,
            "taken over 0 seconds ago; the newest was not: it is empty",
        ),
    ],
)
def test_a_price_list_that_is_late_or_was_not_believed_is_told(followed, level, says):
    told = found("price list Sandbox", providers=(replace(WELL.providers[0], followed=followed),))
    assert (level, says, level is Level.LOOK) == (told.level, told.says, bool(told.do))


def test_the_price_list_of_a_disabled_provider_is_told_and_wants_nothing():
    followed = Followed(HALF_AN_HOUR, ago(days=9), "it did not answer")
    told = found("price list Far", providers=(replace(FAR, followed=followed, enabled=False),))
    words = "taken over 9 days ago; the newest was not: it did not answer"
    assert Finding("price list Far", Level.OK, words) == told


def test_services_that_are_not_sold_as_they_stand_are_named():
    shelf = Shelf(Named(7, (1, 2, 3, 4, 5)), Named(1, (9,)), Named(1, (8,)), holds=True)
    found = [one for one in judge(replace(WELL, shelf=shelf), NOW) if one.level is Level.LOOK]
    told = {one.name: (one.code, one.fields) for one in found}
    assert {
        "quarantine": (FindingCode.QUARANTINED, {"count": 7, "services": (1, 2, 3, 4, 5, "and 2 more")}),
        "halted": (FindingCode.HALTED, {"count": 1, "services": (9,)}),
        "below cost": (FindingCode.BELOW_COST_HELD, {"count": 1, "services": (8,)}),
    } == told


@pytest.mark.parametrize(
    ("name", "code", "level"),
    [("late", FindingCode.LATE_ACCEPTANCES, Level.ACT), ("odd", FindingCode.ODD_ENDS, Level.LOOK)],
)
def test_what_providers_said_against_the_books_is_named_until_it_is_dealt_with(name, code, level):
    notices = Notices(2, ago(hours=3), ((7, "Far", "7001"), (8, "Near", "X-1")))
    finding = found(name, **{name: notices})
    named = ("7 (Far: 7001)", "8 (Near: X-1)")
    assert (level, code, {"count": 2, "age": timedelta(hours=3), "named": named}) == (
        finding.level,
        finding.code,
        finding.fields,
    )


def test_orders_that_nobody_will_see_to_are_named():
    finding = found("forgotten", forgotten=Named(2, (7, 9)))
    assert (Level.ACT, FindingCode.FORGOTTEN_ORDERS, {"count": 2, "orders": (7, 9)}) == (
        finding.level,
        finding.code,
        finding.fields,
    )


@pytest.mark.parametrize(
    ("stepped", "code", "fields"),
    [
        (Stepped(ago(hours=2), timedelta(minutes=-5), Cause.MOVED), "clock_stepped", (5, 120)),
        (Stepped(ago(hours=2), timedelta(0), Cause.TIMELINE), "node_changed", (0, 120)),
        (Stepped(ago(hours=25), timedelta(minutes=5), Cause.MOVED), None, None),
    ],
)
def test_a_step_of_the_databases_clock_is_told_of_for_a_day(stepped, code, fields):
    finding = found("clock", stepped=stepped)
    assert (code, Level.OK if code is None else Level.LOOK) == (finding.code, finding.level)
    if fields is not None:
        assert fields == tuple(finding.fields[name] // timedelta(minutes=1) for name in ("moved", "age"))


@pytest.mark.parametrize(("off_s", "level"), [(0, Level.OK), (-2, Level.OK), (3, Level.LOOK), (-600, Level.LOOK)])
def test_a_worker_whose_clock_is_off_is_told_of(off_s, level):
    finding = found("worker clocks", workers=(WORKER, replace(WORKER, pid=8, clock_off=timedelta(seconds=off_s))))
    assert level == finding.level
    if level is Level.LOOK:
        assert {"host": "alpha", "pid": 8, "off": timedelta(seconds=abs(off_s))} == dict(finding.fields)


@pytest.mark.parametrize(
    ("free_mib", "total_mib", "level"),
    [(100_000, 1_000_000, Level.OK), (40_000, 1_000_000, Level.LOOK), (3_000, 20_000, Level.OK),
     (2_000, 20_000, Level.LOOK), (500, 20_000, Level.ACT)],
)  # fmt: skip
def test_a_disk_is_told_of_before_it_is_full(free_mib, total_mib, level):
    found = disk("/data", free_mib << 20, total_mib << 20)
    assert (level, {"folder": "/data", "free_mib": free_mib, "total_mib": total_mib}) == (found.level, found.fields)
    assert found.code is not None
    says, do = words.finding(found.code, found.fields)
    assert (str(free_mib) in says, bool(do)) == (True, level is not Level.OK)
