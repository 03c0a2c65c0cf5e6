"""Findings about providers: calls to them, their balances and their price lists."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from opensmm.base.ids import ProviderId
from opensmm.domain.codes import FindingCode, ShutCode
from opensmm.domain.findings import Finding, Level
from opensmm.domain.panel_facts import FollowedList, ProviderSeen, WaitingCount
from opensmm.domain.provider_findings import judge_providers
from opensmm.domain.providers import BalanceReading
from opensmm.texts.speech import ENGLISH

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
FAR = ProviderSeen(
    ProviderId(1), "Far", currency="USD", balance_asked=NOW, balance=BalanceReading(NOW, Decimal("12.50"))
)  # fmt: skip
OF_FAR = {"provider": 1, "provider_name": "Far"}


def ago(**age):
    return NOW - timedelta(**age)


def find(name, provider):
    """The finding of that name about a provider; all of them can be put into words."""
    findings = judge_providers([provider], NOW)
    assert all(ENGLISH.health_finding(finding)[0] for finding in findings)
    (finding,) = [finding for finding in findings if finding.name == name]
    return finding


@pytest.mark.parametrize(
    ("failures", "level"), [(0, Level.OK), (2, Level.OK), (3, Level.WARNING), (10, Level.CRITICAL)]
)
def test_a_provider_is_judged_by_its_failures_in_a_row(failures, level):
    provider = ProviderSeen(ProviderId(1), "Far", failures=failures, resting_until=NOW + timedelta(seconds=9))
    assert level == find("provider Far", provider).level


@pytest.mark.parametrize(
    ("changes", "code", "age"),
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
def test_a_finding_claims_no_more_than_is_known_of_a_provider(changes, code, age):
    finding = find("provider Far", replace(FAR, **changes))
    assert Finding("provider Far", Level.OK, code, OF_FAR | age) == finding


def test_a_provider_that_cannot_be_called_is_critical_unless_it_is_disabled():
    shut = replace(FAR, shut=ShutCode.NO_KEY)
    finding = find("provider Far", shut)
    assert (Level.CRITICAL, FindingCode.PROVIDER_NOT_OPENED) == (finding.level, finding.code)
    assert OF_FAR | {"why": ShutCode.NO_KEY} == finding.fields
    private = find("provider Far", replace(FAR, shut=ShutCode.ADDRESS_PRIVATE))
    assert FindingCode.PROVIDER_NOT_ALLOWED is private.code
    assert Level.OK is find("provider Far", replace(shut, enabled=False)).level


@pytest.mark.parametrize(
    ("age_min", "also", "level", "code"),
    [
        (5, {}, Level.WARNING, FindingCode.PROVIDER_UNHEARD_OF),
        (30, {}, Level.CRITICAL, FindingCode.PROVIDER_UNHEARD_OF),
        (5, {"failures": 10}, Level.CRITICAL, FindingCode.PROVIDER_FAILS),
        (5, {"enabled": False}, Level.WARNING, FindingCode.PROVIDER_DISABLED),
    ],
)
def test_a_provider_is_judged_by_its_overdue_deliveries(age_min, also, level, code):
    provider = replace(FAR, unpolled=WaitingCount(2, ago(minutes=age_min)), **also)
    finding = find("provider Far", provider)
    assert (level, code, 2, timedelta(minutes=age_min)) == (
        finding.level,
        finding.code,
        finding.fields["count"],
        finding.fields["age"],
    )


def test_a_paused_provider_is_reported_but_not_a_disabled_one():
    until = NOW + timedelta(seconds=9)
    paused = replace(FAR, failures=4, resting_until=until)
    fields = OF_FAR | {"failures": 4, "paused_until": until}
    assert fields == find("provider Far", paused).fields
    tried = replace(paused, resting_until=ago(seconds=9))
    assert None is find("provider Far", tried).fields["paused_until"]
    disabled = find("provider Far", replace(paused, enabled=False))
    assert Finding("provider Far", Level.OK, FindingCode.PROVIDER_DISABLED, OF_FAR) == disabled
    assert [Finding("providers", Level.WARNING, FindingCode.NO_PROVIDER)] == judge_providers([], NOW)


@pytest.mark.parametrize(
    ("hours", "level"), [("24", Level.OK), ("23.9", Level.WARNING), ("6", Level.WARNING), ("5.9", Level.CRITICAL)]
)
def test_a_balance_is_judged_by_how_long_it_lasts(hours, level):
    provider = replace(FAR, hours_left=Decimal(hours))
    finding = find("balance Far", provider)
    assert (level, FindingCode.BALANCE_LASTS, Decimal(hours)) == (finding.level, finding.code, finding.fields["hours"])


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
def test_a_balance_near_zero_is_reported_whatever_was_spent(balance, hours, level, code):
    provider = replace(FAR, balance=BalanceReading(NOW, Decimal(balance)), hours_left=hours and Decimal(hours))
    finding = find("balance Far", provider)
    assert (level, code, Decimal(balance), "USD") == (
        finding.level,
        finding.code,
        finding.fields["balance"],
        finding.fields["currency"],
    )


@pytest.mark.parametrize(
    ("balance", "requested", "level", "code"),
    [
        (BalanceReading(ago(minutes=30), Decimal(9)), NOW, Level.OK, FindingCode.BALANCE_READ),
        (BalanceReading(ago(minutes=31), Decimal(9)), NOW, Level.WARNING, FindingCode.BALANCE_READ),
        (BalanceReading(ago(days=20), Decimal(9)), NOW, Level.WARNING, FindingCode.BALANCE_READ),
        (None, NOW, Level.WARNING, FindingCode.BALANCE_NEVER_READ),
        (None, None, Level.OK, FindingCode.BALANCE_NOT_ASKED_YET),
    ],
)
def test_a_balance_that_is_not_read_is_a_warning(balance, requested, level, code):
    finding = find("reading Far", replace(FAR, balance=balance, balance_asked=requested))
    age = {} if balance is None else {"age": NOW - balance.at}
    assert Finding("reading Far", level, code, OF_FAR | age) == finding


@pytest.mark.parametrize("other", [{"kind": "sandbox"}, {"kind": "manual"}, {"enabled": False}])
def test_a_balance_is_judged_only_of_enabled_panels(other):
    provider = replace(FAR, balance=BalanceReading(ago(days=9), Decimal(0)), hours_left=Decimal(0), **other)
    names = {finding.name for finding in judge_providers([provider], NOW)}
    assert not names & {"balance Far", "reading Far"}


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
def test_a_price_list_that_is_late_or_refused_is_a_warning(followed, level, age, fault):
    finding = find("price list Far", replace(FAR, followed=followed))
    code = FindingCode.PRICE_LIST_NEVER_READ if age is None else FindingCode.PRICE_LIST_TAKEN
    assert (level, code, age, fault) == (
        finding.level,
        finding.code,
        finding.fields.get("age"),
        finding.fields["fault"],
    )


def test_the_price_list_of_a_disabled_provider_is_no_warning():
    followed = FollowedList(HALF_AN_HOUR, ago(days=9), "it did not answer")
    finding = find("price list Far", replace(FAR, followed=followed, enabled=False))
    fields = OF_FAR | {"fault": "it did not answer", "age": timedelta(days=9)}
    assert Finding("price list Far", Level.OK, FindingCode.PRICE_LIST_TAKEN, fields) == finding


@pytest.mark.parametrize(
    ("adds", "level", "code", "count"),
    [
        (None, Level.WARNING, FindingCode.ADDS_NOT_DECIDED, 16),
        (0, Level.OK, FindingCode.ADDS_AS_MANY_AS_CALLS, 16),
        (1, Level.OK, FindingCode.ADDS_FEW_AT_A_TIME, 1),
    ],
)
def test_a_v1_panel_without_a_limit_of_adds_is_a_warning(adds, level, code, count):
    panel = replace(FAR, dialect="v1", adds_at_a_time=adds, concurrency=16)
    finding = find("adds Far", panel)
    assert (level, code, {"provider": 1, "provider_name": "Far", "count": count}) == (
        finding.level,
        finding.code,
        finding.fields,
    )


@pytest.mark.parametrize("changes", [{"dialect": "v2"}, {"enabled": False}, {"kind": "sandbox"}])
def test_adds_are_judged_only_of_enabled_v1_panels(changes):
    panel = replace(FAR, **{"dialect": "v1", **changes})
    assert "adds Far" not in [finding.name for finding in judge_providers([panel], NOW)]


def test_the_warning_about_adds_names_the_command():
    _, do = ENGLISH.finding(FindingCode.ADDS_NOT_DECIDED, {"provider_name": "Far", "count": 16})
    assert "`opensmm provider edit Far --adds-at-a-time 1`" in do
